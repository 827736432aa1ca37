"""The kernels of bfloat16 maps against float32 convolutions of the same values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.kernels import cpp, xla
from emrnas_jax.kernels.library import has_matrix_units

pytestmark = pytest.mark.skipif(
    not has_matrix_units(), reason="this machine has no AMX"
)

# Batch, sides, channels of the maps, outputs and dilation: whole tiles, their rest in
# every direction, several maps, and taps that reach beyond the map.
CASES = [
    ((2, 40, 32), (32,), 32, 1),
    ((1, 13, 37), (4, 4, 8), 32, 1),
    ((1, 16, 64), (32,), 4, 2),
    ((2, 9, 50), (32, 8), 48, 3),
    ((1, 3, 32), (3,), 2, 5),
    ((1, 20, 33), (20,), 17, 1),
]
SLOPE = 0.2
# Each result is rounded once, by up to 1 in 256; sums and gradients of kernels are not.
ROUNDED, SUMMED = 2.0**-8, 1e-5


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(numbers, jnp.bfloat16)


@pytest.fixture(params=CASES, ids=str)
def case(request):
    size, inputs, outputs, dilation = request.param
    maps = [draw(i, *size, c) for i, c in enumerate(inputs)]
    # Values that bfloat16 holds exactly, so that both sides convolve the same.
    kernel = draw(10, 3, 3, sum(inputs), outputs).astype(jnp.float32) / 8
    bias = draw(11, outputs).astype(jnp.float32)
    return maps, kernel, bias, draw(12, *size, outputs), dilation


def plain(maps, kernel, dilation):
    return jax.lax.conv_general_dilated(
        jnp.concatenate(maps, -1).astype(jnp.float32),
        kernel,
        (1, 1),
        [(dilation, dilation)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=xla.LAYOUT,
        precision="highest",
    )


def require_close(found, expected, tolerance):
    largest = float(jnp.abs(expected).max())
    np.testing.assert_allclose(
        found.astype(jnp.float32), expected, atol=tolerance * largest
    )


def test_a_convolution_is_that_of_the_same_values_rounded_once(case):
    maps, kernel, bias, _, dilation = case
    found = cpp.sum_of_convolutions(
        maps, kernel, bias, [dilation] * len(maps), cpp.LEAKY, SLOPE
    )
    assert found.dtype == jnp.bfloat16
    y = plain(maps, kernel, dilation) + bias[None, None, None]
    require_close(found, jnp.where(y >= 0, y, SLOPE * y), ROUNDED)


def test_the_gradient_of_an_activation_takes_its_sign(case):
    maps, kernel, _, activated, dilation = case
    activated = activated.at[0, 0].set(0)  # no sign: counts as negative
    found = cpp.sum_of_convolutions(
        maps,
        kernel,
        None,
        [dilation] * len(maps),
        cpp.LEAKY_GRADIENT,
        SLOPE,
        activated,
    )
    y = plain(maps, kernel, dilation)
    require_close(found, jnp.where(activated > 0, y, SLOPE * y), ROUNDED)


def test_gradients_of_kernel_and_bias_are_sums_in_float32(case):
    maps, kernel, bias, dy, dilation = case

    def product(kernel, bias):
        y = plain(maps, kernel, dilation) + bias[None, None, None]
        return jnp.vdot(y, dy.astype(jnp.float32))

    expected = jax.grad(product, (0, 1))(kernel, bias)
    found = cpp.kernel_gradient(maps, dy, dilation)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == jnp.float32
        require_close(one, other, SUMMED)
    # The order of the sums depends on the shapes, not on the threads.
    for one, other in zip(cpp.kernel_gradient(maps, dy, dilation), found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_short_rows_and_mixed_dilations_are_left_to_xla():
    maps = [draw(0, 1, 4, 32, 8), draw(1, 1, 4, 32, 8)]
    assert cpp.takes(maps, 8, [2, 2])
    assert not cpp.takes(maps, 8, [1, 2])
    assert not cpp.takes([x[:, :, :31] for x in maps], 8, [2, 2])
    assert not cpp.takes_gradient(maps, draw(2, 1, 4, 32, 8).astype(jnp.float32))
