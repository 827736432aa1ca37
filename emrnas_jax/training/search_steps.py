"""The compiled steps of the search: one moves weights, the others move alphas.

A step is a pure function of its state and a batch. Weights and alphas are two trees
with two optimizers and two states: a step of one leaves the other bit-identical.

Source: EMR-NAS, Algorithm 1; gradients of the gates in `nas.gates`, those without
gates in `nas.reinforce`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from emrnas_jax.data.pipeline import Batch, RandomKey
from emrnas_jax.machine.devices import mean_over_devices
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.models.stacked_weights import put_active, take_active
from emrnas_jax.nas.gates import GATES, Gates
from emrnas_jax.nas.reinforce import (
    draw_architectures,
    leave_one_out_gradient,
    log_relative_time,
)
from emrnas_jax.training.loss import (
    LOSSES,
    image_of_active,
    loss_against_target,
    loss_of_active,
)
from emrnas_jax.training.optimizers import descend
from emrnas_jax.training.search_state import SearchState


def weight_step(
    network: SearchNetwork,
    optimizer: optax.GradientTransformationExtraArgs,
    state: SearchState,
    batch: Batch,
    choices: Int[Array, " cell"],
    rate: Float[Array, ""],
    loss: str = "mse",
) -> SearchState:
    """Move the weights on the active path; alphas and idle operations stay."""
    path = choices.reshape(network.components, network.cells_per_block)
    # The gradient is taken of the active weights alone: that of all weights would be
    # eight times as large, and zero where an operation rests.
    active = take_active(state.weights, path)

    def loss_of(active: PyTree) -> Float[Array, ""]:
        return loss_of_active(network, active, batch, choices, loss)

    value, gradients = mean_over_devices(jax.value_and_grad(loss_of)(active))
    direction, weight_optimizer = optimizer.update(
        gradients,
        state.weight_optimizer,
        active,
        choices=path,
        running=network.running(path),
    )
    moved = descend(active, direction, rate)
    return state._replace(
        weights=put_active(state.weights, moved, path),
        weight_optimizer=weight_optimizer,
        step=state.step + 1,
        train_loss=state.train_loss + value,
        path_counts=state.path_counts
        + jax.nn.one_hot(choices, len(network.operations), dtype=jnp.int32),
    )


def architecture_step(
    network: SearchNetwork,
    optimizer: optax.GradientTransformation,
    state: SearchState,
    batch: Batch,
    key: RandomKey,
    rate: float,
    paths_per_cell: int,
    gate_rule: str,
    loss: str = "mse",
) -> SearchState:
    """Move alphas by the gradient of the validation loss; the weights stay."""
    groups = jnp.array(network.cell_groups)

    def loss_of(alphas: Float[Array, "group op"]) -> tuple[Float[Array, ""], Array]:
        gates = GATES[paths_per_cell](key, alphas, gate_rule)
        # The gates of a group are drawn once, and its cells share them.
        per_cell = Gates(gates.choices[groups], gates.weights[groups])
        image: Any = network.apply(
            {"params": state.weights}, batch.zero_filled, batch.measurement, per_cell
        )
        return loss_against_target(image, batch, LOSSES[loss]), gates.choices

    (value, choices), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.alphas)
    value, gradient = mean_over_devices((value, gradient))
    direction, alpha_optimizer = optimizer.update(
        gradient, state.alpha_optimizer, state.alphas
    )
    alphas = descend(state.alphas, direction, jnp.float32(rate))
    # One path and all paths move every alpha; two move the sampled pair alone.
    if paths_per_cell == 2:
        alphas = keep_other_probabilities(state.alphas, alphas, choices)
    return state._replace(
        alphas=alphas,
        alpha_optimizer=alpha_optimizer,
        validation_loss=state.validation_loss + value,
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


def reinforce_step(
    network: SearchNetwork,
    optimizer: optax.GradientTransformation,
    state: SearchState,
    batch: Batch,
    key: RandomKey,
    rate: float,
    architectures: int,
    loss: str = "mse",
    times: Float[Array, "group op"] | None = None,
    time_weight: float = 0.0,
) -> SearchState:
    """Move alphas by the losses of architectures on one batch; the weights stay.

    Alphas follow the logarithm of each frame's squared error, of which differences
    between architectures are small beside those between frames: so all architectures
    see the same frames and masks.

    Args:
        network: the search network.
        optimizer: optimizer of alphas.
        state: state before the step.
        batch: frames of S_val.
        key: key of the draws.
        rate: learning rate of alphas.
        architectures: number of architectures that are drawn, at least two.
        loss: key of `LOSSES`; the loss that the log shows, and not alphas'.
        times: times whose sum over groups is that of an architecture; None without.
        time_weight: what ln(time) counts beside ln(squared error).
    """
    groups = jnp.array(network.cell_groups)
    drawn = draw_architectures(key, state.alphas, architectures)

    def losses_of(choices: Int[Array, " group"]) -> tuple[Array, Array]:
        cells = choices[groups]  # cells of a group share their choice
        path = cells.reshape(network.components, network.cells_per_block)
        active = take_active(state.weights, path)
        image = image_of_active(network, active, batch, cells)
        errors = loss_against_target(image, batch, LOSSES["log_mse"])
        return errors, loss_against_target(image, batch, LOSSES[loss])

    # One after another, so that the memory is that of one path.
    errors, shown = mean_over_devices(jax.lax.map(losses_of, drawn))
    if times is not None:
        errors = errors + time_weight * log_relative_time(times, drawn)
    gradient = leave_one_out_gradient(drawn, errors, state.alphas.shape[-1])
    direction, alpha_optimizer = optimizer.update(
        gradient, state.alpha_optimizer, state.alphas
    )
    return state._replace(
        alphas=descend(state.alphas, direction, jnp.float32(rate)),
        alpha_optimizer=alpha_optimizer,
        validation_loss=state.validation_loss + shown.mean(),
    )
