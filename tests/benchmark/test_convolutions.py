import jax
import numpy as np
import pytest

from emrnas_jax.benchmark.convolutions import (
    DILATIONS,
    FORMS,
    NATIVE_FUSED,
    convolution_row,
    is_exact_enough,
)


@pytest.mark.parametrize("dilation", DILATIONS)
def test_every_form_computes_the_same(dilation):
    keys = jax.random.split(jax.random.key(0))
    x = jax.random.normal(keys[0], (1, 16, 16, 4))
    kernel = jax.random.normal(keys[1], (3, 3, 4, 4))
    expected, *others = (
        np.asarray(form(x, kernel, dilation, "float32")) for form in FORMS.values()
    )
    assert expected.shape == (1, 16, 16, 4)
    for found in others:
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_row_times_the_map_and_its_gradients(case):
    row = convolution_row("as in networks", case, 2, 1, with_torch=False)
    assert row["step_ms"] > 0
    assert row["gradient_ms"] > 0
    assert (row["form"], row["dilation"], row["width"]) == ("as in networks", 2, 4)
    assert "torch_ms" not in row


def test_a_form_with_an_option_of_xla_is_compiled(case):
    row = convolution_row(NATIVE_FUSED, case, 2, 1, with_torch=False)
    assert row["step_ms"] > 0
    assert is_exact_enough(NATIVE_FUSED, "bf16")
    assert not is_exact_enough(NATIVE_FUSED, "float32")
