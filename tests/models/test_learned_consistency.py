"""Consistencies with a weight that networks learn: one per component, and of any size.

Small networks of every kind, without coils and with three.
"""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.models.emrnas import SearchNetwork, active_weights, fixed_network
from emrnas_jax.models.networks import build_network
from emrnas_jax.mri.consistency import CONSISTENCY, WEIGHTS
from emrnas_jax.mri.fourier import to_channels
from emrnas_jax.mri.measurement import undersample, zero_filled
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import Architecture
from tests.fixtures.operator_laws import random_complex, simulated_coil_maps

# Settings that make each network small, and the number of its data consistencies.
SMALL = {
    "emrnas": (
        {"architecture": "[O8|O8]", "components": 2, "cells_per_block": 1, "width": 4},
        2,
    ),
    "unet": ({"width": 4}, 1),
    "dccnn": ({"components": 2, "layers": 1, "width": 4}, 2),
    "rdn": ({"components": 2, "layers": 2, "width": 4}, 2),
    "cddntdc": ({"components": 1, "layers": 2, "width": 4}, 1),
    "half_resolution": ({"components": 2, "layers": 1, "width": 8, "memory": 4}, 2),
}
NAME = "log_weight"


@cache
def scene(coils):
    """Two frames with masks of their own, and an image that the samples miss."""
    mask = jnp.asarray(np.random.default_rng(1).random((2, 8, 1)) < 0.5)
    maps = simulated_coil_maps(coils, 8, 8, frames=2) if coils else None
    measurement = undersample(random_complex(2, 2, 8, 8), mask, maps)
    return zero_filled(measurement), measurement


def drawn(network, *inputs):
    """Weights by their shapes, those of data consistency as before a training."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    draw = np.random.default_rng(0).uniform

    def leaf_of(path, leaf):
        if path[-1].key == NAME:
            return jnp.zeros(leaf.shape)
        low = 0.1 if path[-1].key == "var" else -0.2
        return jnp.asarray(draw(low, 0.3, leaf.shape), leaf.dtype)

    return jax.tree.map_with_path(leaf_of, shapes)


def with_log_weight(variables, value):
    return jax.tree.map_with_path(
        lambda path, leaf: leaf + value if path[-1].key == NAME else leaf, variables
    )


def weights_in(variables):
    flat = jax.tree.leaves_with_path(variables)
    return [leaf for path, leaf in flat if path[-1].key == NAME]


@pytest.mark.parametrize(
    ("consistency", "coils"), [("gradient", 3), ("cg", 0), ("cg", 3)]
)
@pytest.mark.parametrize("kind", SMALL)
def test_every_component_learns_its_weight(kind, consistency, coils):
    settings, count = SMALL[kind]
    network = build_network(kind, settings | {"consistency": consistency})
    inputs = scene(coils)
    variables = drawn(network, *inputs)
    assert len(weights_in(variables)) == count

    @jax.jit
    @jax.grad
    def slope(variables):
        image: Any = network.apply(variables, *inputs)
        return jnp.mean((image - 1) ** 2)

    gradient = slope(variables)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert all(abs(float(leaf)) > 1e-7 for leaf in weights_in(gradient))


@pytest.mark.parametrize("consistency", ["single", "two_step", "real"])
@pytest.mark.parametrize("kind", SMALL)
def test_the_others_add_no_weights(kind, consistency):
    settings, _ = SMALL[kind]
    network = build_network(kind, settings | {"consistency": consistency})
    assert not weights_in(drawn(network, *scene(0)))


@pytest.mark.parametrize("kind", ["dccnn", "half_resolution", "unet"])
def test_before_a_training_the_gradient_step_is_single(kind):
    settings, _ = SMALL[kind]
    for inputs in (scene(0), scene(3)):
        single, step = (
            build_network(kind, settings | {"consistency": c})
            for c in ("single", "gradient")
        )
        variables = drawn(step, *inputs)
        found = jax.jit(step.apply)(variables, *inputs)
        # The network without weights does not ask for those that are left over.
        expected = jax.jit(single.apply)(variables, *inputs)
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("coils", [0, 3])
@pytest.mark.parametrize("consistency", WEIGHTS)
def test_the_parameter_is_the_logarithm_of_a_factor(consistency, coils):
    """A cascade without changes is its data consistency, with the weight learned."""
    settings = SMALL["dccnn"][0] | {"components": 1, "consistency": consistency}
    network = build_network("dccnn", settings)
    _, measurement = scene(coils)
    start = to_channels(random_complex(5, 2, 8, 8))
    silent = jax.tree.map(jnp.zeros_like, drawn(network, start, measurement))
    found: Any = network.apply(with_log_weight(silent, 0.7), start, measurement)
    weight = jnp.float32(WEIGHTS[consistency] * np.exp(0.7))
    expected = CONSISTENCY[consistency](start, measurement, weight)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("coils", [0, 3])
@pytest.mark.parametrize("consistency", WEIGHTS)
def test_a_search_network_learns_them_and_hands_them_on(consistency, coils):
    """The fixed network with the search's weights gives the search's image."""
    network = SearchNetwork(2, 1, 4, consistency)
    gates = Gates(jnp.array([[7], [0]]), jnp.ones((2, 1)))
    variables = drawn(network, *scene(coils), gates)
    (own,) = weights_in(variables)
    assert own.shape == (2,)
    different = jnp.array([0.5, -0.5])
    params = variables["params"]
    params["components"][NAME] = different
    searched = jax.jit(network.apply)({"params": params}, *scene(coils), gates)
    architecture = Architecture.parse("[O8|O1]")
    fixed = fixed_network(architecture, network.settings, consistency)
    taken = active_weights(params, architecture)
    assert [float(w) for w in weights_in(taken)] == [0.5, -0.5]
    found = jax.jit(fixed.apply)({"params": taken}, *scene(coils))
    np.testing.assert_allclose(found, searched, atol=1e-5)
