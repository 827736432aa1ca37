"""The convolution against SciPy, and its gradients against the library's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from emrnas_jax.models.convolution import (
    convolve,
    input_gradient,
    kernel_gradient,
    kernel_gradient_as_product,
    kernel_gradient_of_library,
)

# Odd sides, one row, and images smaller than the reach of the largest dilation.
SIZES = [(7, 9), (8, 8), (3, 2), (1, 5)]
every_case = [
    pytest.mark.parametrize("dilation", [1, 2, 4]),
    pytest.mark.parametrize("size", SIZES),
]


def cases(function):
    for mark in every_case:
        function = mark(function)
    return function


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(numbers, jnp.float32)


def library_convolution(x, kernel, dilation):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (1, 1),
        [(dilation, dilation)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@cases
def test_it_is_the_correlation_with_a_dilated_kernel_and_zeros_outside(size, dilation):
    x, kernel = draw(0, 2, *size, 3), draw(1, 3, 3, 3, 2)
    spread = np.zeros((2 * dilation + 1, 2 * dilation + 1, 3, 2))
    spread[::dilation, ::dilation] = kernel
    expected = np.zeros((2, *size, 2))
    for b, i, o in np.ndindex(2, 3, 2):
        expected[b, ..., o] += scipy.ndimage.correlate(
            np.asarray(x[b, ..., i], float), spread[..., i, o], mode="constant"
        )
    np.testing.assert_allclose(convolve(x, kernel, dilation), expected, atol=1e-4)


@cases
def test_gradients_are_the_librarys(size, dilation):
    x, kernel, dy = draw(0, 2, *size, 3), draw(1, 3, 3, 3, 2), draw(2, 2, *size, 2)
    _, pullback = jax.vjp(lambda x, k: library_convolution(x, k, dilation), x, kernel)
    dx, dkernel = pullback(dy)
    np.testing.assert_allclose(input_gradient(dy, kernel, dilation), dx, atol=1e-4)
    for gradient in (
        kernel_gradient,
        kernel_gradient_as_product,
        kernel_gradient_of_library,
    ):
        np.testing.assert_allclose(gradient(x, dy, dilation), dkernel, atol=1e-4)
    _, pullback = jax.vjp(lambda x, k: convolve(x, k, dilation), x, kernel)
    for found, expected in zip(pullback(dy), (dx, dkernel), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_commutes_with_vmap_and_scan():
    x, kernels = draw(3, 2, 7, 9, 2), draw(4, 3, 3, 3, 2, 2)
    one_by_one = jnp.stack([convolve(x, kernel, 2) for kernel in kernels])
    at_once = jax.vmap(lambda kernel: convolve(x, kernel, 2))(kernels)
    np.testing.assert_allclose(at_once, one_by_one, atol=1e-4)

    def loss(kernels):
        carry, _ = jax.lax.scan(lambda h, k: (convolve(h, k, 2), None), x, kernels)
        return jnp.sum(carry**2)

    def unrolled(kernels):
        h = x
        for kernel in kernels:
            h = library_convolution(h, kernel, 2)
        return jnp.sum(h**2)

    found, expected = jax.grad(loss)(kernels), jax.grad(unrolled)(kernels)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2)
