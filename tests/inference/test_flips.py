"""Mirrored frames are measured as their frames are; their mean keeps the samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.inference.flips import WAYS, mean_over_flips, mirror_measurement
from emrnas_jax.mri.consistency import single_consistency
from emrnas_jax.mri.measurement import undersample, zero_filled
from tests.fixtures.operator_laws import simulated_coil_maps

MASKS = {"rows": (2, 9, 1), "columns": (2, 1, 8), "full": (2, 9, 8)}


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(numbers, jnp.float32)


IMAGE = jax.lax.complex(draw(0, 2, 9, 8), draw(1, 2, 9, 8))


@pytest.mark.parametrize("axes", WAYS)
@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("coils", [0, 3])
def test_a_mirrored_measurement_is_that_of_the_mirrored_image(axes, kind, coils):
    mask = draw(2, *MASKS[kind]) > 0
    maps = jnp.asarray(simulated_coil_maps(coils, 9, 8, frames=2)) if coils else None
    found = mirror_measurement(undersample(IMAGE, mask, maps), axes)
    flipped = None if maps is None else jnp.flip(maps, axes)
    expected = undersample(jnp.flip(IMAGE, axes), found.mask, flipped)
    np.testing.assert_allclose(found.kspace, expected.kspace, atol=1e-5)
    assert found.mask.sum() == mask.sum()


def test_the_mean_is_that_of_the_images_turned_back():
    measurement = undersample(IMAGE, draw(2, *MASKS["rows"]) > 0)
    start = zero_filled(measurement)

    def uneven(variables, image, measurement):
        """A network that is not the same in all directions."""
        changed = image + jnp.roll(image, variables, axis=1)
        return single_consistency(changed, measurement)

    found = mean_over_flips(uneven)(1, start, measurement)
    both = single_consistency(
        start + (jnp.roll(start, 1, axis=1) + jnp.roll(start, -1, axis=1)) / 2,
        measurement,
    )
    np.testing.assert_allclose(found, both, atol=1e-5)
    again = single_consistency(found, measurement)
    np.testing.assert_allclose(found, again, atol=1e-5)
