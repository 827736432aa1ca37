"""The state of a search: how it begins, what identifies it, and its line in the log."""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree

from emrnas_jax.data.pipeline import RandomKey
from emrnas_jax.models.networks import blank_inputs
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.nas.gates import entropy, fixed_gates
from emrnas_jax.training.optimizers import adam_with_l2, cosine
from emrnas_jax.training.search_optimizers import search_weight_optimizer
from emrnas_jax.training.search_settings import SearchSettings

# Fields of a Flax module, and how many operations it stores: no settings of a search.
NO_SETTINGS = ("parent", "name", "stored")


class SearchState(NamedTuple):
    """Everything a search changes.

    Attributes:
        weights: parameters of the search network.
        weight_optimizer: its state, moments and counts per operation and cell.
        alphas: architecture parameters of each cell, or of each group of cells that
            share their choice.
        alpha_optimizer: their state.
        step: weight steps done.
        train_loss: sum over this epoch's steps.
        validation_loss: sum over this epoch's steps of alphas.
        path_counts: number of this epoch's weight steps that ran each operation.
    """

    weights: PyTree
    weight_optimizer: PyTree
    alphas: Float[Array, "group op"]
    alpha_optimizer: PyTree
    step: Int[Array, ""]
    train_loss: Float[Array, ""]
    validation_loss: Float[Array, ""]
    path_counts: Int[Array, "cell op"]


def initial_state(
    network: SearchNetwork, settings: SearchSettings, key: RandomKey
) -> SearchState:
    """Return fresh weights, alphas of zero (p uniform) and their optimizers' states."""
    groups = network.cell_groups
    alphas = jnp.zeros((len(set(groups)), len(network.operations)))
    weights = _initial_weights(network, key)
    weight_tx, alpha_tx = optimizers(network, settings)
    return SearchState(
        weights=weights,
        weight_optimizer=jax.jit(weight_tx.init)(weights),
        alphas=alphas,
        alpha_optimizer=alpha_tx.init(alphas),
        # The types that a step returns: a weak type would compile it twice.
        step=jnp.zeros((), jnp.int32),
        train_loss=jnp.zeros(()),
        validation_loss=jnp.zeros(()),
        path_counts=jnp.zeros((len(groups), len(network.operations)), jnp.int32),
    )


@partial(jax.jit, static_argnums=0)
def _initial_weights(network: SearchNetwork, key: RandomKey) -> PyTree:
    cells = network.components * network.cells_per_block
    gates = fixed_gates(jnp.zeros(cells, jnp.int32))
    return network.init(key, *blank_inputs(), gates)["params"]


def optimizers(
    network: SearchNetwork,
    settings: SearchSettings,
) -> tuple[optax.GradientTransformationExtraArgs, optax.GradientTransformation]:
    """Return the optimizers of the weights and of the alphas."""
    decay, momentum = settings.alpha_weight_decay, settings.alpha_momentum
    if settings.method == "reinforce":
        # With momentum an operation would move by draws that it had no part in.
        # Source: ProxylessNAS's program, whose β₁ is 0 as well.
        decay, momentum = 0.0, 0.0
    weights = search_weight_optimizer(
        settings.weight_decay,
        settings.momentum,
        settings.optimizer,
        network.weight_shapes,
        settings.clip_norm,
    )
    return (
        weights,
        adam_with_l2(decay, momentum, settings.alpha_epsilon),
    )


def identity(network: SearchNetwork, settings: SearchSettings) -> dict:
    """Return the settings that a checkpoint must have to belong to this search."""
    own = {
        field.name: getattr(network, field.name)
        for field in dataclasses.fields(network)
        if field.name not in NO_SETTINGS
    }
    searched = dataclasses.asdict(settings)
    searched.pop("folds_in_parallel")  # changes no result
    return {"kind": "search", **searched, **own}


def probabilities(
    network: SearchNetwork, state: SearchState
) -> Float[np.ndarray, "cell op"]:
    """Return p of every cell."""
    return np.asarray(jax.nn.softmax(np.asarray(state.alphas)))[network.cell_groups]


def epoch_record(
    network: SearchNetwork,
    state: SearchState,
    epoch: int,
    steps_per_epoch: int,
    settings: SearchSettings,
) -> dict:
    """Return the log's record of a finished epoch."""
    searching = epoch > settings.warmup_epochs
    done = epoch - settings.warmup_epochs if searching else epoch
    phase = settings.search_epochs if searching else settings.warmup_epochs
    # The rate of the epoch's last step; each phase has a cosine of its own.
    fraction = (done * steps_per_epoch - 1) / (phase * steps_per_epoch)
    record = {
        "epoch": epoch,
        "phase": "search" if searching else "warm-up",
        "train_loss": float(state.train_loss) / steps_per_epoch,
        "learning_rate": float(cosine(settings.learning_rate, jnp.array(fraction))),
    }
    if searching:
        record["path_counts"] = np.asarray(state.path_counts).tolist()
    # A random search moves no alphas, so it has no p to log.
    if searching and settings.moves_alphas:
        record |= {
            "validation_loss": float(state.validation_loss) / steps_per_epoch,
            "entropy": float(entropy(jnp.asarray(np.asarray(state.alphas))).mean()),
            "probabilities": probabilities(network, state).tolist(),
        }
    return record
