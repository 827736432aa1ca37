"""The networks: the published size, fixed equals searched, gradients of alphas."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import (
    SearchNetwork,
    active_weights,
    emrnas,
    fixed_network,
)
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.networks import parameter_count
from emrnas_jax.models.operations import weight_shapes
from emrnas_jax.models.stacked_weights import STACKED, unpack
from emrnas_jax.nas.gates import GATES, Gates, fixed_gates
from emrnas_jax.nas.space import OPERATIONS, PRESETS, Architecture, sources
from emrnas_jax.training.loss import squared_error

WIDTH = 4


def shapes_of(network, batch):
    return jax.eval_shape(
        network.init, jax.random.key(0), batch.zero_filled, batch.measurement
    )["params"]


def random_weights(network, batch, cells, seed=0):
    """Draw weights as large as in the middle of a training, biases too."""
    params = jax.eval_shape(
        network.init,
        jax.random.key(0),
        batch.zero_filled,
        batch.measurement,
        fixed_gates(jnp.zeros(cells, jnp.int32)),
    )["params"]
    draw = np.random.default_rng(seed).standard_normal
    return jax.tree.map(lambda p: jnp.asarray(0.2 * draw(p.shape), p.dtype), params)


@pytest.mark.parametrize(("preset", "count"), [("cardiac", 324_186), ("brain", None)])
def test_published_architectures_have_their_published_size(preset, count, small_batch):
    """324,186 is what the paper's 0.33 M rounds; the sum is Table 1 by hand."""
    width = 16
    found = parameter_count(shapes_of(emrnas(preset), small_batch))
    ends = (9 * 2 * width + width) + (9 * width * 2 + 2)
    by_hand = 5 * ends + sum(
        9 * width * width * len(sources(OPERATIONS[o], j)) + width
        for o in PRESETS[preset].cells
        for j in range(4)
    )
    assert found == by_hand
    assert count is None or found == count


@pytest.fixture(scope="module")
def deep(small_batch):
    """The search network of the paper's depth, its weights, its compiled form."""
    network = SearchNetwork(components=5, cells_per_block=3, width=WIDTH)
    weights = random_weights(network, small_batch, 15)
    apply = jax.jit(
        lambda w, b, gates: network.apply(
            {"params": w}, b.zero_filled, b.measurement, gates
        )
    )
    return weights, apply


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_active_weights_make_the_fixed_network_give_the_same(preset, deep, small_batch):
    weights, apply = deep
    architecture = PRESETS[preset]
    searched = apply(weights, small_batch, fixed_gates(jnp.array(architecture.cells)))
    network = fixed_network(architecture, LayerSettings(WIDTH))
    params = active_weights(weights, architecture)
    expected = shapes_of(network, small_batch)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, expected)
    fixed = jax.jit(network.apply)(
        {"params": params}, small_batch.zero_filled, small_batch.measurement
    )
    np.testing.assert_allclose(fixed, searched, atol=1e-5)
    assert np.abs(fixed - small_batch.zero_filled).max() > 0.05


@pytest.mark.parametrize(
    ("consistency", "residual"),
    [("single", True), ("two_step", False), ("real", True)],
)
def test_fixed_equals_searched_for_every_consistency_and_without_residuals(
    consistency, residual, small_batch
):
    network = SearchNetwork(2, 1, WIDTH, consistency, residual=residual)
    weights = random_weights(network, small_batch, 2)
    architecture = Architecture.parse("[O4|O7]")
    gates = fixed_gates(jnp.array(architecture.cells))
    searched = jax.jit(network.apply)(
        {"params": weights}, small_batch.zero_filled, small_batch.measurement, gates
    )
    fixed = fixed_network(
        architecture, LayerSettings(WIDTH, residual=residual), consistency
    )
    params = active_weights(weights, architecture)
    found = jax.jit(fixed.apply)(
        {"params": params}, small_batch.zero_filled, small_batch.measurement
    )
    np.testing.assert_allclose(found, searched, atol=1e-5)


# A search network of 2 components x 1 cell, against all its operations unrolled.


@pytest.fixture(scope="module")
def shallow():
    return SearchNetwork(components=2, cells_per_block=1, width=WIDTH)


@pytest.fixture(scope="module")
def shallow_weights(shallow, small_batch):
    return random_weights(shallow, small_batch, 2, seed=1)


@pytest.fixture(scope="module")
def alphas():
    return jnp.asarray(np.random.default_rng(2).standard_normal((2, 8)), jnp.float32)


@pytest.fixture(scope="module")
def enumerated(shallow_weights, small_batch, reference_search_network):
    """Loss and its gradient to the factor of every operation of every cell.

    At a one-hot `mix` the gradient is <dL/dy, O_j(x)> for all eight operations.
    """

    def loss(mix):
        image = reference_search_network(shallow_weights, small_batch, mix, 1)
        return jnp.mean((image - small_batch.target) ** 2)

    return jax.jit(jax.value_and_grad(loss))


@pytest.fixture(scope="module")
def searched(shallow, shallow_weights, small_batch):
    """Return the loss, gradient to alphas and choices for a number of paths."""

    def of(paths):
        @jax.jit
        @lambda f: jax.value_and_grad(f, has_aux=True)
        def run(alphas, key):
            gates = GATES[paths](key, alphas, "sample")
            image = shallow.apply(
                {"params": shallow_weights},
                small_batch.zero_filled,
                small_batch.measurement,
                gates,
            )
            return jnp.mean((image - small_batch.target) ** 2), gates.choices

        return run

    return of


@pytest.mark.slow
def test_one_path_is_equation_2(searched, enumerated, alphas):
    run, p = searched(1), np.asarray(jax.nn.softmax(alphas), float)
    for seed in range(3):
        (loss, choices), gradient = run(alphas, jax.random.key(seed))
        active = choices[:, 0]
        expected_loss, products = enumerated(jax.nn.one_hot(active, 8))
        np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
        for i, c in enumerate(active):
            delta = np.arange(8) == c
            expected = products[i, c] * p[i, c] * (delta - p[i])
            scale = np.abs(expected).max()
            np.testing.assert_allclose(gradient[i], expected, atol=1e-4 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("operation", [4, 7])
def test_one_path_sees_the_radial_gradient_of_its_last_convolution(
    small_batch, operation
):
    """What moves alphas is <dL/dW, W> + <dL/db, b>, and says nothing of the others.

    The last convolution of an operation is linear and the gate multiplies what it
    gives, so a gate is a scale of its weights, which training has made stationary.
    """
    network = SearchNetwork(components=1, cells_per_block=2, width=WIDTH)
    params = random_weights(network, small_batch, 2)
    choices = jnp.array([[operation], [3]])

    def loss_of(params, weights):
        inputs = small_batch.zero_filled, small_batch.measurement
        gates = Gates(choices, weights)
        image: Any = network.apply({"params": params}, *inputs, gates)
        return squared_error(image, small_batch.target)

    gradients, of_gates = jax.grad(loss_of, argnums=(0, 1))(params, jnp.ones((2, 1)))
    for cell, chosen in enumerate(choices[:, 0].tolist()):
        last, last_gradient = (
            unpack(
                weight_shapes(OPERATIONS[chosen], network.settings),
                tree["components"]["block"]["cells"]["cell"][STACKED][0, cell, chosen],
            )[3]
            for tree in (params, gradients)
        )
        radial = sum(jnp.vdot(last[name], last_gradient[name]) for name in last)
        assert abs(radial) > 1e-4
        np.testing.assert_allclose(of_gates[cell, 0], radial, rtol=2e-4)


@pytest.mark.slow
def test_two_paths_are_the_published_rule(searched, enumerated, alphas):
    run = searched(2)
    for seed in range(3):
        (loss, choices), gradient = run(alphas, jax.random.key(seed))
        # The value is that of the first path alone.
        expected_loss, products = enumerated(jax.nn.one_hot(choices[:, 0], 8))
        np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
        for i, (a, b) in enumerate(np.asarray(choices)):
            share = 1 / (1 + np.exp(float(alphas[i, b] - alphas[i, a])))
            pull = share * (1 - share) * (products[i, a] - products[i, b])
            expected = np.zeros(8)
            expected[[a, b]] = pull, -pull
            scale = np.abs(pull)
            np.testing.assert_allclose(gradient[i], expected, atol=1e-4 * scale)


def test_eight_paths_are_darts(searched, enumerated, alphas):
    p, pullback = jax.vjp(jax.nn.softmax, alphas)
    expected_loss, products = enumerated(p)
    (expected,) = pullback(products)
    (loss, _), gradient = searched(8)(alphas, jax.random.key(0))
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-5)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(gradient, expected, atol=1e-4 * scale)


def test_enumeration_agrees_with_finite_differences(enumerated, alphas):
    mix = jax.nn.softmax(alphas)
    _, products = enumerated(mix)
    for i, j in ((0, 2), (1, 6)):
        step = 0.05
        higher, _ = enumerated(mix.at[i, j].add(step))
        lower, _ = enumerated(mix.at[i, j].add(-step))
        slope = (higher - lower) / (2 * step)
        np.testing.assert_allclose(slope, products[i, j], rtol=0.02)


def fresh_stack(network, batch, cells):
    gates = fixed_gates(jnp.zeros(cells, jnp.int32))
    init = jax.jit(network.init)
    params = init(jax.random.key(0), batch.zero_filled, batch.measurement, gates)[
        "params"
    ]
    return params, params["components"]["block"]["cells"]["cell"][STACKED]


def test_a_search_network_with_batch_norm_gives_a_finite_image(small_batch):
    network = SearchNetwork(1, 2, WIDTH, batch_norm=True)
    params, _ = fresh_stack(network, small_batch, 2)
    gates = fixed_gates(jnp.array([0, 5], jnp.int32))
    image = jax.jit(network.apply)(
        {"params": params}, small_batch.zero_filled, small_batch.measurement, gates
    )
    assert np.isfinite(image).all()


def test_every_operation_of_every_cell_starts_from_weights_of_its_own(small_batch):
    _, stacked = fresh_stack(SearchNetwork(2, 2, WIDTH), small_batch, 4)
    starts = np.asarray(stacked)[..., :36].reshape(2 * 2 * 8, -1)
    assert len(np.unique(starts, axis=0)) == 2 * 2 * 8


def test_an_architecture_of_other_depth_is_refused(deep):
    with pytest.raises(InputError, match=r"1 blocks of 3 cells.*5 of 3"):
        emrnas("[O1 O2 O3]")
    with pytest.raises(InputError, match=r"5 blocks of 3 cells.*4 of 3"):
        emrnas("cardiac", components=4)
    with pytest.raises(InputError, match=r"1 blocks of 2 cells.*5 of 3"):
        active_weights(deep[0], Architecture.parse("[O1 O2]"))
