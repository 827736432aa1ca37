"""SENSE as a network: its one weight, and the solver behind it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.networks import build_network, parameter_count
from emrnas_jax.models.sense import STRENGTH, Sense
from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.mri.measurement import undersample, zero_filled
from emrnas_jax.mri.sense import sense

COILS, SHAPE = 3, (12, 10)


@pytest.fixture
def measurement(random):
    parts = random.normal(size=(2, 2, *SHAPE)).astype(np.float32)
    maps = jnp.tile(birdcage_maps(COILS, SHAPE)[None], (2, 1, 1, 1))
    mask = jnp.asarray(np.arange(SHAPE[1]) % 2 == 0)[None, None]
    return undersample(jnp.asarray(parts[0] + 1j * parts[1]), mask, maps)


def test_its_one_weight_is_that_of_the_solver(measurement):
    network = build_network("sense", {"iterations": 5})
    start = zero_filled(measurement)
    variables: Any = network.init(jax.random.key(0), start, measurement)
    assert parameter_count(variables["params"]) == 1
    assert variables["params"]["strength"] == np.float32(STRENGTH)
    given = {"params": {"strength": jnp.float32(0.2)}}
    found: Any = network.apply(given, start, measurement)
    expected = sense(measurement, jnp.full(1, 0.2), 5)
    np.testing.assert_allclose(to_complex(found), expected, atol=1e-6)


def test_without_coils_it_is_the_damped_zero_filled_image(random):
    parts = random.normal(size=(2, 2, *SHAPE)).astype(np.float32)
    mask = jnp.asarray(np.arange(SHAPE[0]) % 3 == 0)[None, :, None]
    measurement = undersample(jnp.asarray(parts[0] + 1j * parts[1]), mask)
    start = zero_filled(measurement)
    found: Any = build_network("sense", {}).apply(
        {"params": {"strength": jnp.float32(0.25)}}, start, measurement
    )
    np.testing.assert_allclose(found, start / 1.25, atol=1e-5)


def test_a_weight_for_each_frame_needs_coils(measurement):
    one = measurement._replace(coil_maps=None)
    with pytest.raises(InputError, match="needs k-space of several coils"):
        Sense().apply({}, zero_filled(measurement), one)


def test_iterations_are_needed():
    with pytest.raises(InputError, match="iterations=0; at least 1"):
        build_network("sense", {"iterations": 0})
