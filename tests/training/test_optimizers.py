"""Adam with coupled decay, the cosine, and what rests in a search when it is idle."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from emrnas_jax.models.stacked_weights import (
    STACKED,
    put_active,
    take_active,
    take_vectors,
    unpack,
    vector_length,
)
from emrnas_jax.training.optimizers import adam_with_l2, cosine, descend, muon_with_l2
from emrnas_jax.training.search_optimizers import (
    of_active_operations,
    of_active_shapes,
    of_each_component,
    of_running_components,
    search_weight_optimizer,
)

RATE = jnp.float32(0.01)


def torch_adam(weights, gradients, rate, decay, beta_1):
    """Adam(weight_decay=...) of the paper's framework, in float64."""
    w, m, v = np.asarray(weights, float), 0.0, 0.0
    for t, gradient in enumerate(gradients, 1):
        g = np.asarray(gradient, float) + decay * w
        m = beta_1 * m + (1 - beta_1) * g
        v = 0.999 * v + 0.001 * g**2
        w = w - rate * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w


@pytest.mark.parametrize("decay", [0.0, 1e-7, 0.5])
@pytest.mark.parametrize("momentum", [0.9, 0.5])
def test_adam_with_l2_is_that_of_the_papers_framework(decay, momentum):
    random = np.random.default_rng(0)
    start = random.standard_normal((3, 4)).astype(np.float32)
    gradients = random.standard_normal((20, 3, 4)).astype(np.float32)
    gradients[:, 0] = 0  # here decay alone moves
    optimizer = adam_with_l2(decay, momentum)

    @jax.jit
    def step(weights, state, gradient):
        direction, state = optimizer.update(gradient, state, weights)
        return descend(weights, direction, RATE), state

    weights, state = jnp.asarray(start), optimizer.init(jnp.asarray(start))
    for gradient in gradients:
        weights, state = step(weights, state, gradient)
    expected = torch_adam(start, gradients, 0.01, decay, momentum)
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=2e-5)


def test_decay_is_coupled_not_that_of_adamw():
    """With a zero gradient Adam turns even a small decay into a full step."""
    weights = jnp.full(3, 0.5)
    optimizer = adam_with_l2(1e-3, 0.9)
    direction, _ = optimizer.update(jnp.zeros(3), optimizer.init(weights), weights)
    np.testing.assert_allclose(jnp.asarray(direction), 1.0, rtol=1e-3)


def test_cosine_falls_from_the_base_rate_to_zero():
    fractions = jnp.linspace(0, 1, 11)
    rates = np.array([cosine(2e-3, f) for f in fractions])
    np.testing.assert_allclose(rates[[0, 5, 10]], [2e-3, 1e-3, 0], atol=1e-9)
    assert (np.diff(rates) < 0).all()


def weights_like(random):
    """Weights like those of a search network: rows, and what is always active."""

    def draw(*shape):
        return jnp.asarray(random.standard_normal(shape), jnp.float32)

    return {"cells": {STACKED: draw(2, 3, 8, 5)}, "first": {"kernel": draw(2, 3)}}


@pytest.fixture(scope="module")
def step():
    """One step of the weights, as `weight_step` does it."""
    optimizer = search_weight_optimizer(decay=0.1, momentum=0.9)

    @jax.jit
    def run(weights, state, gradients, choices):
        active = take_active(weights, choices)
        taken = take_active(gradients, choices)
        both = {"choices": choices, "running": jnp.ones(2, bool)}
        direction, state = optimizer.update(taken, state, active, **both)
        moved = descend(active, direction, RATE)
        return put_active(weights, moved, choices), state

    return optimizer.init, run


def test_every_operation_has_an_adam_of_its_own_that_only_counts_its_steps(step):
    """Against one NumPy Adam per operation and cell that sees its own steps alone."""
    random = np.random.default_rng(1)
    init, run = step
    start = weights = weights_like(random)
    state = init(weights)
    seen = {(c, k, o): [] for c, k, o in np.ndindex(2, 3, 8)}
    ends = []
    for _ in range(12):
        gradients = weights_like(random)
        choices = random.integers(0, 3, (2, 3))  # three operations, so each repeats
        for c, k in np.ndindex(2, 3):
            o = choices[c, k]
            seen[c, k, o].append(gradients["cells"][STACKED][c, k, o])
        ends.append(gradients["first"]["kernel"])
        weights, state = run(weights, state, gradients, jnp.asarray(choices))
    for place, gradients in seen.items():
        before, after = (tree["cells"][STACKED][place] for tree in (start, weights))
        if not gradients:
            np.testing.assert_array_equal(after, before)
        expected = torch_adam(before, gradients, 0.01, 0.1, 0.9)
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=2e-5)
    expected = torch_adam(start["first"]["kernel"], ends, 0.01, 0.1, 0.9)
    np.testing.assert_allclose(weights["first"]["kernel"], expected, atol=2e-5)


@pytest.mark.slow
def test_an_idle_operation_keeps_moments_and_count_to_the_bit():
    random = np.random.default_rng(2)
    transform = of_active_operations(adam_with_l2(0.1, 0.9))
    rows = jnp.asarray(random.standard_normal((2, 3, 8, 5)), jnp.float32)
    state = transform.init(rows)
    for operation in range(8):
        choices = jnp.full((2, 3), operation)
        own = rows[:, :, operation : operation + 1]
        _, state = transform.update(own, state, own, choices=choices)
    choices = jnp.array([[0, 7, 3], [3, 3, 1]])
    is_active = np.arange(8) == np.asarray(choices)[..., None]
    own = rows[is_active].reshape(2, 3, 1, 5)
    _, after = transform.update(own, state, own, choices=choices)
    counts = optax.tree.get(after, "count")
    np.testing.assert_array_equal(counts, 1 + is_active)
    leaves = [jax.tree.leaves(tree) for tree in (state, after)]
    for before, moved in zip(*leaves, strict=True):
        np.testing.assert_array_equal(moved[~is_active], before[~is_active])
        assert np.all(moved[is_active] != before[is_active])


def test_the_ends_of_a_component_that_is_left_out_rest_to_the_bit():
    random = np.random.default_rng(3)
    transform = of_running_components(adam_with_l2(0.1, 0.9))
    ends = {"kernel": jnp.asarray(random.standard_normal((3, 4, 5)), jnp.float32)}
    first = jnp.ones(3, bool)
    _, state = transform.update(ends, transform.init(ends), ends, running=first)
    running = jnp.array([True, False, True])
    found: Any = transform.update(ends, state, ends, running=running)
    whole: Any = transform.update(ends, state, ends, running=first)
    direction, after = found
    assert not np.any(direction["kernel"][1])
    for name in ("mu", "nu"):
        trees: list[Any] = [
            optax.tree.get(tree, name) for tree in (state, after, whole[1])
        ]
        before, moved, expected = (np.asarray(tree["kernel"]) for tree in trees)
        np.testing.assert_array_equal(moved[1], before[1])
        assert np.any(moved[::2] != before[::2])
        np.testing.assert_array_equal(moved[::2], expected[::2])
    np.testing.assert_array_equal(direction["kernel"][::2], whole[0]["kernel"][::2])


SHAPES = (
    [],  # an operation without convolutions
    [{"kernel": (3, 3, 8, 8), "bias": (8,)}],
    [{"kernel": (5, 8), "bias": (8,)}, {"kernel": (1, 1, 8, 16), "bias": (16,)}],
)


def stacked_like(random, *first):
    """Vectors of the operations of `SHAPES`, each with the zeros of a shorter one."""
    rows = random.standard_normal((*first, len(SHAPES), vector_length(SHAPES)))
    used = [sum(math.prod(s) for w in own for s in w.values()) for own in SHAPES]
    filled = np.arange(rows.shape[-1]) < np.array(used)[:, None]
    return jnp.asarray(rows * filled, jnp.float32)


def test_muon_moves_the_kernels_of_each_operation_as_alone():
    """Against the same transform that sees the weights of one operation as they are."""
    random = np.random.default_rng(4)
    alone: Any = muon_with_l2(0.1, 0.9)
    transform: Any = of_active_shapes(alone, SHAPES)
    rows = stacked_like(random, 2, 1)
    state = start = transform.init(rows)
    own_states = {}
    for choices in ([1, 2], [1, 0], [2, 1], [1, 2]):
        path = jnp.array(choices)[:, None]
        gradients = take_vectors(stacked_like(random, 2, 1), path)
        active = take_vectors(rows, path)
        direction, state = transform.update(gradients, state, active, choices=path)
        for component, choice in enumerate(choices):
            shapes = SHAPES[choice]
            weights = unpack(shapes, active[component, 0, 0])
            before = own_states.get((component, choice), alone.init(weights))
            gradient = unpack(shapes, gradients[component, 0, 0])
            expected, after = alone.update(gradient, before, weights)
            own_states[component, choice] = after
            found = unpack(shapes, direction[component, 0, 0])
            for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    idle = np.ones((2, 1, 3), bool)
    for component, choice in own_states:
        idle[component, 0, choice] = False
    np.testing.assert_array_equal(state[idle], start[idle])


def test_with_adam_the_shapes_of_kernels_change_nothing():
    random = np.random.default_rng(5)
    adam = adam_with_l2(0.1, 0.9)
    both: Any = of_active_operations(adam), of_active_shapes(adam, SHAPES)
    rows = stacked_like(random, 2, 2)
    states = [own.init(rows) for own in both]
    for _ in range(3):
        path = jnp.asarray(random.integers(0, 3, (2, 2)))
        taken = [take_vectors(own, path) for own in (stacked_like(random, 2, 2), rows)]
        moved = [
            own.update(taken[0], state, taken[1], choices=path)
            for own, state in zip(both, states, strict=True)
        ]
        np.testing.assert_allclose(moved[0][0], moved[1][0], rtol=1e-5, atol=1e-6)
        states = [state for _, state in moved]


def test_each_component_has_a_muon_of_its_own():
    random = np.random.default_rng(6)
    alone: Any = muon_with_l2(0.0, 0.9)
    ends = {"kernel": jnp.asarray(random.standard_normal((2, 3, 3, 8, 8)), jnp.float32)}
    together: Any = of_each_component(alone)
    found, _ = together.update(ends, together.init(ends), ends)
    for component in range(2):
        own = {"kernel": ends["kernel"][component]}
        expected = alone.update(own, alone.init(own), own)[0]
        np.testing.assert_allclose(
            found["kernel"][component], expected["kernel"], rtol=1e-4, atol=1e-5
        )


def test_a_long_gradient_of_a_path_is_shortened_as_a_whole():
    random = np.random.default_rng(7)
    weights = weights_like(random)
    path = jnp.zeros((2, 3), jnp.int32)
    active, gradients = (
        take_active(own, path) for own in (weights, weights_like(random))
    )
    own = {"choices": path, "running": jnp.ones(2, bool)}
    norm = float(optax.tree.norm(gradients))
    moved = []
    for clip_norm, scale in ((norm / 4, 1.0), (0.0, 0.25)):
        # Decay shows the length of a gradient, which Adam alone would not.
        optimizer: Any = search_weight_optimizer(0.1, 0.9, clip_norm=clip_norm)
        scaled = jax.tree.map(lambda g, s=scale: g * s, gradients)
        moved.append(
            optimizer.update(scaled, optimizer.init(weights), active, **own)[0]
        )
    for a, b in zip(*map(jax.tree.leaves, moved), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
