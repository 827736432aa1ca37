"""The convolution against SciPy, and its gradients against the library's own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from emrnas_jax.kernels import cpp, xla
from emrnas_jax.kernels.convolution import (
    Reader,
    convolve,
    input_gradient,
    kernel_gradient,
)
from emrnas_jax.kernels.library import targets
from emrnas_jax.kernels.xla import kernel_gradient_of_library

# Odd sides, one row, images smaller than the reach of the largest dilation, and rows
# of more than one block of pixels.
SIZES = [(7, 9), (8, 8), (3, 2), (1, 5), (3, 37)]
# Channels of the maps and of the output: one map, several, whole vectors, their rest.
CHANNELS = [
    ((3,), 2),
    ((4,), 2),
    ((16, 16, 16), 16),
    ((2,), 8),
    ((4, 8), 20),
    ((5,), 4),
    ((32,), 4),
    ((32,), 32),
    ((4, 16, 3, 9), 32),
]


@pytest.fixture(params=["cpp", "xla"])
def backend(request, monkeypatch):
    """Run a test with the C++ kernels and with XLA's convolutions."""
    if request.param == "xla":
        monkeypatch.setattr(cpp, "targets", lambda: None)
    elif targets() is None:
        pytest.skip("no C++ compiler")
    return request.param


both_backends = pytest.mark.usefixtures("backend")


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(numbers, jnp.float32)


def draw_case(size, channels):
    inputs, outputs = channels
    maps = tuple(draw(i, 2, *size, c) for i, c in enumerate(inputs))
    kernel, bias = draw(10, 3, 3, sum(inputs), outputs), draw(11, outputs)
    return maps, kernel, bias, draw(12, 2, *size, outputs)


def library_convolution(maps, kernel, bias, dilation):
    y = jax.lax.conv_general_dilated(
        jnp.concatenate(maps, -1),
        kernel,
        (1, 1),
        [(dilation, dilation)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y + bias[None, None, None]


@both_backends
@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_it_is_the_correlation_with_a_dilated_kernel_and_zeros_outside(size, dilation):
    maps, kernel, bias, _ = draw_case(size, ((4,), 4))
    spread = np.zeros((2 * dilation + 1, 2 * dilation + 1, 4, 4))
    spread[::dilation, ::dilation] = kernel
    expected = np.zeros((2, *size, 4)) + np.asarray(bias)
    for b, i, o in np.ndindex(2, 4, 4):
        expected[b, ..., o] += scipy.ndimage.correlate(
            np.asarray(maps[0][b, ..., i], float), spread[..., i, o], mode="constant"
        )
    found = convolve(maps, kernel, bias, dilation)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@both_backends
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("size", [(7, 9), (3, 37)])
def test_several_maps_are_convolved_like_their_concatenation(size, channels):
    maps, kernel, bias, _ = draw_case(size, channels)
    found = convolve(maps, kernel, bias, 2)
    expected = library_convolution(maps, kernel, bias, 2)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@both_backends
@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_gradients_are_the_librarys(size, dilation):
    check_gradients(draw_case(size, ((4, 8), 8)), dilation)


@both_backends
@pytest.mark.parametrize("channels", CHANNELS)
def test_gradients_are_the_librarys_for_all_channels(channels):
    check_gradients(draw_case((7, 9), channels), 2)


def check_gradients(case, dilation):
    # One program: alone, each of its operations is compiled anew for every shape.
    @jax.jit
    def both(maps, kernel, bias, dy):
        own = partial(convolve, dilation=dilation)
        library = partial(library_convolution, dilation=dilation)
        return tuple(jax.vjp(f, maps, kernel, bias)[1](dy) for f in (own, library))

    found, expected = map(jax.tree.leaves, both(*case))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_both_forms_of_xlas_kernel_gradient_agree(size, dilation):
    (x,), kernel, bias, dy = draw_case(size, ((3,), 2))

    @jax.jit
    def forms(x, kernel, dy):
        _, pullback = jax.vjp(
            lambda k: library_convolution((x,), k, bias, dilation), kernel
        )
        found = (
            xla.kernel_gradient(x, dy, dilation, "float32"),
            xla.kernel_gradient_as_product(x, dy, dilation),
            kernel_gradient_of_library(x, dy, dilation),
        )
        return found, pullback(dy)[0]

    found, expected = forms(x, kernel, dy)
    for one in found:
        np.testing.assert_allclose(one, expected, atol=1e-4)


@pytest.mark.parametrize("inputs", [(16,), (4, 12)])
def test_products_of_transforms_are_nearly_as_exact_as_plain_sums(inputs):
    """The maps are large enough that several tasks share the gradient's tiles."""
    if targets() is None:
        pytest.skip("no C++ compiler")
    maps, kernel, bias, dy = draw_case((40, 70), (inputs, 16))

    def both(precise):
        kind = np.float64 if precise else np.float32
        x = np.concatenate([np.asarray(own, kind) for own in maps], -1)
        x = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
        sums = np.einsum("byxiuv,uvio->byxo", windows, np.asarray(kernel, kind))
        gradient = np.einsum("byxiuv,byxo->uvio", windows, np.asarray(dy, kind))
        return sums + np.asarray(bias, kind), gradient

    exact, plain = both(precise=True), both(precise=False)
    found = (
        convolve(maps, kernel, bias),
        kernel_gradient(maps, dy, 1)[0],
    )
    for own, other, wanted in zip(found, plain, exact, strict=True):
        error = np.sqrt(np.mean((own - wanted) ** 2))
        assert error < 4 * np.sqrt(np.mean((other - wanted) ** 2)) + 1e-7
    np.testing.assert_allclose(
        kernel_gradient(maps, dy, 1)[1], np.asarray(dy).sum((0, 1, 2)), atol=1e-3
    )


@both_backends
@pytest.mark.parametrize("slope", [0.2, 0.0])
@pytest.mark.parametrize("channels", [((8,), 8), ((8,), 2), ((16,), 16)])
def test_the_activation_is_a_leaky_relu_with_its_gradient(channels, slope):
    maps, kernel, bias, dy = draw_case((7, 9), channels)

    def plain(maps, kernel, bias):
        return jax.nn.leaky_relu(library_convolution(maps, kernel, bias, 1), slope)

    expected, pullback = jax.vjp(plain, maps, kernel, bias)
    found, own_pullback = jax.vjp(
        lambda m, k, b: convolve(m, k, b, 1, slope), maps, kernel, bias
    )
    assert (expected <= 0).any()
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for one, other in zip(
        jax.tree.leaves(own_pullback(dy)), jax.tree.leaves(pullback(dy)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=2e-4)


@both_backends
@pytest.mark.parametrize("outputs", [8, 2])
def test_at_exactly_zero_the_gradient_is_that_of_negative_values(outputs):
    black, kernel = jnp.zeros((1, 3, 4, 8)), draw(0, 3, 3, 8, outputs)

    def total(bias):
        return convolve((black,), kernel, bias, 1, 0.25).sum()

    np.testing.assert_array_equal(jax.grad(total)(jnp.zeros(outputs)), 12 * 0.25)


@both_backends
def test_the_gradient_of_a_map_of_few_channels_knows_its_activation():
    activated, kernel, dy = (
        draw(0, 2, 7, 9, 2),
        draw(1, 3, 3, 2, 8),
        draw(2, 2, 7, 9, 8),
    )
    readers = [Reader(dy, kernel, 1)]
    found = input_gradient(readers, activated, 0.2)
    expected = jnp.where(activated > 0, 1, 0.2) * input_gradient(readers)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@both_backends
def test_the_gradient_of_a_map_adds_those_of_its_readers():
    activated, kernels = draw(0, 2, 7, 9, 8), [draw(i, 3, 3, 8, 8) for i in (1, 2)]
    dys, bias = [draw(i, 2, 7, 9, 8) for i in (3, 4)], jnp.zeros(8)

    def read(x):
        a = library_convolution((x,), kernels[0], bias, 1)
        b = library_convolution((x,), kernels[1], bias, 4)
        return jnp.vdot(a, dys[0]) + jnp.vdot(b, dys[1])

    readers = [Reader(dys[0], kernels[0], 1), Reader(dys[1], kernels[1], 4)]
    expected = jax.grad(read)(activated)
    np.testing.assert_allclose(input_gradient(readers), expected, atol=2e-4)
    before = jax.grad(lambda s: read(jax.nn.leaky_relu(s, 0.2)))(
        jnp.where(activated >= 0, activated, activated / 0.2)
    )
    found = input_gradient(readers, activated, 0.2)
    np.testing.assert_allclose(found, before, atol=2e-4)


def test_the_kernel_gradient_of_many_rows_is_added_in_one_order():
    """Threads may finish in any order; the sums must not show it."""
    if targets() is None:
        pytest.skip("no C++ compiler")
    maps, _, _, dy = draw_case((64, 32), ((8,), 8))
    first = kernel_gradient(maps, dy, 1)
    for _ in range(5):
        for one, other in zip(kernel_gradient(maps, dy, 1), first, strict=True):
            np.testing.assert_array_equal(one, other)


@both_backends
def test_it_commutes_with_vmap_and_scan():
    x, kernels, bias = draw(3, 2, 7, 9, 4), draw(4, 3, 3, 3, 4, 4), jnp.zeros(4)
    one_by_one = jnp.stack([convolve((x,), kernel, bias, 2) for kernel in kernels])
    at_once = jax.vmap(lambda kernel: convolve((x,), kernel, bias, 2))(kernels)
    np.testing.assert_allclose(at_once, one_by_one, atol=1e-4)

    def loss(kernels):
        carry, _ = jax.lax.scan(
            lambda h, k: (convolve((h,), k, bias, 2), None), x, kernels
        )
        return jnp.sum(carry**2)

    def unrolled(kernels):
        h = x
        for kernel in kernels:
            h = library_convolution((h,), kernel, bias, 2)
        return jnp.sum(h**2)

    found, expected = jax.grad(loss)(kernels), jax.grad(unrolled)(kernels)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=0.5)


def test_half_precision_gives_half_precision():
    maps, kernel, bias, _ = draw_case((8, 8), ((8,), 8))
    halves = tuple(x.astype(jnp.bfloat16) for x in maps)
    found = convolve(halves, kernel, bias, precision="bf16")
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        found.astype(jnp.float32), convolve(maps, kernel, bias, 1), atol=0.5
    )
