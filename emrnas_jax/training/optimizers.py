"""Optimizers: Adam with coupled weight decay, and operations that rest when idle.

The transforms here give a direction; the step multiplies it by the learning rate.
"Coupled" is what weight decay means in the paper's framework: it is added to the
gradient before Adam scales it (not AdamW).
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from emrnas_jax.nas.space import OPERATIONS


def adam_with_l2(decay: float, momentum: float) -> optax.GradientTransformation:
    """Adam, scaled but without a learning rate, with L2 decay in the gradient.

    Args:
        decay: factor of the weights that is added to the gradient.
        momentum: Adam's β₁; section 3 gives 0.9.
    """
    return optax.chain(
        optax.add_decayed_weights(decay), optax.scale_by_adam(b1=momentum)
    )


def cosine(base: float, fraction: Float[Array, ""]) -> Float[Array, ""]:
    """Cosine annealing: `base` at fraction 0 of the training, 0 at fraction 1."""
    return base * 0.5 * (1 + jnp.cos(jnp.pi * fraction))


def descend(weights: PyTree, direction: PyTree, rate: Float[Array, ""]) -> PyTree:
    """Return the weights after one step against `direction`."""
    return jax.tree.map(lambda w, d: w - rate * d, weights, direction)


def resting_when_idle(
    transform: optax.GradientTransformation, operation: int
) -> optax.GradientTransformationExtraArgs:
    """Run `transform` for the cells whose active operation is `operation` alone.

    Every leaf has two leading axes, (component, cell). Where the operation was idle
    its direction is zero, and its moments and its own step count stay bit-identical: a
    zero gradient with decay would otherwise move an Adam weight by 0.4 learning rates
    a step, and age its moments.

    Returns:
        a transform whose `update` takes `choices`, `[component, cell]`.
    """
    per_cell_update = jax.vmap(jax.vmap(transform.update))

    def update(
        gradients: PyTree,
        state: PyTree,
        params: PyTree,
        *,
        choices: Int[Array, "component cell"],
        **_: Any,  # noqa: ANN401 - what other transforms of the partition take
    ) -> tuple[PyTree, PyTree]:
        active = choices == operation
        direction, moved = per_cell_update(gradients, state, params)
        still = jax.tree.map(jnp.zeros_like, direction)
        return _where(active, direction, still), _where(active, moved, state)

    return optax.GradientTransformationExtraArgs(
        jax.vmap(jax.vmap(transform.init)), update
    )


def _where(
    active: Bool[Array, "component cell"], then: PyTree, otherwise: PyTree
) -> PyTree:
    def choose(a: Array, b: Array) -> Array:
        return jnp.where(jnp.expand_dims(active, tuple(range(2, a.ndim))), a, b)

    return jax.tree.map(choose, then, otherwise)


def search_weight_optimizer(
    decay: float, momentum: float
) -> optax.GradientTransformationExtraArgs:
    """Adam for the weights of a search network, one count and moments per operation.

    Its `update` takes `choices`, `[component, cell]`: the operations that ran.
    """
    transforms: dict[str, optax.GradientTransformation] = {
        operation.name: resting_when_idle(adam_with_l2(decay, momentum), i)
        for i, operation in enumerate(OPERATIONS)
    }
    transforms["always active"] = adam_with_l2(decay, momentum)
    return optax.partition(transforms, _labels)


def _labels(params: PyTree) -> PyTree:
    """Name for every leaf the operation it belongs to, if it belongs to one."""
    names = {operation.name for operation in OPERATIONS}

    def label(path: tuple, _: Array) -> str:
        keys = [getattr(part, "key", None) for part in path]
        return next((key for key in keys if key in names), "always active")

    return jax.tree.map_with_path(label, params)
