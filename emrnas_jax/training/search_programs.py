"""The compiled programs of a search: each runs several steps in one call.

A program of a phase takes (state, training frames, validation frames, training steps
per epoch, key of the paths, count) and runs `count` steps on every device of its mesh.
It gives up the state that it takes: the new one has its memory. What a step does
follows from its number, the state and the keys, so steps may be grouped in any way.

Source: EMR-NAS, Algorithm 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from emrnas_jax.data.pipeline import (
    Batch,
    Chunk,
    RandomKey,
    Resident,
    frame_specs,
)
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.data.varied_batches import varied_batch
from emrnas_jax.machine.devices import SHARED, mesh_for, on_every_device
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.gates import GATE_RULES, draw_choices
from emrnas_jax.nas.space import absent_in
from emrnas_jax.training.loss import jit
from emrnas_jax.training.optimizers import cosine
from emrnas_jax.training.random_search import Validate, make_validate
from emrnas_jax.training.search_settings import SearchSettings, require_paths
from emrnas_jax.training.search_state import SearchState, optimizers
from emrnas_jax.training.search_steps import (
    architecture_step,
    reinforce_step,
    weight_step,
)
from emrnas_jax.training.short_trainings import Program, training_of_one


class SearchPrograms(NamedTuple):
    """The programs of a search, each compiled at its first call.

    Attributes:
        warm_up: steps of weights alone, on uniformly drawn paths.
        search: steps of weights and of alphas in turn.
        validate: loss of one architecture, for methods that judge candidates.
        alone: steps of one architecture, where candidates are trained alone.
    """

    warm_up: Program
    search: Program
    validate: Validate
    alone: Program


def search_programs(
    network: SearchNetwork,
    settings: SearchSettings,
    sampling: Sampling,
    seed: int,
    mesh: Mesh | None = None,
    target_kind: TargetKind = TargetKind.COMBINED,
    times: Float[np.ndarray, "group op"] | None = None,
) -> SearchPrograms:
    """Return the programs of a search, which folds may share.

    Args:
        network: the network that is searched.
        settings: settings of the search.
        sampling: pattern from which masks are drawn.
        seed: the run's seed, which decides the masks.
        mesh: devices that share each batch; as many as divide it unless given.
        target_kind: kind of target, as in `make_batch`.
        times: times whose sum over groups of cells is that of an architecture, where
            alphas follow times as well.

    Raises:
        InputError: a step of alphas cannot have that many paths.
    """
    require_paths(settings, len(network.operations))
    mesh = mesh_for(settings.batch) if mesh is None else mesh

    def program(searching: bool) -> Program:
        given = (network, settings, sampling, target_kind, seed, times, searching)
        steps = partial(_steps, *given)

        def run(
            state: SearchState,
            train: Resident | Chunk,
            validation: Resident | Chunk,
            *rest: Any,
        ) -> SearchState:
            frames = (frame_specs(train), frame_specs(validation))
            specs = (SHARED, *frames, *[SHARED] * len(rest))
            parts = on_every_device(steps, mesh, specs, SHARED)
            return parts(state, train, validation, *rest)

        # Donated: the new state takes the memory of the old one.
        return jit(run, donate_argnums=0)

    given = network, settings, sampling, seed, mesh, target_kind
    validate, alone = make_validate(*given), training_of_one(*given)
    # Two programs and not one that is told the phase: the warm-up computes no gradient
    # of alphas, and a search without a warm-up never compiles it.
    return SearchPrograms(program(False), program(True), validate, alone)


def _steps(
    network: SearchNetwork,
    settings: SearchSettings,
    sampling: Sampling,
    target_kind: TargetKind,
    seed: int,
    times: Float[np.ndarray, "group op"] | None,
    searching: bool,
    state: SearchState,
    train: Resident | Chunk,
    validation: Resident | Chunk,
    steps_per_epoch: Int[Array, ""],
    key: RandomKey,
    count: Int[Array, ""],
) -> SearchState:
    """Run `count` steps of one phase on this device's part of each batch."""
    weight_tx, alpha_tx = optimizers(network, settings)
    move_alphas = _step_of_alphas(network, settings, alpha_tx, times)
    groups = jnp.array(network.cell_groups)
    drawn = settings.batch, settings.augmentation, sampling, seed, target_kind

    def body(_: Int[Array, ""], state: SearchState) -> SearchState:
        step = state.step
        # From the number of the step: a continued search draws the same paths.
        path_key, gate_key = jax.random.split(jax.random.fold_in(key, step))
        batch = varied_batch(train, step, *drawn)
        absent = absent_in(network.operations)
        choices = _choices(settings, searching, key, path_key, state, absent)
        rate = _weight_rate(settings, searching, step, steps_per_epoch)
        # Cells of a group share their choice.
        own = batch, choices[groups], rate, settings.loss
        state = weight_step(network, weight_tx, state, *own)
        # Other methods spend what the steps of alphas cost on candidates.
        if not (searching and settings.moves_alphas):
            return state
        # S_val has fewer frames than S_train, so its epochs follow their own count;
        # its frames keep one mask each, unlike those of S_train.
        batch = varied_batch(validation, step, *drawn, has_fixed_masks=True)
        return move_alphas(state, batch, gate_key)

    return jax.lax.fori_loop(0, count, body, state)


def _step_of_alphas(
    network: SearchNetwork,
    settings: SearchSettings,
    optimizer: optax.GradientTransformation,
    times: Float[np.ndarray, "group op"] | None,
) -> Callable[[SearchState, Batch, RandomKey], SearchState]:
    """Return the step that moves alphas as the method does."""
    rate, loss = settings.alpha_learning_rate, settings.loss
    if settings.method == "reinforce":
        return partial(
            reinforce_step,
            network,
            optimizer,
            rate=rate,
            architectures=settings.architectures_per_step,
            loss=loss,
            times=None if times is None else jnp.asarray(times, jnp.float32),
            time_weight=settings.time_weight,
        )
    return partial(
        architecture_step,
        network,
        optimizer,
        rate=rate,
        paths_per_cell=settings.paths_per_cell,
        gate_rule=settings.gate_rule,
        loss=loss,
    )


def _choices(
    settings: SearchSettings,
    searching: bool,
    key: RandomKey,
    path_key: RandomKey,
    state: SearchState,
    absent: int | None,
) -> Int[Array, " group"]:
    """Draw the operation of each group of cells for a step of the weights.

    Args:
        settings: settings of the search.
        searching: whether the warm-up is over.
        key: key of the paths of all steps.
        path_key: key of the paths of this step.
        state: state before the step.
        absent: position of the operation that leaves its component out; None without.
    """
    if settings.method == "front":
        return draw_choices(path_key, state.alphas, absent, (key, state.step))
    if searching and settings.moves_alphas:
        return GATE_RULES[settings.gate_rule](path_key, state.alphas)
    return draw_choices(path_key, state.alphas, absent)


def _weight_rate(
    settings: SearchSettings,
    searching: bool,
    step: Int[Array, ""],
    steps_per_epoch: Int[Array, ""],
) -> Float[Array, ""]:
    """Return the learning rate of the weights: each phase has a cosine of its own."""
    warmup = settings.warmup_epochs * steps_per_epoch
    if searching:
        fraction = (step - warmup) / (settings.search_epochs * steps_per_epoch)
    else:
        fraction = step / warmup
    return cosine(settings.learning_rate, fraction)
