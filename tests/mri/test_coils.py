"""Laws of coils: noise, compression, combination, simulated maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import (
    apply_to_coils,
    birdcage_maps,
    compression_matrix,
    joined_maps,
    normalise_maps,
    root_sum_of_squares,
    whitening_matrix,
)
from tests.fixtures.operator_laws import random_complex


def test_the_root_sum_of_squares_is_numpys():
    images = random_complex(0, 2, 3, 5, 4)
    expected = np.linalg.norm(images, axis=1)
    np.testing.assert_allclose(root_sum_of_squares(images), expected, rtol=1e-6)


@pytest.mark.slow
def test_normalised_maps_have_the_sum_of_squares_one_or_stay_zero():
    maps = random_complex(2, 3, 5, 4).at[:, 2, 1].set(0)
    found = normalise_maps(maps)
    expected = np.ones((5, 4))
    expected[2, 1] = 0
    np.testing.assert_allclose(root_sum_of_squares(found), expected, atol=1e-6)
    gradient = jax.grad(lambda x: jnp.sum(normalise_maps(x).real))(maps)
    assert np.isfinite(gradient).all()


def test_images_of_two_sets_are_joined_with_the_phase_of_the_first():
    images = random_complex(9, 2, 2, 5, 4).at[:, 0, 1, 1].set(0)
    found = joined_maps(images)
    lengths = np.linalg.norm(images, axis=1)
    np.testing.assert_allclose(np.abs(found), lengths, rtol=1e-5)
    seen = lengths > 0
    seen[:, 1, 1] = False  # no phase there
    angles = np.angle(found * images[:, 0].conj())
    np.testing.assert_allclose(angles[seen], 0, atol=1e-5)
    np.testing.assert_array_equal(joined_maps(images[:, 1]), images[:, 1])


def correlated_noise(samples=4000):
    mixing = np.asarray(random_complex(3, 4, 4)) + 3 * np.eye(4)
    return jnp.asarray(mixing @ random_complex(4, 4, samples), jnp.complex64)


def test_whitened_noise_is_independent_and_of_variance_one():
    noise = correlated_noise()
    white = whitening_matrix(noise) @ noise
    np.testing.assert_allclose(np.cov(white, bias=True), np.eye(4), atol=5e-3)


def test_whitening_is_the_inverse_of_numpys_cholesky_factor():
    noise = np.asarray(correlated_noise(), np.complex128)
    factor = np.linalg.cholesky(noise @ noise.conj().T / noise.shape[1])
    found = whitening_matrix(correlated_noise())
    np.testing.assert_allclose(found, np.linalg.inv(factor), atol=1e-5)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (random_complex(0, 4, 4), "4 samples of 4 coils"),
        (random_complex(0, 3, 50).at[1].set(0), "a coil is empty or a copy"),
    ],
)
def test_noise_without_an_inverse_covariance_is_refused(noise, message):
    with pytest.raises(InputError, match=message):
        whitening_matrix(noise)


def test_virtual_coils_keep_as_much_as_singular_vectors_can():
    kspace = random_complex(5, 6, 8, 7)
    matrix = compression_matrix(kspace, 3)
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(3), atol=1e-5)
    values = np.linalg.svd(np.asarray(kspace).reshape(6, -1), compute_uv=False)
    kept = apply_to_coils(matrix, kspace).reshape(3, -1)
    np.testing.assert_allclose(np.linalg.norm(kept, axis=1), values[:3], rtol=1e-5)


def test_coils_of_which_some_are_sums_of_others_lose_nothing():
    few = random_complex(6, 3, 8, 7)
    many = apply_to_coils(random_complex(7, 8, 3), few)
    matrix = compression_matrix(many, 3)
    restored = apply_to_coils(matrix.conj().T, apply_to_coils(matrix, many))
    np.testing.assert_allclose(restored, many, atol=2e-5)


@pytest.mark.parametrize("count", [0, 5])
def test_more_virtual_coils_than_coils_are_refused(count):
    with pytest.raises(InputError, match=f"1 to 4 virtual coils.*found {count}"):
        compression_matrix(random_complex(8, 4, 3, 3), count)


def test_birdcage_maps_are_normalised_and_each_coil_sees_its_own_side():
    maps = birdcage_maps(4, (16, 16))
    assert maps.dtype == jnp.complex64
    np.testing.assert_allclose(root_sum_of_squares(maps), 1, rtol=1e-5)
    size = np.abs(np.asarray(maps))
    # Coils at the angles 0, 90, 180 and 270 degrees: right, bottom, left, top.
    for coil, pixel in enumerate([(8, 15), (15, 8), (8, 0), (0, 8)]):
        assert size[:, *pixel].argmax() == coil
