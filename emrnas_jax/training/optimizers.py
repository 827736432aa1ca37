"""Optimizers: Adam with coupled weight decay and Muon, learning rates, averages.

The transforms here give a direction; the step multiplies it by the learning rate.
"Coupled" is what weight decay means in the paper's framework: it is added to the
gradient before Adam scales it (not AdamW).
"""

import math

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

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
