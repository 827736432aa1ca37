"""The compiled steps: one of the weights, one of alphas, one of a fixed network.

A step is a pure function of its state and a batch; search and retraining run several
in one dispatch, so that the host is never the bottleneck. Weights and alphas are two
trees with two optimizers and two states: a step of one leaves the other bit-identical.

With several devices a step runs on each with its part of the batch
(`devices.on_every_device`); losses and gradients are averaged before they are used.

Source: EMR-NAS, Algorithm 1; gradients of the gates in `nas.gates`.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from emrnas_jax.data.pipeline import Batch, RandomKey
from emrnas_jax.devices import mean_over_devices
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.models.rows import put_active, take_active
from emrnas_jax.mri.consistency import magnitude
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.nas.gates import GATES, Gates, fixed_gates
from emrnas_jax.nas.space import OPERATIONS
from emrnas_jax.training.optimizers import descend

# XLA:CPU's default order of operations favours concurrency over memory. This one gives
# the gradient of the search the memory of a single path: 48 instead of 59 MiB at
# 64 x 64, batch 2. Other platforms ignore it.
COMPILER_OPTIONS = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}

jit = partial(jax.jit, compiler_options=COMPILER_OPTIONS)


class SearchState(NamedTuple):
    """Everything a search changes.

    Attributes:
        weights: parameters of the search network.
        weight_optimizer: its state, moments and counts per operation and cell.
        alphas: architecture parameters; a row per cell, or per group of cells that
            share their choice.
        alpha_optimizer: their state.
        step: weight steps done.
        train_loss: sum over this epoch's steps.
        validation_loss: likewise, of the steps of alphas.
        path_counts: how often each operation was active in this epoch's weight steps.
    """

    weights: PyTree
    weight_optimizer: PyTree
    alphas: Float[Array, "row op"]
    alpha_optimizer: PyTree
    step: Int[Array, ""]
    train_loss: Float[Array, ""]
    validation_loss: Float[Array, ""]
    path_counts: Int[Array, "cell op"]


class TrainState(NamedTuple):
    """Everything the training of a fixed network changes.

    Attributes:
        weights: parameters.
        statistics: running statistics of batch norm; empty for networks without.
        optimizer: the optimizer's state.
        step: steps done.
        train_loss: sum over this epoch's steps.
        train_psnr_db: sum over this epoch's steps of the batch's mean PSNR.
    """

    weights: PyTree
    statistics: PyTree
    optimizer: PyTree
    step: Int[Array, ""]
    train_loss: Float[Array, ""]
    train_psnr_db: Float[Array, ""]


def squared_error(
    image: Float[Array, "batch height width 2"],
    target: Float[Array, "batch height width 2"],
) -> Float[Array, ""]:
    """Mean squared error over frames, pixels and both channels: the training loss."""
    return jnp.mean((image - target) ** 2)


def weight_step(
    network: SearchNetwork,
    optimizer: optax.GradientTransformationExtraArgs,
    state: SearchState,
    batch: Batch,
    choices: Int[Array, " cell"],
    rate: Float[Array, ""],
) -> SearchState:
    """Move the weights on the active path; alphas and idle operations stay."""
    path = choices.reshape(network.components, network.cells_per_block)
    active = take_active(state.weights, path)

    def loss_of(active: PyTree) -> Float[Array, ""]:
        return _loss_of_path(network, active, batch, choices)

    loss, gradients = mean_over_devices(jax.value_and_grad(loss_of)(active))
    direction, weight_optimizer = optimizer.update(
        gradients, state.weight_optimizer, active, choices=path
    )
    moved = descend(active, direction, rate)
    return state._replace(
        weights=put_active(state.weights, moved, path),
        weight_optimizer=weight_optimizer,
        step=state.step + 1,
        train_loss=state.train_loss + loss,
        path_counts=state.path_counts
        + jax.nn.one_hot(choices, len(OPERATIONS), dtype=jnp.int32),
    )


def path_loss(
    network: SearchNetwork,
    weights: PyTree,
    batch: Batch,
    choices: Int[Array, " cell"],
) -> Float[Array, ""]:
    """Return the loss of one path with the weights that all paths share."""
    path = choices.reshape(network.components, network.cells_per_block)
    active = take_active(weights, path)
    return mean_over_devices(_loss_of_path(network, active, batch, choices))


def _loss_of_path(
    network: SearchNetwork, active: PyTree, batch: Batch, choices: Int[Array, " cell"]
) -> Float[Array, ""]:
    image: Any = network.clone(rows=1).apply(
        {"params": active}, *batch[:3], fixed_gates(choices)
    )
    return squared_error(image, batch.target)


def architecture_step(
    network: SearchNetwork,
    optimizer: optax.GradientTransformation,
    state: SearchState,
    batch: Batch,
    key: RandomKey,
    rate: float,
    paths_per_cell: int,
    gate_rule: str,
) -> SearchState:
    """Move alphas by the gradient of the validation loss; the weights stay."""
    rows = jnp.array(network.choosing_rows)

    def loss_of(alphas: Float[Array, "row op"]) -> tuple[Float[Array, ""], Array]:
        gates = GATES[paths_per_cell](key, alphas, gate_rule)
        per_cell = Gates(gates.choices[rows], gates.weights[rows])
        image: Any = network.apply({"params": state.weights}, *batch[:3], per_cell)
        return squared_error(image, batch.target), gates.choices

    (loss, choices), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.alphas)
    loss, gradient = mean_over_devices((loss, gradient))
    direction, alpha_optimizer = optimizer.update(
        gradient, state.alpha_optimizer, state.alphas
    )
    alphas = descend(state.alphas, direction, jnp.float32(rate))
    if paths_per_cell == 2:
        alphas = keep_other_probabilities(state.alphas, alphas, choices)
    return state._replace(
        alphas=alphas,
        alpha_optimizer=alpha_optimizer,
        validation_loss=state.validation_loss + loss,
    )


def keep_other_probabilities(
    old: Float[Array, "cell op"],
    new: Float[Array, "cell op"],
    pair: Int[Array, "cell 2"],
) -> Float[Array, "cell op"]:
    """Take the new alphas of the sampled pair; p of the other six stays as it was.

    Adam's momentum and decay would move the others too, and a change of the pair's
    total would change their p. Source: ProxylessNAS, section 3.2.1.
    """
    moved = jnp.take_along_axis(new, pair, axis=-1)
    before = jnp.take_along_axis(old, pair, axis=-1)
    shift = jax.nn.logsumexp(before, -1) - jax.nn.logsumexp(moved, -1)
    rows = jnp.arange(old.shape[0])[:, None]
    return old.at[rows, pair].set(moved + shift[:, None])


def train_step(
    network: nn.Module,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    batch: Batch,
    rate: Float[Array, ""],
) -> TrainState:
    """Move the weights of a fixed network."""

    def loss_of(weights: PyTree) -> tuple[Float[Array, ""], tuple[Array, PyTree]]:
        image, changed = network.apply(
            {"params": weights, "batch_stats": state.statistics},
            *batch[:3],
            train=True,
            mutable=["batch_stats"],
        )
        statistics = changed.get("batch_stats", state.statistics)
        return squared_error(image, batch.target), (image, statistics)

    gradient_of = jax.value_and_grad(loss_of, has_aux=True)
    (loss, (image, statistics)), gradients = gradient_of(state.weights)
    psnr = _mean_psnr_db(image, batch.target)
    loss, gradients, psnr = mean_over_devices((loss, gradients, psnr))
    direction, opt_state = optimizer.update(gradients, state.optimizer, state.weights)
    return TrainState(
        descend(state.weights, direction, rate),
        statistics,
        opt_state,
        state.step + 1,
        state.train_loss + loss,
        state.train_psnr_db + psnr,
    )


def _mean_psnr_db(
    image: Float[Array, "batch height width 2"],
    target: Float[Array, "batch height width 2"],
) -> Float[Array, ""]:
    """PSNR of the magnitudes, data range 1; only for the curve of a training."""
    error = magnitude(to_complex(image)) - magnitude(to_complex(target))
    mse = jnp.mean(error**2, (1, 2))
    return jnp.mean(-10 * jnp.log10(jnp.maximum(mse, 1e-12)))
