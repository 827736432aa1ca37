"""Cells: every choice is its operation, with its gradient, and the others rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.models.cells import (
    FixedCell,
    MixedCell,
)
from emrnas_jax.models.layers import LayerSettings, uniform_kernel
from emrnas_jax.models.operations import make_operation, plain_operation, weight_shapes
from emrnas_jax.models.stacked_weights import STACKED, pack, unpack, vector_length
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import OPERATIONS

WIDTH = 4
SETTINGS = LayerSettings(WIDTH)
CHOICES = range(len(OPERATIONS))


def settings_of(batch_norm):
    return LayerSettings(WIDTH, batch_norm=batch_norm)


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(numbers, jnp.float32)


X, DY = draw(0, 2, 7, 9, WIDTH), draw(1, 2, 7, 9, WIDTH)


def assert_same(found, expected, tolerance=1e-4):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def with_gradients(function):
    """Return y, and the gradients of <y, DY> to weights and input, compiled."""

    def run(weights, x, *rest):
        y, pullback = jax.vjp(lambda w, x: function(w, x, *rest), weights, x)
        return y, *pullback(DY)

    return jax.jit(run)


@pytest.fixture(scope="module")
def weights(operation_weights):
    return [operation_weights(o, WIDTH, i) for i, o in enumerate(OPERATIONS)]


@pytest.fixture(scope="module")
def weights_with_norm(operation_weights):
    return [operation_weights(o, WIDTH, i, True) for i, o in enumerate(OPERATIONS)]


@pytest.fixture(scope="module")
def expected(weights, reference_operation):
    """The plain form of every operation: y, gradients to weights and input."""
    return [
        with_gradients(lambda w, x, o=o: reference_operation(o, w, x))(weights[i], X)
        for i, o in enumerate(OPERATIONS)
    ]


def stacked_of(weights, with_norm):
    settings = settings_of(with_norm)
    length = vector_length([weight_shapes(own, settings) for own in OPERATIONS])
    return jnp.stack([pack(own, length) for own in weights])


def compiled_cell(batch_norm, stored=8):
    """A mixed cell with its gradients, of (stacked weights, x, choice)."""
    cell = MixedCell(settings_of(batch_norm), stored)

    def run(values, x, choice):
        gates = Gates(choice[None], jnp.ones(1))
        return cell.apply({"params": {STACKED: values}}, x, gates)

    return with_gradients(run)


@pytest.fixture(scope="module")
def mixed():
    return compiled_cell(batch_norm=False)


@pytest.fixture(scope="module")
def mixed_alone():
    return compiled_cell(batch_norm=False, stored=1)


@pytest.fixture(scope="module")
def mixed_with_norm():
    return compiled_cell(batch_norm=True)


@pytest.mark.parametrize("i", CHOICES)
def test_an_operation_is_the_concatenation_of_figure_2(i, weights, expected):
    y, inner = jax.jit(lambda w, x: plain_operation(OPERATIONS[i], w, x, SETTINGS))(
        weights[i], X
    )
    assert_same(y, expected[i][0])
    assert [m.shape for m in inner] == [X.shape] * 3


@pytest.mark.parametrize("i", CHOICES)
def test_a_fixed_operation_has_the_default_gradient(i, weights, expected):
    found = with_gradients(make_operation(OPERATIONS[i], SETTINGS))(weights[i], X)
    assert_same(found, expected[i])


def check_choice(i, found, expected, batch_norm, tolerance):
    """Row i has the operation's gradient; the others, and the padding, exactly none."""
    y, dstacked, dx = found
    own = unpack(weight_shapes(OPERATIONS[i], settings_of(batch_norm)), dstacked[i])
    assert_same((y, own, dx), expected, tolerance)
    used = sum(leaf.size for leaf in jax.tree.leaves(own))
    assert not np.any(dstacked[i, used:])
    assert not np.any(np.delete(dstacked, i, axis=0))


@pytest.mark.parametrize("i", CHOICES)
def test_choice_i_is_operation_i_and_the_others_rest(i, weights, expected, mixed):
    found = mixed(stacked_of(weights, False), X, jnp.int32(i))
    check_choice(i, found, expected[i], False, 1e-4)


@pytest.mark.parametrize("i", [0, 4, 7])
def test_the_row_of_the_choice_alone_does_the_same(i, weights, mixed, mixed_alone):
    stacked = stacked_of(weights, False)
    y, dstacked, dx = mixed(stacked, X, jnp.int32(i))
    found = mixed_alone(stacked[i : i + 1], X, jnp.int32(i))
    assert_same(found, (y, dstacked[i : i + 1], dx), 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("i", range(8))
def test_with_batch_norm_choice_i_is_operation_i_and_the_others_rest(
    i, weights_with_norm, reference_operation, mixed_with_norm
):
    plain = with_gradients(lambda w, x: reference_operation(OPERATIONS[i], w, x))
    expected = plain(weights_with_norm[i], X)
    found = mixed_with_norm(stacked_of(weights_with_norm, True), X, jnp.int32(i))
    check_choice(i, found, expected, True, 1e-3)


def test_a_mixed_cell_is_the_weighted_sum_of_its_paths():
    cell = MixedCell(SETTINGS)
    one = Gates(jnp.zeros(1, jnp.int32), jnp.ones(1))
    variables = cell.init(jax.random.key(0), X, one)
    apply = jax.jit(cell.apply)

    def alone(i):
        return apply(variables, X, Gates(jnp.array([i]), jnp.ones(1)))

    found = apply(variables, X, Gates(jnp.array([4, 1]), jnp.array([0.25, -2.0])))
    assert_same(found, 0.25 * alone(4) - 2 * alone(1), 1e-5)
    shares = jnp.linspace(0.3, 1, 8)
    found = apply(variables, X, Gates(jnp.arange(8), shares))
    assert_same(found, sum(shares[i] * alone(i) for i in CHOICES), 1e-5)


def test_a_fixed_cell_is_the_mixed_cell_with_its_weights(weights, mixed):
    fixed = FixedCell(OPERATIONS[2], SETTINGS)
    params = {f"conv_{j + 1}": own for j, own in enumerate(weights[2])}
    fresh = fixed.init(jax.random.key(1), X, False)["params"]
    assert jax.tree.map(jnp.shape, fresh) == jax.tree.map(jnp.shape, params)
    expected = mixed(stacked_of(weights, False), X, jnp.int32(2))[0]
    assert_same(fixed.apply({"params": params}, X, False), expected, 1e-6)


def test_batch_norm_of_a_fixed_cell_uses_the_batch_then_the_running_statistics(
    reference_operation, operation_weights
):
    operation = OPERATIONS[3]
    weights = operation_weights(operation, WIDTH, 0, True)
    params = {
        f"conv_{j + 1}": {key: weights[j][key] for key in ("kernel", "bias")}
        for j in range(4)
    } | {
        f"norm_{j + 1}": {
            "scale": weights[j]["norm_scale"],
            "bias": weights[j]["norm_bias"],
        }
        for j in range(3)
    }
    cell = FixedCell(operation, settings_of(batch_norm=True))
    fresh = cell.init(jax.random.key(0), X, False)
    assert jax.tree.map(jnp.shape, fresh["params"]) == jax.tree.map(jnp.shape, params)

    @jax.jit
    def train(statistics, x):
        return cell.apply(
            {"params": params, "batch_stats": statistics},
            x,
            True,
            mutable="batch_stats",
        )

    @jax.jit
    def evaluate(statistics, x):
        return cell.apply({"params": params, "batch_stats": statistics}, x, False)

    y, changed = train(fresh["batch_stats"], X)
    assert_same(y, reference_operation(operation, weights, X), 1e-3)
    statistics = changed["batch_stats"]
    first = jax.nn.leaky_relu(
        jax.lax.conv_general_dilated(
            X,
            weights[0]["kernel"],
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        + weights[0]["bias"][None, None, None],
        0.2,
    )
    assert_same(statistics["norm_1"]["mean"], 0.1 * first.mean((0, 1, 2)))
    assert_same(statistics["norm_1"]["var"], 0.9 + 0.1 * first.var((0, 1, 2)))

    for _ in range(200):
        statistics = train(statistics, X)[1]["batch_stats"]
    # Settled statistics are the batch's, and a frame's result no longer depends on
    # the other frames of its batch.
    assert_same(evaluate(statistics, X), y, 1e-2)
    assert_same(evaluate(statistics, X[:1]), evaluate(statistics, X)[:1], 1e-5)
    assert np.abs(train(statistics, X[:1])[0] - y[:1]).max() > 1e-2


def test_evaluation_leaves_the_running_statistics():
    cell = FixedCell(OPERATIONS[0], settings_of(batch_norm=True))
    variables = cell.init(jax.random.key(0), X, False)
    _, changed = cell.apply(variables, X, False, mutable="batch_stats")
    assert_same(changed["batch_stats"], variables["batch_stats"], 0)


def test_kernels_are_drawn_with_the_variance_of_the_papers_framework():
    for shape in ((3, 3, 16, 16), (3, 3, 64, 16)):
        kernel = uniform_kernel(jax.random.key(0), shape)
        fan_in = 9 * shape[2]
        assert abs(kernel.mean()) < 0.1 / np.sqrt(fan_in)
        np.testing.assert_allclose(kernel.var(), 1 / (3 * fan_in), rtol=0.05)
        assert abs(kernel).max() <= 1 / np.sqrt(fan_in)
