"""Optimizers: Adam with coupled weight decay, and operations that rest when idle.

The transforms here give a direction; the step multiplies it by the learning rate.
"Coupled" is what weight decay means in the paper's framework: it is added to the
gradient before Adam scales it (not AdamW).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int, PyTree, Shaped

from emrnas_jax.models.stacked_weights import (
    Shapes,
    is_stacked,
    pack,
    put_vectors,
    take_vectors,
    unpack,
    vector_length,
)

FEWEST_DIRECTIONS = 8  # of a matrix that Muon is used for


def adam_with_l2(
    decay: float,
    momentum: float,
    epsilon: float = 1e-8,
    beta2: float = 0.999,
) -> optax.GradientTransformation:
    """Adam, scaled but without a learning rate, with L2 decay in the gradient.

    Args:
        decay: factor of the weights that are added to the gradient.
        momentum: Adam's β₁; section 3 gives 0.9.
        epsilon: Adam's ε, about the smallest gradient that still moves a weight.
        beta2: Adam's β₂.
    """
    # The decay comes first, so that Adam scales it with the gradient.
    return optax.chain(
        optax.add_decayed_weights(decay),
        optax.scale_by_adam(momentum, beta2, epsilon),
    )


def muon_with_l2(
    decay: float, momentum: float, beta2: float = 0.999
) -> optax.GradientTransformation:
    """Muon for the kernels and Adam for the rest, without a learning rate.

    A kernel is a matrix here, taps and inputs by outputs. Muon replaces its gradient,
    averaged over steps, by the nearest matrix whose singular values are all one, so
    that no direction of a layer is learned more slowly than another. Its steps are
    scaled to the length that those of Adam have, so both take one learning rate.

    Args:
        decay: factor of the weights that are added to the gradient. It has no effect
            where Muon is used, which keeps nothing of the length of a gradient.
        momentum: β₁ of the Adam for the rest; Muon keeps its own, 0.95.
        beta2: β₂ of the Adam for the rest.

    Source: Jordan et al., "Muon", 2024; Liu et al., "Muon is scalable for LLM
    training", 2025, for the length of the steps.
    """
    return optax.chain(
        optax.add_decayed_weights(decay),
        optax.contrib.muon(
            -1.0,  # undoes the sign: the step subtracts the direction itself
            adam_b1=momentum,
            adam_b2=beta2,
            muon_weight_dimension_numbers=_kernels,
            consistent_rms=0.2,
        ),
    )


def _kernels(weights: PyTree) -> PyTree:
    """Return the axes of every kernel that Muon is for, and None for other weights."""

    def axes(leaf: Array) -> optax.contrib.MuonDimensionNumbers | None:
        *inputs, outputs = leaf.shape or (1,)
        # The few outputs of an image's channels are no directions to be balanced.
        if min(math.prod(inputs), outputs) < FEWEST_DIRECTIONS:
            return None
        return optax.contrib.MuonDimensionNumbers(
            tuple(range(len(inputs))), len(inputs)
        )

    return jax.tree.map(axes, weights)


OPTIMIZERS = {"adam": adam_with_l2, "muon": muon_with_l2}


def cosine(base: float, fraction: Float[Array, ""]) -> Float[Array, ""]:
    """Cosine annealing: `base` at fraction 0 of the training, 0 at fraction 1."""
    return base * 0.5 * (1 + jnp.cos(jnp.pi * fraction))


def warmed_cosine(
    base: float, fraction: Float[Array, ""], warmup: float
) -> Float[Array, ""]:
    """Cosine annealing after a rise in a straight line from 0 to `base`.

    Args:
        base: the largest learning rate.
        fraction: part of the training that is done, from 0 to 1.
        warmup: part of the training in which the rate rises; 0 for none.
    """
    if not warmup:
        return cosine(base, fraction)
    fallen = cosine(base, (fraction - warmup) / (1 - warmup))
    return jnp.where(fraction < warmup, base * fraction / warmup, fallen)


def moving_average(
    average: PyTree, weights: PyTree, decay: float, step: Int[Array, ""]
) -> PyTree:
    """Return an exponential moving average with one more step in it.

    Args:
        average: the average before the step.
        weights: the weights after the step.
        decay: what the old average counts in the long run. The first steps count more,
            so that the weights that were drawn are soon forgotten.
        step: number of the step, from 0.
    """
    decay_now = jnp.minimum(decay, (1 + step) / (10 + step))
    return jax.tree.map(
        lambda a, w: decay_now * a + (1 - decay_now) * w, average, weights
    )


def descend(weights: PyTree, direction: PyTree, rate: Float[Array, ""]) -> PyTree:
    """Return the weights after one step against `direction`."""
    return jax.tree.map(lambda w, d: w - rate * d, weights, direction)


def search_weight_optimizer(
    decay: float,
    momentum: float,
    optimizer: str = "adam",
    candidates: Sequence[Shapes] = (),
    clip_norm: float = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Optimizer for the weights of a search network, with a state per operation.

    `init` takes all weights; `update` takes gradients and weights of the active path
    (`models.stacked_weights.take_active`), its `choices`, `[component, cell]`, and
    which components are `running`.

    Args:
        decay: factor of the weights that are added to the gradient.
        momentum: Adam's β₁.
        optimizer: key of `OPTIMIZERS`.
        candidates: the shapes of the weights of every operation; Muon needs them.
        clip_norm: norm to which longer gradients of a path are shortened; 0 for none.
    """
    transform = OPTIMIZERS[optimizer](decay, momentum)
    if optimizer == "muon":
        operations = of_active_shapes(transform, candidates)
        ends = of_running_components(of_each_component(transform))
    else:
        operations = of_active_operations(transform)
        ends = of_running_components(transform)
    parts = optax.partition(
        {"operations": operations, "always active": ends},
        lambda params: jax.tree.map_with_path(
            lambda path, _: "operations" if is_stacked(path) else "always active",
            params,
        ),
    )
    if not clip_norm:
        return parts
    return optax.chain(optax.clip_by_global_norm(clip_norm), parts)


def of_each_component(
    transform: optax.GradientTransformation,
) -> optax.GradientTransformation:
    """Run `transform` for each component by itself, along the first axis of weights."""
    return optax.GradientTransformation(
        jax.vmap(transform.init), jax.vmap(transform.update)
    )


def of_running_components(
    transform: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """Run `transform` for the ends of components that run on the path.

    The ends of a component that is left out, and their moments, stay bit-identical. The
    first axis of every weight is that of the components.
    """

    def update(
        gradients: PyTree,
        state: PyTree,
        params: PyTree = None,
        *,
        running: Bool[Array, " component"],
        **_: Any,
    ) -> tuple[PyTree, PyTree]:
        direction, moved = transform.update(gradients, state, params)

        def where_running(new: Array, old: Array) -> Array:
            if new.ndim == 0:  # a count, which all components share
                return new
            return jnp.where(running.reshape(-1, *[1] * (new.ndim - 1)), new, old)

        resting = jax.tree.map(jnp.zeros_like, direction)
        direction = jax.tree.map(where_running, direction, resting)
        return direction, jax.tree.map(where_running, moved, state)

    return optax.GradientTransformationExtraArgs(
        transform.init,
        update,  # pyright: ignore[reportArgumentType]
    )


def of_active_operations(
    transform: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """Run `transform` for the active operations, each with a state of its own.

    The state of an idle operation, its moments and its step count, stays bit-identical
    like its weights: a zero gradient with decay would otherwise move an Adam weight by
    0.4 learning rates a step, and age its moments.
    """
    init_each = jax.vmap(jax.vmap(jax.vmap(transform.init)))
    update_each = jax.vmap(jax.vmap(jax.vmap(transform.update)))

    def update(
        gradients: PyTree,
        state: PyTree,
        params: PyTree = None,
        *,
        choices: Int[Array, "component cell"],
        **_: Any,
    ) -> tuple[PyTree, PyTree]:
        active = jax.tree.map(lambda leaf: take_vectors(leaf, choices), state)
        direction, moved = update_each(gradients, active, params)
        state = jax.tree.map(
            lambda leaf, active: put_vectors(leaf, active, choices), state, moved
        )
        return direction, state

    # Optax types extra arguments as optional; this one is needed.
    return optax.GradientTransformationExtraArgs(
        init_each,
        update,  # pyright: ignore[reportArgumentType]
    )


def of_active_shapes(
    transform: optax.GradientTransformation, candidates: Sequence[Shapes]
) -> optax.GradientTransformationExtraArgs:
    """Run `transform` for the active operations, on their kernels as they are.

    It does what `of_active_operations` does for a transform that depends on the shapes
    of weights. The state of each operation is one vector, like its weights.

    Args:
        transform: the transform, whose first state must not depend on the weights.
        candidates: the shapes of the weights of every operation.
    """
    length = vector_length(candidates)
    blank = [unpack(own, jnp.zeros(length)) for own in candidates]
    first = [ravel_pytree(transform.init(own)) for own in blank]
    longest = max(flat.size for flat, _ in first)

    def init_each(params: PyTree) -> PyTree:
        states = jnp.stack([_padded(flat, longest) for flat, _ in first])
        return jax.tree.map(
            lambda leaf: jnp.tile(states, (*leaf.shape[:2], 1, 1)), params
        )

    def branch(shapes: Shapes, flat: Array, restore: Callable) -> Callable:
        def move(gradient: Array, state: Array, weights: Array) -> tuple[Array, Array]:
            own = restore(state[: flat.size].astype(flat.dtype))
            given = unpack(shapes, gradient), own, unpack(shapes, weights)
            direction: Any
            direction, moved = transform.update(*given)
            return pack(direction, length), _padded(ravel_pytree(moved)[0], longest)

        return move

    branches = [
        branch(shapes, flat, restore)
        for shapes, (flat, restore) in zip(candidates, first, strict=True)
    ]

    def update(
        gradients: PyTree,
        state: PyTree,
        params: PyTree = None,
        *,
        choices: Int[Array, "component cell"],
        **_: Any,
    ) -> tuple[PyTree, PyTree]:
        # One after another: side by side, every branch would run for each of them.
        def move(own: tuple[Array, ...]) -> tuple[Array, Array]:
            choice, *vectors = own
            return jax.lax.switch(choice, branches, *vectors)

        leaves, tree = jax.tree.flatten(gradients)
        others = jax.tree.leaves(state), jax.tree.leaves(params)
        directions, states = [], []
        for gradient, old, weights in zip(leaves, *others, strict=True):
            active = take_vectors(old, choices)
            rows = [
                own.reshape(-1, own.shape[-1]) for own in (gradient, active, weights)
            ]
            direction, moved = jax.lax.map(move, (choices.reshape(-1), *rows))
            directions.append(direction.reshape(gradient.shape))
            states.append(put_vectors(old, moved.reshape(active.shape), choices))
        return tree.unflatten(directions), tree.unflatten(states)

    # Optax types extra arguments as optional; this one is needed.
    return optax.GradientTransformationExtraArgs(
        init_each,
        update,  # pyright: ignore[reportArgumentType]
    )


def _padded(state: Shaped[Array, " value"], length: int) -> Float[Array, " longer"]:
    # Counts are exact as numbers of float32, up to 16 million steps.
    return jnp.pad(state.astype(jnp.float32), (0, length - state.size))
