"""Conjugate gradients for a batch of images, each with its own step lengths.

Solves B x = b for a Hermitian, positive semidefinite B, such as AᴴA + λ.

Source: Hestenes and Stiefel, 1952.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

Images = Complex[Array, "batch *axes"]


def conjugate_gradients(
    operator: Callable[[Images], Images], target: Images, start: Images, steps: int
) -> Images:
    """Return an approximate solution x of `operator(x) = target`.

    Args:
        operator: linear, Hermitian and positive semidefinite for each image.
        target: right-hand side b.
        start: first guess.
        steps: number of steps, each of which applies the operator once. An image that
            is solved exactly stays as it is.
    """
    residual = target - operator(start)

    def step(
        _: int | Array, state: tuple[Images, Images, Images, Array]
    ) -> tuple[Images, Images, Images, Array]:
        image, residual, direction, size = state
        moved = operator(direction)
        length = ratio(size, product(direction, moved)).astype(image.dtype)
        image, residual = image + length * direction, residual - length * moved
        now = product(residual, residual)
        turned = ratio(now, size).astype(image.dtype)
        return image, residual, residual + turned * direction, now

    state = (start, residual, residual, product(residual, residual))
    return jax.lax.fori_loop(0, steps, step, state)[0]


def product(left: Images, right: Images) -> Float[Array, "#batch *#axes"]:
    """Return Re <left, right> of every image, its axes kept with the size 1."""
    axes = tuple(range(1, left.ndim))
    return jnp.sum((left.conj() * right).real, axis=axes, keepdims=True)


def ratio(over: Array, under: Array) -> Array:
    """Return a quotient, 0 where a solution is reached exactly."""
    positive = under > 0
    return jnp.where(positive, over / jnp.where(positive, under, 1), 0)
