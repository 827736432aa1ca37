"""The half-resolution cascade: squares of pixels, odd sides, coils, earlier images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.half_resolution import double, halve
from emrnas_jax.models.layers import EARLIER_IMAGES
from emrnas_jax.models.networks import build_network
from emrnas_jax.mri.measurement import undersample, zero_filled
from tests.fixtures.operator_laws import simulated_coil_maps

SMALL = {"components": 3, "layers": 1, "width": 8, "memory": 4}


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).uniform(size=shape)
    return jnp.asarray(numbers, jnp.float32)


def drawn_variables(network, image, measurement):
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, measurement)
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.uniform(-0.2, 0.2, leaf.shape), leaf.dtype),
        shapes,
    )


def scene(height, width, coils=0):
    image = draw(0, 2, height, width).astype(jnp.complex64)
    mask = draw(1, 2, height, 1) < 0.5
    maps = None
    if coils:
        maps = jnp.asarray(simulated_coil_maps(coils, height, width, frames=2))
    measurement = undersample(image, mask, maps)
    return zero_filled(measurement), measurement


def test_squares_of_pixels_become_channels_and_squares_again():
    x = draw(0, 2, 6, 4, 3)
    halved = halve(x)
    assert halved.shape == (2, 3, 2, 12)
    square = x[1, 2:4, 0:2].reshape(12)
    np.testing.assert_array_equal(halved[1, 1, 0], square)
    np.testing.assert_array_equal(double(halved), x)


@pytest.mark.parametrize("consistency", ["single", "real"])
def test_odd_sides_give_images_of_that_size_that_keep_the_samples(consistency):
    image, measurement = scene(9, 7)
    network = build_network("half_resolution", SMALL | {"consistency": consistency})
    variables = drawn_variables(network, image, measurement)
    found = jax.jit(network.apply)(variables, image, measurement)
    assert found.shape == image.shape
    again = undersample(jax.lax.complex(found[..., 0], found[..., 1]), measurement.mask)
    np.testing.assert_allclose(again.kspace, measurement.kspace, atol=1e-5)


def test_images_of_several_coils_are_reconstructed():
    image, measurement = scene(8, 8, coils=3)
    network = build_network("half_resolution", SMALL | {"consistency": "single"})
    variables = drawn_variables(network, image, measurement)
    found = jax.jit(network.apply)(variables, image, measurement)
    assert jnp.isfinite(found).all()
    assert jnp.abs(found - image).max() > 1e-3


@pytest.mark.parametrize("kind", ["half_resolution", "dccnn"])
def test_the_images_after_all_other_components_can_be_asked_for(kind):
    image, measurement = scene(8, 8)
    settings = {k: v for k, v in SMALL.items() if k != "memory" or kind != "dccnn"}
    network = build_network(kind, settings)
    variables = drawn_variables(network, image, measurement)
    assert variables.keys() == {"params"}
    found, kept = jax.jit(
        lambda v: network.apply(v, image, measurement, mutable=[EARLIER_IMAGES])
    )(variables)
    earlier = jax.tree.leaves(kept)
    assert len(earlier) == SMALL["components"] - 1
    # The image after so many components is that of a network of so many.
    fewer = build_network(kind, settings | {"components": 2})
    expected = jax.jit(fewer.apply)(variables, image, measurement)
    np.testing.assert_allclose(earlier[-1], expected, atol=1e-5)
    assert jnp.abs(found - expected).max() > 1e-4


def test_more_memory_than_channels_is_refused():
    with pytest.raises(InputError, match="memory=9 of width=8"):
        build_network("half_resolution", SMALL | {"memory": 9})
