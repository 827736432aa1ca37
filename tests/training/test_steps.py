"""One step: what moves, what stays to the bit, and what the compiled step costs."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from emrnas_jax.data.pipeline import Batch
from emrnas_jax.models.emrnas import SearchNetwork, active_weights, fixed_network
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.operations import weight_shapes
from emrnas_jax.models.stacked_weights import STACKED, is_stacked, unpack
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.nas.gates import fixed_gates
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.training import retrain_steps, search_state
from emrnas_jax.training.loss import jit, squared_error
from emrnas_jax.training.optimizers import adam_with_l2
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import train_step
from emrnas_jax.training.search_optimizers import search_weight_optimizer
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_steps import (
    architecture_step,
    keep_other_probabilities,
    weight_step,
)

LAYERS = LayerSettings(4)
NETWORK = SearchNetwork(components=2, cells_per_block=2, width=4)
SETTINGS = SearchSettings(weight_decay=1e-3)
CHOICES = jnp.array([0, 5, 7, 5], jnp.int32)
RATE = jnp.float32(1e-2)


def assert_bit_identical(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def step_of_weights():
    optimizer = search_weight_optimizer(SETTINGS.weight_decay, SETTINGS.momentum)

    @jit
    def step(state, batch, choices):
        return weight_step(NETWORK, optimizer, state, batch, choices, RATE)

    return step


@pytest.fixture(scope="module")
def step_of_alphas():
    """Return the compiled step for a number of paths, compiled once for each."""
    optimizer = adam_with_l2(SETTINGS.alpha_weight_decay, SETTINGS.alpha_momentum)
    steps = {}

    def of(paths):
        if paths not in steps:
            steps[paths] = jit(
                lambda state, batch, key: architecture_step(
                    NETWORK, optimizer, state, batch, key, 0.05, paths, "sample"
                )
            )
        return steps[paths]

    return of


@pytest.fixture(scope="module")
def fresh():
    return search_state.initial_state(NETWORK, SETTINGS, jax.random.key(0))


@pytest.fixture(scope="module")
def state(fresh, step_of_weights, step_of_alphas, batch):
    """A state with moments: after steps on every operation and of alphas."""
    state = fresh
    for operation in range(8):
        state = step_of_weights(state, batch, jnp.full(4, operation, jnp.int32))
        state = step_of_alphas(1)(state, batch, jax.random.key(operation))
    return state


def test_a_step_of_weights_leaves_alphas_and_their_optimizer(
    state, step_of_weights, batch
):
    after = step_of_weights(state, batch, CHOICES)
    assert np.any(state.alphas)
    assert_bit_identical(after.alphas, state.alphas)
    assert_bit_identical(after.alpha_optimizer, state.alpha_optimizer)
    assert after.validation_loss == state.validation_loss


def stacked_of(state):
    return np.asarray(state.weights["components"]["block"]["cells"]["cell"][STACKED])


IS_ACTIVE = np.arange(8) == np.asarray(CHOICES).reshape(2, 2, 1)


def test_a_step_of_weights_moves_the_active_operations_and_no_other(
    state, step_of_weights, batch
):
    after = step_of_weights(state, batch, CHOICES)
    before, moved = stacked_of(state), stacked_of(after)
    np.testing.assert_array_equal(moved[~IS_ACTIVE], before[~IS_ACTIVE])
    for (c, k), choice in np.ndenumerate(np.asarray(CHOICES).reshape(2, 2)):
        pair = [
            unpack(
                weight_shapes(OPERATIONS[choice], LAYERS),
                jnp.asarray(stacked[c, k, choice]),
            )
            for stacked in (before, moved)
        ]
        for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
            assert np.mean(a != b) > 0.9
    for end in ("first", "last"):
        pair = [s.weights["components"][end] for s in (state, after)]
        for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
            assert np.mean(a != b) > 0.9


def test_moments_and_counts_of_idle_operations_stay_to_the_bit(
    state, step_of_weights, batch
):
    after = step_of_weights(state, batch, CHOICES)
    found = [s.weight_optimizer.inner_states["operations"] for s in (state, after)]
    leaves = [jax.tree.leaves(inner) for inner in found]
    assert len(leaves[0]) == 3  # a count and two moments
    for before, moved in zip(*leaves, strict=True):
        np.testing.assert_array_equal(moved[~IS_ACTIVE], before[~IS_ACTIVE])
        assert np.mean(moved[IS_ACTIVE] != before[IS_ACTIVE]) > 0.5
    counts = optax.tree.get(found[1], "count")
    np.testing.assert_array_equal(counts, 1 + IS_ACTIVE)


def test_a_step_of_weights_is_counted(state, step_of_weights, batch):
    after = step_of_weights(state, batch, CHOICES)
    assert after.step == state.step + 1
    counted = np.asarray(after.path_counts - state.path_counts)
    np.testing.assert_array_equal(counted, np.eye(8)[np.asarray(CHOICES)])
    gates = fixed_gates(CHOICES)
    image = jax.jit(NETWORK.apply)(
        {"params": state.weights}, batch.zero_filled, batch.measurement, gates
    )
    loss = squared_error(image, batch.target)
    np.testing.assert_allclose(after.train_loss - state.train_loss, loss, rtol=1e-3)


@pytest.mark.parametrize("paths", [1, 2, 8])
def test_a_step_of_alphas_leaves_weights_and_their_optimizer(
    paths, state, step_of_alphas, batch
):
    after = step_of_alphas(paths)(state, batch, jax.random.key(9))
    assert_bit_identical(after.weights, state.weights)
    assert_bit_identical(after.weight_optimizer, state.weight_optimizer)
    assert after.train_loss == state.train_loss
    assert after.validation_loss > state.validation_loss
    assert np.isfinite(after.alphas).all()
    moved = np.asarray(after.alphas != state.alphas).sum(-1)
    np.testing.assert_array_equal(moved, 2 if paths == 2 else 8)


def test_two_paths_leave_p_of_the_other_six(state, step_of_alphas, batch):
    for seed in range(3):
        after = step_of_alphas(2)(state, batch, jax.random.key(seed))
        p, q = (np.asarray(jax.nn.softmax(s.alphas)) for s in (state, after))
        pairs = np.asarray(after.alphas != state.alphas)
        assert (pairs.sum(-1) == 2).all()
        np.testing.assert_allclose(q[~pairs], p[~pairs], atol=1e-6)
        assert np.abs(q - p)[pairs].min() > 1e-4
        state = after


@pytest.mark.slow
def test_other_probabilities_stay_however_far_the_pair_moves():
    random = np.random.default_rng(0)
    old = jnp.asarray(random.standard_normal((5, 8)), jnp.float32)
    new = old + jnp.asarray(10 * random.standard_normal((5, 8)), jnp.float32)
    pair = jnp.array([[0, 1], [7, 2], [3, 4], [5, 0], [6, 7]])
    kept = keep_other_probabilities(old, new, pair)
    p, q = jax.nn.softmax(old), jax.nn.softmax(kept)
    inside = np.zeros((5, 8), bool)
    inside[np.arange(5)[:, None], pair] = True
    np.testing.assert_allclose(q[~inside], p[~inside], atol=1e-6)
    odds = jnp.diff(jnp.take_along_axis(kept, pair, -1))
    expected = jnp.diff(jnp.take_along_axis(new, pair, -1))
    np.testing.assert_allclose(odds, expected, atol=1e-5)


def shifting_all_but(harmless):
    """Give every other operation a last bias that shifts its output by 3."""

    def change(path, leaf):
        if not is_stacked(path):
            return leaf
        for i, o in enumerate(OPERATIONS):
            shapes = [s for own in weight_shapes(o, LAYERS) for s in own.values()]
            end = sum(math.prod(shape) for shape in shapes)
            if i != harmless:
                leaf = leaf.at[:, :, i, end - 4 : end].set(3.0)
        return leaf

    return change


@pytest.mark.parametrize("paths", [1, 2, 8])
def test_alphas_find_the_one_operation_that_does_no_harm(
    paths, fresh, step_of_alphas, batch
):
    weights = jax.tree.map_with_path(shifting_all_but(2), fresh.weights)
    state = fresh._replace(weights=weights)
    for seed in range(30):
        state = step_of_alphas(paths)(state, batch, jax.random.key(seed))
    p = np.asarray(jax.nn.softmax(state.alphas))
    np.testing.assert_array_equal(p.argmax(-1), 2)
    assert (p[:, 2] > 0.14).all()


def test_the_compiled_step_has_conditionals_and_no_selects_of_eight(
    fresh, step_of_weights, batch
):
    """One choice per cell is a branch; a choice per sample would run all eight.

    Components are scanned, so a conditional stands for both; cells are unrolled.
    """
    compiled = step_of_weights.lower(fresh, batch, CHOICES).compile()
    text = compiled.as_text()
    conditionals = [
        line for line in text.splitlines() if re.search(r"= .* conditional\(", line)
    ]
    assert len(conditionals) == 2 * NETWORK.cells_per_block  # forward and backward
    for line in conditionals:
        branches = re.search(r"branch_computations=\{([^}]*)\}", line)
        assert branches is not None
        assert len(branches[1].split(",")) == 8


def work(jaxpr):
    """How many values a traced function computes, of a conditional its longest branch.

    A batched predicate makes JAX trace the branches outside of any conditional, so that
    they all count.
    """
    total = 0
    for equation in jaxpr.eqns:
        inner = [
            getattr(one, "jaxpr", one)
            for one in jax.tree.leaves(
                list(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")
            )
            if hasattr(getattr(one, "jaxpr", one), "eqns")
        ]
        if equation.primitive.name == "cond":
            total += max(map(work, inner))
        elif inner:
            total += equation.params.get("length", 1) * sum(map(work, inner))
        else:
            total += sum(math.prod(out.aval.shape) for out in equation.outvars)
    return total


@pytest.mark.slow
def test_a_choice_per_cell_runs_one_operation_and_a_choice_per_frame_all(fresh, batch):
    """The count is of the gradient; a path takes little more than a fixed network."""
    one = Architecture.parse("[O8 O8|O8 O8]")
    fixed = fixed_network(one, LAYERS)
    weights = active_weights(fresh.weights, one)
    choices = jnp.array(one.cells, jnp.int32)

    def error(image):
        return jnp.sum(image**2)

    def of_fixed(weights):
        image = fixed.apply({"params": weights}, batch.zero_filled, batch.measurement)
        return error(image)

    def of_path(weights, choices):
        gates = fixed_gates(choices)
        image = NETWORK.apply(
            {"params": weights}, batch.zero_filled, batch.measurement, gates
        )
        return error(image)

    def of_frames(weights, choices):
        def of_frame(zero_filled, measurement, choices):
            frame = jax.tree.map(lambda leaf: leaf[None], (zero_filled, measurement))
            gates = fixed_gates(choices)
            return error(NETWORK.apply({"params": weights}, *frame, gates))

        return jax.vmap(of_frame)(batch.zero_filled, batch.measurement, choices).sum()

    def gradient_work(function, *arguments):
        return work(jax.make_jaxpr(jax.grad(function))(*arguments).jaxpr)

    plain = gradient_work(of_fixed, weights)
    path = gradient_work(of_path, fresh.weights, choices)
    frames = gradient_work(of_frames, fresh.weights, jnp.stack([choices] * 2))
    assert path < 1.5 * plain
    assert frames > 4 * plain


def temporary_bytes(step, *arguments):
    memory = jit(step, donate_argnums=0).lower(*arguments).compile().memory_analysis()
    assert memory is not None
    return memory.temp_size_in_bytes


@pytest.mark.slow
def test_a_search_step_needs_the_memory_of_one_path():
    """At most 1.1 times that of the fixed network's step, optimizers included."""
    components, width, size = 2, 16, 64
    image = jnp.zeros((2, size, size, 2))
    kspace, mask = image[..., 0].astype(jnp.complex64), jnp.zeros((2, size, 1), bool)
    batch = Batch(image, Measurement(kspace, mask), image)
    network = SearchNetwork(components, 3, width)
    fixed = fixed_network(
        Architecture.parse("[O8 O1 O8|O1 O8 O1]"), LayerSettings(width)
    )
    key = jax.random.key(0)
    searched = jax.eval_shape(
        lambda: search_state.initial_state(network, SETTINGS, key)
    )
    trained = jax.eval_shape(
        lambda: retrain_steps.initial_state(fixed, RetrainSettings(), key)
    )
    per_path, plain = search_weight_optimizer(1e-7, 0.9), adam_with_l2(1e-7, 0.9)
    search_bytes = temporary_bytes(
        lambda s, b, c: weight_step(network, per_path, s, b, c, RATE),
        searched,
        batch,
        jnp.zeros(3 * components, jnp.int32),
    )
    fixed_bytes = temporary_bytes(
        lambda s, b: train_step(fixed, plain, s, b, RATE), trained, batch
    )
    assert search_bytes <= 1.1 * fixed_bytes
