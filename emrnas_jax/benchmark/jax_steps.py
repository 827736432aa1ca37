"""The programs of this package that are measured, with the settings of a training.

Their counterparts in PyTorch are in `pytorch.steps`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from emrnas_jax.benchmark.case import (
    Case,
    batch_of,
    initial_state,
    initial_weights,
    network_of,
    search_network,
    search_state,
)
from emrnas_jax.benchmark.programs import Program, compiled, compiled_step
from emrnas_jax.training.loss import path_loss
from emrnas_jax.training.optimizers import adam_with_l2
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import train_step
from emrnas_jax.training.search_optimizers import search_weight_optimizer
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_steps import architecture_step, weight_step

RATE = 1e-3  # learning rate of every step that is timed


def reconstruction(case: Case) -> Program:
    """Compile the reconstruction of a batch; `run` returns the images."""
    network, data = network_of(case), batch_of(case)
    return compiled(
        lambda w, b: network.apply({"params": w}, b.zero_filled, b.measurement),
        initial_weights(case),
        data,
    )


def training_step(case: Case) -> Program:
    """Compile a training step of the fixed network, its optimizer included."""
    network, settings = network_of(case), RetrainSettings()
    optimizer = adam_with_l2(settings.weight_decay, settings.momentum)
    return compiled_step(
        lambda s, b, r: train_step(network, optimizer, s, b, r),
        initial_state(case),
        batch_of(case),
        jnp.array(RATE),
    )


def search_weight_step(case: Case) -> Program:
    """Compile a search's step of the weights; `run` takes the path's choices."""
    network, settings = search_network(case), SearchSettings(batch=case.batch)
    optimizer = search_weight_optimizer(settings.weight_decay, settings.momentum)
    return compiled_step(
        lambda s, b, r, c: weight_step(network, optimizer, s, b, c, r),
        search_state(case),
        batch_of(case),
        jnp.array(RATE),
        # An argument of the program, so that another path needs no compilation.
        jnp.array(case.architecture.cells),
    )


def search_alpha_step(case: Case) -> Program:
    """Compile a search's step of alphas; `run` takes the key of the gates."""
    network, settings = search_network(case), SearchSettings(batch=case.batch)
    optimizer = adam_with_l2(settings.alpha_weight_decay, settings.alpha_momentum)
    return compiled_step(
        lambda s, b, k: architecture_step(
            network, optimizer, s, b, k, RATE, case.paths, "sample"
        ),
        search_state(case),
        batch_of(case),
        jax.random.key(1),
    )


def candidate_pass(case: Case) -> Program:
    """Compile the loss of one candidate of a random search on a batch."""
    network = search_network(case)
    return compiled(
        lambda w, b, c: path_loss(network, w, b, c),
        search_state(case).weights,
        batch_of(case),
        jnp.array(case.architecture.cells),
    )


# Programs by the name of the command that measures them.
PROGRAMS: dict[str, Callable[[Case], Program]] = {
    "reconstruct": reconstruction,
    "train-step": training_step,
    "search-step": search_weight_step,
}
