"""Laws of the Fourier pair and of the conversions around it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrnas_jax.mri.fourier import (
    fft2,
    from_centred_kspace,
    ifft2,
    to_centred_kspace,
    to_channels,
    to_complex,
)
from tests.fixtures.operator_laws import (
    assert_adjoint,
    assert_unitary,
    random_complex,
)

SHAPES = [(8, 8), (6, 7), (9, 7)]
shapes = st.sampled_from(SHAPES)
seeds = st.integers(0, 2**32 - 1)


def centred_transform(image):
    """fastMRI's transform, written out."""
    axes = (-2, -1)
    image = np.fft.ifftshift(np.asarray(image), axes=axes)
    kspace = np.fft.fft2(image, norm="ortho")
    return np.fft.fftshift(kspace, axes=axes).astype(np.complex64)


@given(seeds, shapes)
def test_the_transform_and_its_inverse_are_unitary(seed, shape):
    image = random_complex(seed, 2, *shape)
    assert_unitary(fft2, ifft2, image)
    assert_unitary(ifft2, fft2, image)


@given(seeds, shapes)
def test_the_inverse_is_the_adjoint(seed, shape):
    assert_adjoint(fft2, ifft2, *random_complex(seed, 2, *shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_image_is_one_sample_at_index_zero(shape):
    kspace = np.array(fft2(jnp.ones(shape)))
    np.testing.assert_allclose(kspace[0, 0], np.sqrt(np.prod(shape)), rtol=1e-6)
    kspace[0, 0] = 0
    np.testing.assert_allclose(kspace, 0, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_transform_is_the_sum_of_its_definition(shape):
    image = random_complex(0, *shape)
    rows, columns = (
        np.exp(-2j * np.pi * np.outer(i, i) / len(i))
        for i in (np.arange(shape[0]), np.arange(shape[1]))
    )
    expected = rows @ np.asarray(image) @ columns / np.sqrt(np.prod(shape))
    np.testing.assert_allclose(fft2(image), expected, atol=5e-6)


def test_the_transform_acts_on_the_last_two_axes_only():
    images = random_complex(1, 2, 3, 7, 6)
    np.testing.assert_allclose(fft2(images)[1, 2], fft2(images[1, 2]), atol=1e-6)


def test_kspace_is_complex64():
    assert fft2(jnp.ones((8, 8))).dtype == jnp.complex64
    assert ifft2(fft2(jnp.ones((8, 8)))).dtype == jnp.complex64


@given(seeds, shapes)
def test_channels_and_complex_are_inverse(seed, shape):
    image = random_complex(seed, 2, *shape)
    channels = to_channels(image)
    assert channels.dtype == jnp.float32
    np.testing.assert_array_equal(channels[..., 0], image.real)
    np.testing.assert_array_equal(channels[..., 1], image.imag)
    np.testing.assert_array_equal(to_complex(channels), image)


@given(seeds, shapes)
def test_centred_kspace_becomes_that_of_the_same_image(seed, shape):
    image = random_complex(seed, 2, *shape)
    converted = from_centred_kspace(centred_transform(image))
    assert converted.dtype == np.complex64
    np.testing.assert_allclose(converted, fft2(image), atol=5e-6)
    np.testing.assert_allclose(
        to_centred_kspace(np.asarray(fft2(image))), centred_transform(image), atol=5e-6
    )


@given(seeds, shapes)
def test_centring_and_back_changes_nothing(seed, shape):
    kspace = np.asarray(random_complex(seed, *shape))
    back = to_centred_kspace(from_centred_kspace(kspace))
    if shape[0] % 2 == 0 and shape[1] % 2 == 0:
        np.testing.assert_array_equal(back, kspace)
    np.testing.assert_allclose(back, kspace, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_unmeasured_lines_stay_exactly_zero(shape):
    kspace = np.array(random_complex(2, *shape))
    kspace[::2] = 0
    converted = from_centred_kspace(kspace)
    measured = np.fft.ifftshift(np.arange(shape[0]) % 2 == 1)
    np.testing.assert_array_equal(converted[~measured], 0)
    assert np.all(converted[measured] != 0)


def test_double_precision_from_a_file_becomes_complex64():
    kspace = np.asarray(random_complex(3, 8, 8), np.complex128)
    assert from_centred_kspace(kspace).dtype == np.complex64
    assert to_centred_kspace(kspace).dtype == np.complex64


def test_the_gradient_of_a_sampled_error_is_finite():
    kspace = fft2(random_complex(4, 7, 6))

    def error(channels):
        return jnp.sum(jnp.abs(fft2(to_complex(channels)) - kspace) ** 2)

    gradient = jax.grad(error)(jnp.zeros((7, 6, 2)))
    # The transform is orthonormal: the gradient of |Fx - k|² is 2 (x - F⁻¹ k).
    np.testing.assert_allclose(gradient, -2 * to_channels(ifft2(kspace)), atol=1e-5)
