"""Optimizers: Adam with coupled weight decay, and operations that rest when idle.

The transforms here give a direction; the step multiplies it by the learning rate.
"Coupled" is what weight decay means in the paper's framework: it is added to the
gradient before Adam scales it (not AdamW).
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from emrnas_jax.models.stacked_weights import is_stacked, put_vectors, take_vectors


def adam_with_l2(
    decay: float, momentum: float, epsilon: float = 1e-8
) -> optax.GradientTransformation:
    """Adam, scaled but without a learning rate, with L2 decay in the gradient.

    Args:
        decay: factor of the weights that are added to the gradient.
        momentum: Adam's β₁; section 3 gives 0.9.
        epsilon: Adam's ε, about the smallest gradient that still moves a weight.
    """
    # The decay comes first, so that Adam scales it with the gradient.
    return optax.chain(
        optax.add_decayed_weights(decay), optax.scale_by_adam(momentum, eps=epsilon)
    )


def cosine(base: float, fraction: Float[Array, ""]) -> Float[Array, ""]:
    """Cosine annealing: `base` at fraction 0 of the training, 0 at fraction 1."""
    return base * 0.5 * (1 + jnp.cos(jnp.pi * fraction))


def descend(weights: PyTree, direction: PyTree, rate: Float[Array, ""]) -> PyTree:
    """Return the weights after one step against `direction`."""
    return jax.tree.map(lambda w, d: w - rate * d, weights, direction)


def search_weight_optimizer(
    decay: float, momentum: float
) -> optax.GradientTransformationExtraArgs:
    """Adam for the weights of a search network, moments and counts per operation.

    `init` takes all weights; `update` takes gradients and weights of the active path
    (`models.stacked_weights.take_active`) and its `choices`, `[component, cell]`.
    """
    adam = adam_with_l2(decay, momentum)
    return optax.partition(
        {"operations": of_active_operations(adam), "always active": adam},
        lambda params: jax.tree.map_with_path(
            lambda path, _: "operations" if is_stacked(path) else "always active",
            params,
        ),
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
