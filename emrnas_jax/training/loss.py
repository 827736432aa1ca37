"""The loss of a batch, and the compilation of the steps that lower it.

Search and retraining run several steps in one call of a compiled program, so that the
host is never the bottleneck. With several devices a step runs on each with its part of
the batch (`devices.on_every_device`); losses and gradients are averaged before use.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from emrnas_jax.data.pipeline import Batch
from emrnas_jax.data.targets import as_compared
from emrnas_jax.machine.devices import mean_over_devices
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.models.stacked_weights import take_active
from emrnas_jax.nas.gates import fixed_gates

# XLA:CPU's default order of operations favours concurrency over memory. This one gives
# the gradient of the search the memory of a single path: 48 instead of 59 MiB at
# 64 x 64, batch 2. Other platforms ignore it.
COMPILER_OPTIONS = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}

# A mean squared error that counts as none: 80 dB. The logarithm of the error of a black
# frame would be infinite.
NEGLIGIBLE_ERROR = 1e-8

jit = partial(jax.jit, compiler_options=COMPILER_OPTIONS)


def squared_error(
    image: Float[Array, "batch height width 2"],
    target: Float[Array, "batch height width 2"],
) -> Float[Array, ""]:
    """Mean squared error over frames, pixels and both channels: the training loss."""
    return jnp.mean((image - target) ** 2)


def log_squared_error(
    image: Float[Array, "batch height width 2"],
    target: Float[Array, "batch height width 2"],
) -> Float[Array, ""]:
    """Mean over frames of the natural logarithm of each frame's mean squared error.

    PSNR is -10 log₁₀ of the mean squared error, so this loss is the mean PSNR up to a
    factor: a frame that is reconstructed well counts as much as one that is not.
    """
    errors = jnp.mean((image - target) ** 2, (1, 2, 3))
    return jnp.mean(jnp.log(errors + NEGLIGIBLE_ERROR))


LOSSES = {"mse": squared_error, "log_mse": log_squared_error}


def loss_against_target(
    image: Float[Array, "batch height width 2"],
    batch: Batch,
    loss: Callable[..., Float[Array, ""]] = squared_error,
) -> Float[Array, ""]:
    """Return the loss of a network's image against the target of its batch.

    Search and retraining compare images here alone: with a target that has no phase
    their magnitude.

    Args:
        image: output of a network, real and imaginary channels.
        batch: batch that holds the target.
        loss: a value of `LOSSES`.
    """
    return loss(as_compared(image, batch.target_kind), batch.target)


def path_loss(
    network: SearchNetwork,
    weights: PyTree,
    batch: Batch,
    choices: Int[Array, " cell"],
    loss: str = "mse",
) -> Float[Array, ""]:
    """Return the loss of one path with the weights that all paths share."""
    path = choices.reshape(network.components, network.cells_per_block)
    active = take_active(weights, path)
    return mean_over_devices(loss_of_active(network, active, batch, choices, loss))


def loss_of_active(
    network: SearchNetwork,
    active: PyTree,
    batch: Batch,
    choices: Int[Array, " cell"],
    loss: str = "mse",
) -> Float[Array, ""]:
    """Return the loss of one path, given the weights of its operations alone.

    Args:
        network: the search network.
        active: weights of the path's operations, and what is always active.
        batch: frames to reconstruct.
        choices: operation of each cell.
        loss: key of `LOSSES`.
    """
    image = image_of_active(network, active, batch, choices)
    return loss_against_target(image, batch, LOSSES[loss])


def image_of_active(
    network: SearchNetwork, active: PyTree, batch: Batch, choices: Int[Array, " cell"]
) -> Float[Array, "batch height width 2"]:
    """Return the image of one path; the arguments are those of `loss_of_active`."""
    # Stored once: `active` holds one operation per cell, and no idle ones.
    image: Any = network.clone(stored=1).apply(
        {"params": active}, batch.zero_filled, batch.measurement, fixed_gates(choices)
    )
    return image
