"""Networks of the wide space: a path of the search network is its fixed network."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.bodies import body_shapes, with_body
from emrnas_jax.models.half_resolution import half_resolution
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.networks import blank_inputs
from emrnas_jax.models.stacked_weights import STACKED, take_active
from emrnas_jax.models.wide import WideSearchNetwork, active_wide_weights, wide
from emrnas_jax.mri.measurement import undersample, zero_filled
from emrnas_jax.nas.gates import fixed_gates
from emrnas_jax.nas.space import Architecture
from emrnas_jax.nas.wide_space import WIDE
from emrnas_jax.training.loss import COMPILER_OPTIONS
from tests.fixtures.operator_laws import simulated_coil_maps

SIZE: dict[str, Any] = {"components": 3, "width": 8, "memory": 4}
TEXTS = (
    "[skip|low|long]",
    "[pair|skip|high]",
    "[thin|dilated|narrow]",
    "[four|skip|broad]",
)


def parsed(text):
    return Architecture.parse(text, WIDE)


def scene(height=12, width=10, coils=0):
    random = np.random.default_rng(0)
    image = jnp.asarray(random.uniform(size=(2, height, width)), jnp.complex64)
    mask = random.uniform(size=(2, height, 1)) < 0.5
    maps = None
    if coils:
        maps = jnp.asarray(simulated_coil_maps(coils, height, width, frames=2))
    measurement = undersample(image, jnp.asarray(mask), maps)
    return zero_filled(measurement), measurement


def drawn(network, *inputs):
    """Variables without compiling the draws; biases are not zero."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.uniform(-0.3, 0.3, leaf.shape), leaf.dtype),
        shapes,
    )


def searched(consistency="real"):
    network = WideSearchNetwork(**SIZE, consistency=consistency)
    return network, drawn(
        network, *blank_inputs(), fixed_gates(jnp.zeros(3, jnp.int32))
    )


@pytest.mark.parametrize(("consistency", "coils"), [("real", 0), ("gradient", 2)])
def test_a_path_is_the_network_of_its_architecture(consistency, coils):
    network, variables = searched(consistency)
    inputs = scene(coils=coils)
    run = jax.jit(
        lambda choices: network.apply(variables, *inputs, fixed_gates(choices))
    )
    for text in TEXTS:
        architecture = parsed(text)
        fixed = wide(text, **SIZE, consistency=consistency)
        own = active_wide_weights(variables["params"], architecture)
        expected = jax.jit(fixed.apply)({"params": own}, *inputs)
        shapes = jax.eval_shape(fixed.init, jax.random.key(0), *blank_inputs())
        assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, shapes["params"])
        found = run(jnp.array(architecture.cells))
        np.testing.assert_allclose(found, expected, atol=2e-5)
    used = {body for text in TEXTS for body in parsed(text).used}
    assert used == set(WIDE)  # every operation was compared


def test_pairs_alone_are_the_half_resolution_cascade():
    inputs = scene()
    pairs, cascade = wide("[pair|pair|pair]", **SIZE), half_resolution(**SIZE)
    variables = drawn(cascade, *blank_inputs())
    np.testing.assert_array_equal(
        jax.jit(pairs.apply)(variables, *inputs),
        jax.jit(cascade.apply)(variables, *inputs),
    )


def test_components_that_are_left_out_cost_no_weights_and_change_nothing():
    inputs = scene()
    sparse, dense = wide("[skip|pair|skip]", **SIZE), wide("[pair]", 1, 8, 4)
    variables = drawn(dense, *blank_inputs())
    renamed = {"params": {"component_2": variables["params"]["component_1"]}}
    np.testing.assert_array_equal(
        jax.jit(sparse.apply)(renamed, *inputs),
        jax.jit(dense.apply)(variables, *inputs),
    )


def test_only_what_runs_has_a_gradient():
    network, variables = searched()
    inputs = scene()
    choices = jnp.array(parsed("[low|skip|long]").cells)

    @jax.jit
    def gradient(params):
        def loss(params):
            gates = fixed_gates(choices)
            image: Any = network.apply({"params": params}, *inputs, gates)
            return jnp.sum(image**2)

        return jax.grad(loss)(params)["components"]

    found = gradient(variables["params"])
    rows = np.any(found[STACKED][:, 0] != 0, axis=-1)
    expected = np.zeros((3, len(WIDE)), bool)
    expected[[0, 2], np.array(choices)[[0, 2]]] = True
    np.testing.assert_array_equal(rows, expected)
    ends = np.abs(found["first"]["kernel"]).sum((1, 2, 3, 4))
    np.testing.assert_array_equal(ends > 0, [True, False, True])
    running = network.running(choices[:, None])
    np.testing.assert_array_equal(running, [True, False, True])


def test_a_gradient_along_the_path_is_that_of_the_fixed_network():
    network, variables = searched()
    inputs, text = scene(), "[pair|skip|low]"
    fixed = wide(text, **SIZE)
    choices = jnp.array(parsed(text).cells)

    @jax.jit
    def both(params):
        def of_search(params):
            gates = fixed_gates(choices)
            image: Any = network.apply({"params": params}, *inputs, gates)
            return jnp.sum(image**2)

        def of_fixed(params):
            own = {"params": active_wide_weights(params, parsed(text))}
            image: Any = fixed.apply(own, *inputs)
            return jnp.sum(image**2)

        return jax.grad(of_search)(params), jax.grad(of_fixed)(params)

    found, expected = map(jax.tree.leaves, both(variables["params"]))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4 * max(1, np.abs(b).max()))


def test_the_long_kernel_lies_along_the_phase_encoding():
    """Turned by a quarter of a turn, lines and kernel turn together."""
    layers, body = LayerSettings(8), next(own for own in WIDE if own.reach)
    random = np.random.default_rng(1)
    shapes = body_shapes(body, layers)
    weights = [
        {name: jnp.asarray(random.normal(size=shape)) for name, shape in own.items()}
        for own in shapes
    ]
    turned = [weights[0], weights[1] | {"kernel": weights[1]["kernel"].swapaxes(0, 1)}]
    x = jnp.asarray(random.normal(size=(1, 24, 6, 8)), jnp.float32)
    rows = with_body(body, weights, x, layers, is_along_rows=True)
    columns = with_body(body, turned, x.swapaxes(1, 2), layers, is_along_rows=False)
    np.testing.assert_allclose(columns.swapaxes(1, 2), rows, atol=1e-3)
    # One pixel reaches as far as the two kernels together, and no further.
    point = jnp.zeros_like(x).at[0, 12, 3, 0].set(1)
    blank = with_body(body, weights, jnp.zeros_like(x), layers)
    change = np.abs(with_body(body, weights, point, layers) - blank)
    reached = np.any(change > 1e-4, axis=(0, 2, 3))
    far = body.reach // 2 + 1
    assert reached[12 - far : 12 + far + 1].all()
    assert reached.sum() == 2 * far + 1


@pytest.mark.parametrize("body", WIDE, ids=lambda body: body.name)
def test_features_of_odd_sides_keep_their_size(body):
    layers = LayerSettings(8)
    weights = [
        {name: jnp.ones(shape) for name, shape in own.items()}
        for own in body_shapes(body, layers)
    ]
    x = jnp.ones((1, 5, 7, 8))
    assert with_body(body, weights, x, layers).shape == x.shape


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[pair|pair]", r"has 2 blocks of 1 cells; the settings ask for 3 of 1"),
        ("[pair pair|pair pair|pair pair]", r"has 3 blocks of 2 cells"),
        ("[skip|skip|skip]", r"\[skip\|skip\|skip\]: every component is left out"),
        ("[O1|O2|O3]", r"no operation 'O1'; there are skip, thin, pair"),
    ],
)
def test_what_is_no_network_of_the_space_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        wide(text, **SIZE)
    with pytest.raises(InputError, match="memory=9 of width=8"):
        wide("[pair|pair|pair]", 3, 8, 9)


@pytest.mark.slow
def test_a_gradient_of_the_search_needs_the_memory_of_one_path():
    """Not that of all: a network of four convolutions is the largest of them."""
    inputs = scene(96, 96)
    network, variables = searched()
    choices = jnp.array(parsed("[pair|pair|pair]").cells)
    active = take_active(variables["params"], choices[:, None])
    one = network.clone(stored=1)

    def of_path(params, choices):
        image: Any = one.apply({"params": params}, *inputs, fixed_gates(choices))
        return jnp.sum(image**2)

    def of_largest(variables):
        image: Any = largest.apply(variables, *inputs)
        return jnp.sum(image**2)

    def temporary(function, *given):
        compiled = jax.jit(jax.grad(function), compiler_options=COMPILER_OPTIONS).lower(
            *given
        )
        analysis: Any = compiled.compile().memory_analysis()
        return analysis.temp_size_in_bytes

    largest = wide("[four|four|four]", **SIZE)
    own = drawn(largest, *blank_inputs())
    alone = temporary(of_largest, own)
    assert temporary(of_path, active, choices) < 1.3 * alone
