"""Prepared consistency is that of `mri.consistency`, for every kind of mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.mri.consistency import CONSISTENCY, WEIGHTS
from emrnas_jax.mri.line_consistency import (
    channels_of,
    circulant,
    prepared_consistency,
)
from emrnas_jax.mri.measurement import Measurement, undersample
from tests.fixtures.operator_laws import simulated_coil_maps

SHAPES = {"rows": (2, 9, 1), "columns": (2, 1, 8), "full": (2, 9, 8)}
CLOSE = 2e-6


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(numbers, jnp.float32)


def measured(kind, is_noisy=False):
    target = draw(0, 2, 9, 8).astype(jnp.complex64)
    mask = draw(1, *SHAPES[kind]) > 0.2
    measurement = undersample(target, mask)
    if not is_noisy:
        return measurement
    # Noise is not Hermitian: both samples of a mirrored pair then differ.
    noise = jax.lax.complex(draw(2, 2, 9, 8), draw(3, 2, 9, 8))
    kspace = measurement.kspace + jnp.where(mask, noise, 0)
    return measurement._replace(kspace=kspace)


@pytest.mark.parametrize("is_noisy", [False, True])
@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("consistency", list(CONSISTENCY))
def test_it_is_the_consistency_of_whole_frames(kind, consistency, is_noisy):
    measurement = measured(kind, is_noisy)
    image = draw(4, 2, 9, 8, channels_of(consistency))
    found = jax.jit(
        lambda image, measurement: prepared_consistency(consistency, measurement)(image)
    )(image, measurement)
    both = jnp.concatenate([image, jnp.zeros_like(image)], -1)[..., :2]
    expected = CONSISTENCY[consistency](both, measurement)
    np.testing.assert_allclose(found, expected[..., : image.shape[-1]], atol=CLOSE)


@pytest.mark.slow
@pytest.mark.parametrize("consistency", WEIGHTS)
def test_a_weight_is_that_of_whole_frames(consistency):
    measurement, image = measured("rows"), draw(4, 2, 9, 8, 2)
    weight = jnp.float32(0.4)
    found = prepared_consistency(consistency, measurement)(image, weight)
    expected = CONSISTENCY[consistency](image, measurement, weight)
    np.testing.assert_allclose(found, expected, atol=CLOSE)
    assert abs(expected - CONSISTENCY[consistency](image, measurement)).max() > 0.1


@pytest.mark.slow
def test_several_coils_take_the_direct_way():
    maps = jnp.asarray(simulated_coil_maps(3, 9, 8, frames=2))
    image = draw(0, 2, 9, 8).astype(jnp.complex64)
    measurement = undersample(image, draw(1, *SHAPES["rows"]) > 0, maps)
    guess = draw(4, 2, 9, 8, 2)
    for consistency in ("single", "gradient", "cg"):
        found = prepared_consistency(consistency, measurement)(guess)
        expected = CONSISTENCY[consistency](guess, measurement)
        np.testing.assert_allclose(found, expected, atol=CLOSE)
    for consistency in ("two_step", "real"):
        with pytest.raises(InputError, match="assumes magnitude images"):
            prepared_consistency(consistency, measurement)(
                guess[..., : channels_of(consistency)]
            )


@pytest.mark.slow
@pytest.mark.parametrize("consistency", list(CONSISTENCY))
def test_its_gradient_is_that_of_whole_frames(consistency):
    measurement = measured("rows")
    image, weights = draw(4, 2, 9, 8, 2), draw(5, 2, 9, 8, 2)
    channels = channels_of(consistency)

    def prepared(image):
        agree = prepared_consistency(consistency, measurement)
        return jnp.vdot(agree(image[..., :channels]), weights[..., :channels])

    def direct(image):
        return jnp.vdot(CONSISTENCY[consistency](image, measurement), weights)

    found, expected = jax.grad(prepared)(image), jax.grad(direct)(image)
    np.testing.assert_allclose(
        found[..., :channels], expected[..., :channels], atol=1e-5
    )


def test_a_circulant_matrix_keeps_its_frequencies():
    kept = draw(1, 1, 9) > 0
    line = jax.lax.complex(draw(6, 9), draw(7, 9))
    found = np.fft.fft(circulant(kept)[0] @ line)
    expected = np.where(kept[0], np.fft.fft(line), 0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_mask_without_lines_is_taken_as_it_is():
    measurement = Measurement(
        jnp.zeros((1, 8, 8), jnp.complex64), jnp.zeros((1, 8, 8), bool)
    )
    image = draw(0, 1, 8, 8, 1)
    found = prepared_consistency("real", measurement)(image)
    np.testing.assert_allclose(found, image, atol=CLOSE)
