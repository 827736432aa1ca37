"""A step of alphas by the losses of drawn architectures: what moves, and which way."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.models.stacked_weights import is_stacked
from emrnas_jax.nas.reinforce import draw_architectures
from emrnas_jax.training.loss import jit, path_loss
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_state import initial_state, optimizers
from emrnas_jax.training.search_steps import reinforce_step

# The two blocks share their choices, so there are two groups of two cells.
NETWORK = SearchNetwork(components=2, cells_per_block=2, width=4, shared="block")
GROUPS = np.array(NETWORK.cell_groups)
SETTINGS = SearchSettings(method="reinforce")
RATE = 0.05


@pytest.fixture(scope="module")
def fresh():
    return initial_state(NETWORK, SETTINGS, jax.random.key(0))


@pytest.fixture(scope="module")
def step():
    """Return the compiled step of three architectures; times are weighed by 1."""
    _, optimizer = optimizers(NETWORK, SETTINGS)

    def of(state, batch, key, times):
        own = NETWORK, optimizer, state, batch, key, RATE, 3
        return reinforce_step(*own, "mse", times, 1.0)

    return jit(of)


@pytest.fixture
def ties():
    """Times that are alike, which decide nothing."""
    return jnp.full((2, 8), 2.5, jnp.float32)


def assert_bit_identical(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def changed(weights, change):
    """Change the weights of the operations, and no others."""
    return jax.tree.map_with_path(
        lambda path, leaf: change(leaf) if is_stacked(path) else leaf, weights
    )


def test_alphas_move_by_the_losses_of_what_was_drawn(fresh, step, batch):
    """Against losses of whole paths, and a gradient and an Adam in plain NumPy."""
    random = np.random.default_rng(0)
    start = jnp.asarray(random.standard_normal((2, 8)), jnp.float32)
    times = random.uniform(1, 2, (2, 8)).astype(np.float32)
    key = jax.random.key(4)
    state = fresh._replace(alphas=start)
    after = step(state, batch, key, jnp.asarray(times))
    drawn = np.asarray(draw_architectures(key, start, 3))
    assert len({*map(tuple, drawn)}) > 1
    path = jit(path_loss, static_argnums=(0, 4))
    errors = {
        loss: [
            float(path(NETWORK, fresh.weights, batch, jnp.asarray(own[GROUPS]), loss))
            for own in drawn
        ]
        for loss in ("mse", "log_mse")
    }
    np.testing.assert_allclose(after.validation_loss, np.mean(errors["mse"]), rtol=1e-5)
    own_times = [times[[0, 1], own].sum() for own in drawn]
    losses = np.array(errors["log_mse"]) + np.log(own_times)
    p = np.asarray(jax.nn.softmax(start), float)
    gradient = np.einsum("d,dgo->go", losses - losses.mean(), np.eye(8)[drawn] - p) / 2
    # Adam's first step has the length of the rate, whatever that of the gradient.
    moved = start - RATE * np.sign(gradient.round(6))
    np.testing.assert_allclose(after.alphas, moved, atol=1e-5)
    assert np.any(moved != start)


def test_a_step_leaves_the_weights_and_their_optimizer(fresh, step, batch, ties):
    after = step(fresh, batch, jax.random.key(9), ties)
    assert_bit_identical(after.weights, fresh.weights)
    assert_bit_identical(after.weight_optimizer, fresh.weight_optimizer)
    assert (after.step, after.train_loss) == (fresh.step, fresh.train_loss)
    assert np.any(after.alphas != fresh.alphas)
    assert np.isfinite(after.alphas).all()


def test_alphas_find_the_one_operation_that_does_no_harm(fresh, step, batch, ties):
    others = np.arange(8) != 2
    weights = changed(fresh.weights, lambda leaf: leaf.at[:, :, others].multiply(10.0))
    state = fresh._replace(weights=weights)
    for seed in range(40):
        state = step(state, batch, jax.random.key(seed), ties)
    p = np.asarray(jax.nn.softmax(state.alphas))
    np.testing.assert_array_equal(p.argmax(-1), 2)
    assert (p[:, 2] > 0.2).all()


def test_of_operations_that_are_alike_the_fastest_is_preferred(
    fresh, step, batch, ties
):
    """Without weights all operations return zeros."""
    weights = changed(fresh.weights, jnp.zeros_like)
    state = fresh._replace(weights=weights)
    undecided = step(state, batch, jax.random.key(0), ties)
    np.testing.assert_array_equal(undecided.alphas, 0)
    times = ties.at[:, 5].set(1.0)
    for seed in range(40):
        state = step(state, batch, jax.random.key(seed), times)
    p = np.asarray(jax.nn.softmax(state.alphas))
    np.testing.assert_array_equal(p.argmax(-1), 5)
    assert (p[:, 5] > 0.2).all()


def test_the_memory_of_a_step_does_not_grow_with_the_architectures(batch):
    network = SearchNetwork(components=1, cells_per_block=1, width=8)
    state = jax.eval_shape(lambda: initial_state(network, SETTINGS, jax.random.key(0)))
    _, optimizer = optimizers(NETWORK, SETTINGS)

    def temporary_bytes(count):
        def of(state, batch, key):
            own = network, optimizer, state, batch, key, RATE, count
            return reinforce_step(*own)

        compiled = jit(of).lower(state, batch, jax.random.key(0)).compile()
        memory = compiled.memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes

    assert temporary_bytes(8) < 1.05 * temporary_bytes(2)


def test_adam_of_alphas_has_no_momentum_and_no_decay():
    _, optimizer = optimizers(NETWORK, SETTINGS)
    alphas = jnp.ones((1, 8))
    state = optimizer.init(alphas)
    _, state = optimizer.update(alphas, state, alphas)
    resting, _ = optimizer.update(jnp.zeros((1, 8)), state, alphas)
    np.testing.assert_array_equal(resting, 0)
    _, papers = optimizers(NETWORK, replace(SETTINGS, method="proxyless"))
    decayed, _ = papers.update(jnp.zeros((1, 8)), papers.init(alphas), alphas)
    assert np.any(np.asarray(decayed))
