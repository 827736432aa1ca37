"""SENSE against dense least squares, and the choice of its weight."""

import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.mri.fourier import fft2
from emrnas_jax.mri.sense import WEIGHTS, adjoint, choose_weight, normal, sense
from tests.fixtures.operator_laws import assert_adjoint, random_complex

SHAPE, COILS = (8, 6), 4


def maps_of(count, frames=1):
    """Different maps for every frame, Σ|S|² = 1 for each map."""
    maps = np.asarray(random_complex(0, frames, count, COILS, *SHAPE))
    return jnp.asarray(maps / np.linalg.norm(maps, axis=2, keepdims=True))


def mask_of(kind):
    row, column = np.ogrid[: SHAPE[0], : SHAPE[1]]
    full = np.random.default_rng(1).random(SHAPE) < 0.6
    return jnp.asarray(
        {"rows": row % 2 == 0, "columns": column % 2 == 0, "full": full}[kind][None]
    )


def forward(images, mask, maps):
    """A x, written out."""
    coils = jnp.sum(maps * images[:, :, None], axis=1)
    return jnp.where(mask[:, None], fft2(coils), 0)


def dense(mask, maps):
    """A as a matrix from images to samples, column by column."""
    count, pixels = maps.shape[1], SHAPE[0] * SHAPE[1]
    units = np.eye(count * pixels, dtype=np.complex64)
    columns = [
        forward(jnp.asarray(unit.reshape(1, count, *SHAPE)), mask, maps)
        for unit in units
    ]
    return np.stack([np.asarray(c).ravel() for c in columns], axis=1)


@pytest.mark.parametrize("kind", ["rows", "columns", "full"])
@pytest.mark.parametrize("count", [1, 2])
def test_it_is_the_regularised_least_squares_solution(kind, count):
    mask, maps = mask_of(kind), maps_of(count)
    kspace = random_complex(2, 1, COILS, *SHAPE)
    matrix = dense(mask, maps)
    measured = np.where(mask[:, None], kspace, 0).ravel()
    left = matrix.conj().T @ matrix + 0.1 * np.eye(matrix.shape[1])
    wanted = np.linalg.solve(left, matrix.conj().T @ measured)
    found = sense(kspace, mask, maps, jnp.float32([0.1]), iterations=60)
    np.testing.assert_allclose(np.asarray(found).ravel(), wanted, atol=2e-4)


@pytest.mark.parametrize("kind", ["rows", "columns", "full"])
def test_the_normal_operator_is_the_adjoint_after_the_forward_model(kind):
    mask, maps = mask_of(kind), maps_of(2)
    images = random_complex(3, 1, 2, *SHAPE)
    assert_adjoint(
        lambda x: forward(x, mask, maps),
        lambda y: adjoint(y, mask, maps),
        images,
        random_complex(4, 1, COILS, *SHAPE),
    )
    wanted = adjoint(forward(images, mask, maps), mask, maps)
    np.testing.assert_allclose(normal(images, mask, maps), wanted, atol=5e-6)


def test_frames_have_their_own_weights_and_do_not_mix():
    mask, maps = mask_of("rows"), maps_of(1, frames=2)
    kspace, weights = random_complex(5, 2, COILS, *SHAPE), jnp.float32([0.01, 1.0])
    together = sense(kspace, mask, maps, weights)
    for n in range(2):
        one = slice(n, n + 1)
        alone = sense(kspace[one], mask, maps[one], weights[one])
        np.testing.assert_allclose(together[one], alone, atol=1e-5)


def test_values_that_were_not_measured_do_not_count():
    mask, maps = mask_of("rows"), maps_of(1)
    kspace = random_complex(6, 1, COILS, *SHAPE)
    dirty = jnp.where(mask[:, None], kspace, jnp.inf)
    weight = jnp.float32([0.01])
    np.testing.assert_array_equal(
        sense(dirty, mask, maps, weight), sense(kspace, mask, maps, weight)
    )
    assert choose_weight(dirty, mask, maps) == choose_weight(kspace, mask, maps)


def test_empty_kspace_gives_an_empty_image():
    mask, maps = mask_of("rows"), maps_of(1)
    kspace = jnp.zeros((1, COILS, *SHAPE), jnp.complex64)
    assert not sense(kspace, mask, maps, jnp.float32([0.0])).any()


def scan(noise):
    """A smooth image of the size 32 x 24, every third row, with noise."""
    shape = (32, 24)
    maps = birdcage_maps(6, shape)[None, None]
    row, column = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    image = jnp.asarray((1 + np.cos(3 * row) * np.sin(4 * column))[None], jnp.complex64)
    mask = jnp.asarray(np.arange(shape[0]) % 3 == 0)[None, :, None]
    clean = fft2(maps[:, 0] * image[:, None])
    return image, clean + noise * random_complex(7, *clean.shape), mask, maps


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_the_chosen_weight_is_nearly_the_best_one(noise):
    image, kspace, mask, maps = scan(noise)

    def error(weight):
        found = sense(kspace, mask, maps, jnp.float32([weight]))[:, 0]
        return float(jnp.linalg.norm((found - image).ravel()))

    chosen = float(choose_weight(kspace, mask, maps)[0])
    assert np.isclose(chosen, WEIGHTS, rtol=1e-6).any()
    assert error(chosen) < 1.1 * min(error(weight) for weight in WEIGHTS[::4])


def test_more_noise_gets_a_larger_weight():
    weights = [float(choose_weight(*scan(noise)[1:])[0]) for noise in (0.03, 0.3)]
    assert weights[1] > 3 * weights[0]


def test_the_score_is_that_of_dense_matrices():
    """The chosen λ has the least generalised cross-validation, with the exact trace."""
    mask, maps = mask_of("rows"), maps_of(1)
    image = random_complex(8, 1, 1, *SHAPE)
    kspace = forward(image, mask, maps) + 0.5 * random_complex(9, 1, COILS, *SHAPE)
    matrix = dense(mask, maps)
    measured = np.where(mask[:, None], kspace, 0).ravel()
    gram = matrix.conj().T @ matrix
    samples = int(np.broadcast_to(mask[:, None], kspace.shape).sum())

    def score(weight):
        hat = matrix @ np.linalg.solve(
            gram + weight * np.eye(len(gram)), matrix.conj().T
        )
        residual = measured - hat @ measured
        return np.linalg.norm(residual) ** 2 / (samples - np.trace(hat).real) ** 2

    chosen = float(choose_weight(kspace, mask, maps)[0])
    # The trace is estimated with one random image of 48 pixels.
    assert score(chosen) < 1.05 * min(map(score, WEIGHTS))
