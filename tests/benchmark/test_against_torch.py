"""What a comparison requires and reports; needs no PyTorch."""

import pytest

from emrnas_jax.benchmark.against_torch import (
    BOUNDS,
    _cycling,
    ratio_fields,
    require_equal,
)
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.roofline import MATRIX_FORMS


@pytest.mark.parametrize("precision", BOUNDS)
def test_unequal_results_are_refused_with_their_difference(precision):
    require_equal(BOUNDS[precision], precision, "eager")
    with pytest.raises(InputError, match=r"PyTorch \(eager\).*nothing was timed"):
        require_equal(1.01 * BOUNDS[precision], precision, "eager")


def test_a_result_that_is_not_a_number_is_refused():
    with pytest.raises(InputError, match="difference of nan"):
        require_equal(float("nan"), "float32", "compile")


def test_every_precision_has_a_bound_and_less_precise_ones_a_wider():
    assert BOUNDS.keys() == MATRIX_FORMS.keys()
    assert BOUNDS["float32"] < BOUNDS["tf32"] < BOUNDS["bf16"]


def test_the_ratio_is_to_the_fastest_variant():
    found = ratio_fields(30.0, {"eager": 60.0, "compile": 40.0})
    assert found["torch_variant"] == "compile"
    assert (found["torch_ms"], found["torch_ratio"]) == (40.0, 0.75)
    assert found["torch_variants_ms"] == {"eager": 60.0, "compile": 40.0}


def test_without_a_variant_that_ran_there_is_no_ratio():
    found = ratio_fields(30.0, {})
    assert found["torch_ms"] is found["torch_variant"] is found["torch_ratio"] is None


def test_a_run_takes_the_values_in_turn_again_and_again():
    taken = []
    run = _cycling(taken.append, [1, 2])
    for _ in range(5):
        run()
    assert taken == [1, 2, 1, 2, 1]
