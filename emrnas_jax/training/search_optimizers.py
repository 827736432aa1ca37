"""Optimizers of a search network: operations and components that rest when idle.

Each operation of each cell has an optimizer's state of its own, and each component that
may be left out too. A step moves the states and weights of its path alone; all others
stay bit-identical.
"""

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
from emrnas_jax.training.optimizers import OPTIMIZERS

# It takes gradients, states and weights of the active operations, and the choices.
UpdateEach = Callable[[PyTree, PyTree, PyTree, Array], tuple[PyTree, PyTree]]


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
    # Adam takes values one by one; Muon takes a kernel as a matrix.
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

    Args:
        transform: a transform of single values, whatever kernel they belong to.
    """
    update_each = jax.vmap(jax.vmap(jax.vmap(transform.update)))
    return _of_active(
        jax.vmap(jax.vmap(jax.vmap(transform.init))),
        lambda gradients, states, params, _: update_each(gradients, states, params),
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

    def move(own: tuple[Array, ...]) -> tuple[Array, Array]:
        choice, *vectors = own
        return jax.lax.switch(choice, branches, *vectors)

    def update_each(
        gradients: PyTree, states: PyTree, params: PyTree, choices: Array
    ) -> tuple[PyTree, PyTree]:
        leaves, tree = jax.tree.flatten(gradients)
        others = jax.tree.leaves(states), jax.tree.leaves(params)
        moved = []
        for given in zip(leaves, *others, strict=True):
            rows = [own.reshape(-1, own.shape[-1]) for own in given]
            # One after another: side by side, every branch would run for each of them.
            found = jax.lax.map(move, (choices.reshape(-1), *rows))
            # Direction and state have the shapes of the gradient and the old state.
            both = zip(found, given[:2], strict=True)
            moved.append([new.reshape(old.shape) for new, old in both])
        directions, states = zip(*moved, strict=True)
        return tree.unflatten(directions), tree.unflatten(states)

    return _of_active(init_each, update_each)


def _of_active(
    init_each: Callable[[PyTree], PyTree], update_each: UpdateEach
) -> optax.GradientTransformationExtraArgs:
    """Take the states of the active operations out, move them and put them back.

    Args:
        init_each: function of stacked weights, `[component, cell, op, value]`, that
            returns a state for each operation, `[component, cell, op, ...]`.
        update_each: function that moves the active ones, `[component, cell, 1, ...]`.
    """

    def update(
        gradients: PyTree,
        state: PyTree,
        params: PyTree = None,
        *,
        choices: Int[Array, "component cell"],
        **_: Any,
    ) -> tuple[PyTree, PyTree]:
        active = jax.tree.map(lambda leaf: take_vectors(leaf, choices), state)
        direction, moved = update_each(gradients, active, params, choices)
        state = jax.tree.map(
            lambda leaf, active: put_vectors(leaf, active, choices), state, moved
        )
        return direction, state

    # Optax types extra arguments as optional; this one is needed.
    return optax.GradientTransformationExtraArgs(
        init_each,  # pyright: ignore[reportArgumentType]
        update,  # pyright: ignore[reportArgumentType]
    )


def _padded(state: Shaped[Array, " value"], length: int) -> Float[Array, " longer"]:
    # Counts are exact as numbers of float32, up to 16 million steps.
    return jnp.pad(state.astype(jnp.float32), (0, length - state.size))
