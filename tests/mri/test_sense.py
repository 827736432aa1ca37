"""SENSE against dense least squares, and the choice of its weight."""

import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.mri.measurement import Measurement, undersample
from emrnas_jax.mri.sense import WEIGHTS, choose_weight, sense
from tests.fixtures.operator_laws import random_complex

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


def dense(mask, maps):
    """A as a matrix from images to samples, column by column."""
    count, pixels = maps.shape[1], SHAPE[0] * SHAPE[1]
    units = np.eye(count * pixels, dtype=np.complex64)
    columns = [
        undersample(jnp.asarray(unit.reshape(1, count, *SHAPE)), mask, maps).kspace
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
    found = sense(Measurement(kspace, mask, maps), jnp.float32([0.1]), iterations=60)
    np.testing.assert_allclose(np.asarray(found).ravel(), wanted, atol=2e-4)


def test_frames_have_their_own_weights_and_do_not_mix():
    mask, maps = mask_of("rows"), maps_of(1, frames=2)
    kspace, weights = random_complex(5, 2, COILS, *SHAPE), jnp.float32([0.01, 1.0])
    together = sense(Measurement(kspace, mask, maps), weights)
    for n in range(2):
        one = slice(n, n + 1)
        alone = sense(Measurement(kspace[one], mask, maps[one]), weights[one])
        np.testing.assert_allclose(together[one], alone, atol=1e-5)


def test_values_that_were_not_measured_do_not_count():
    mask, maps = mask_of("rows"), maps_of(1)
    kspace = random_complex(6, 1, COILS, *SHAPE)
    clean = Measurement(kspace, mask, maps)
    dirty = clean._replace(kspace=jnp.where(mask[:, None], kspace, jnp.inf))
    weight = jnp.float32([0.01])
    np.testing.assert_array_equal(sense(dirty, weight), sense(clean, weight))
    assert choose_weight(dirty) == choose_weight(clean)


def test_empty_kspace_gives_an_empty_image():
    mask, maps = mask_of("rows"), maps_of(1)
    kspace = jnp.zeros((1, COILS, *SHAPE), jnp.complex64)
    empty = Measurement(kspace, mask, maps)
    assert not sense(empty, jnp.float32([0.0])).any()
    assert np.isfinite(choose_weight(empty)).all()


def scan(noise):
    """A smooth image of the size 32 x 24, every third row, with noise."""
    shape = (32, 24)
    maps = birdcage_maps(6, shape)[None]
    row, column = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    image = jnp.asarray((1 + np.cos(3 * row) * np.sin(4 * column))[None], jnp.complex64)
    mask = jnp.asarray(np.arange(shape[0]) % 3 == 0)[None, :, None]
    clean = undersample(image, mask, maps)
    added = noise * random_complex(7, *clean.kspace.shape)
    return image, clean._replace(kspace=clean.kspace + added)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_the_chosen_weight_is_nearly_the_best_one(noise):
    image, measurement = scan(noise)

    def error(weight):
        found = sense(measurement, jnp.float32([weight]))
        return float(jnp.linalg.norm((found - image).ravel()))

    chosen = float(choose_weight(measurement)[0])
    assert np.isclose(chosen, WEIGHTS, rtol=1e-6).any()
    assert error(chosen) < 1.1 * min(error(weight) for weight in WEIGHTS[::4])


def test_more_noise_gets_a_larger_weight():
    weights = [float(choose_weight(scan(noise)[1])[0]) for noise in (0.03, 0.3)]
    assert weights[1] > 3 * weights[0]


def test_the_score_is_that_of_dense_matrices():
    """The chosen λ has the least generalised cross-validation, with the exact trace."""
    mask, maps = mask_of("rows"), maps_of(1)
    clean = undersample(random_complex(8, 1, 1, *SHAPE), mask, maps)
    kspace = clean.kspace + 0.5 * random_complex(9, 1, COILS, *SHAPE)
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

    chosen = float(choose_weight(Measurement(kspace, mask, maps))[0])
    # The trace is estimated with one random image of 48 pixels.
    assert score(chosen) < 1.05 * min(map(score, WEIGHTS))
