"""Algorithm 1 in one fold: warm up the weights, then search, then read the choices."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from emrnas_jax.data.pipeline import RandomKey
from emrnas_jax.data.split import Split
from emrnas_jax.machine.devices import replicate
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.nas.latency_table import LatencyTable
from emrnas_jax.nas.space import Architecture
from emrnas_jax.randomness import key_for
from emrnas_jax.runs.architecture import write_architecture
from emrnas_jax.runs.folder import SearchFolder
from emrnas_jax.runs.judged import logarithms
from emrnas_jax.training.candidates import candidates_of, steps_of_each
from emrnas_jax.training.front_search import front_of, rounds_of_candidates
from emrnas_jax.training.loop import LoopSettings, TerminationRequest, Training, run
from emrnas_jax.training.random_search import (
    certain,
    judge_candidates,
    validation_loss,
)
from emrnas_jax.training.search_programs import SearchPrograms
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_state import (
    SearchState,
    epoch_record,
    identity,
    initial_state,
    probabilities,
)
from emrnas_jax.training.short_trainings import train_one


def search_fold(
    name: str,
    folder: Path,
    network: SearchNetwork,
    programs: SearchPrograms,
    settings: SearchSettings,
    train: Split,
    validation: Split,
    seed: int,
    fold: int,
    loop: LoopSettings,
    termination: TerminationRequest | None = None,
    table: LatencyTable | None = None,
) -> tuple[Architecture, Float[np.ndarray, "cell op"]]:
    """Search one fold, from its newest checkpoint if it was stopped.

    Args:
        name: name of the search in progress bars and lines.
        folder: folder of the fold's search; gets `architecture.json`, written last.
        network: the network that is searched.
        programs: programs of `search_programs`, for the devices of the splits.
        settings: settings of the search.
        train: S_train, whose frames the weights see.
        validation: S_val, whose frames the alphas or the candidates see.
        seed: the run's seed.
        fold: number of the fold, which decides its weights and paths.
        loop: number of steps of a call, and seconds between checkpoints.
        termination: request to stop; signals to this process unless given.
        table: time of every operation, where the settings need times.

    Returns:
        the most probable architecture, and p. Methods that judge candidates return
        their choice, whose operations have p = 1.

    Raises:
        DivergedError: the loss or a weight is not finite.
        SystemExit: the search was asked to stop, and its state was saved.
    """
    # Paths and weights have keys of their own, which differ between folds.
    training = _training(
        name,
        folder,
        network,
        programs,
        settings,
        train,
        validation,
        key_for(seed, "paths", fold),
    )
    state = initial_state(network, settings, key_for(seed, "search weights", fold))
    state = replicate(state, train.mesh)
    if not settings.trains_candidates:
        state = run(training, state, loop, termination)
    if settings.moves_alphas:
        p = probabilities(network, state)
        architecture = Architecture.from_cells(
            p.argmax(-1).tolist(), network.cells_per_block, network.operations
        )
    else:
        # The steps of alphas that were left out pay for the candidates.
        saved = settings.search_epochs * train.steps_per_epoch
        steps = training.steps if settings.trains_candidates else saved
        given = programs, state, train, validation, loop, termination
        architecture = _best_of_candidates(
            name,
            folder,
            network,
            settings,
            steps,
            validation.steps_per_epoch,
            seed,
            partial(_loss_of, *given),
            termination,
            table,
        )
        p = certain(architecture)
    # Written last: a fold that has this file is finished.
    write_architecture(SearchFolder(folder).architecture, architecture, p)
    return architecture, p


def _training(
    name: str,
    folder: Path,
    network: SearchNetwork,
    programs: SearchPrograms,
    settings: SearchSettings,
    train: Split,
    validation: Split,
    key: RandomKey,
) -> Training:
    """Return the steps of both phases as one training of the loop."""
    warmup_steps = settings.warmup_epochs * train.steps_per_epoch
    per_epoch = jnp.array(train.steps_per_epoch)

    def run_steps(state: SearchState, step: int, count: int) -> SearchState:
        # A phase ends with an epoch, so no call has steps of both.
        searching = step >= warmup_steps
        frames = train.frames(step, count)
        # The warm-up takes no validation frames, but the argument has to be there.
        validated = (
            validation.frames_beside(train, warmup_steps, step, count)
            if searching
            else frames
        )
        program = programs.search if searching else programs.warm_up
        return program(state, frames, validated, per_epoch, key, jnp.array(count))

    return Training(
        name=name,
        folder=folder,
        identity=identity(network, settings),
        steps=(settings.warmup_epochs + settings.search_epochs) * train.steps_per_epoch,
        steps_per_epoch=train.steps_per_epoch,
        run_steps=run_steps,
        sums=("train_loss", "validation_loss", "path_counts"),
        epoch_record=partial(
            epoch_record,
            network,
            settings=settings,
        ),
        at_once=partial(validation.at_once_beside, train),
    )


def _best_of_candidates(
    name: str,
    folder: Path,
    network: SearchNetwork,
    settings: SearchSettings,
    steps: int,
    validation_steps: int,
    seed: int,
    loss_of: Callable[[int, int, Architecture], float],
    termination: TerminationRequest | None,
    table: LatencyTable | None,
) -> Architecture:
    """Return what a search chooses by its candidates, which may cost some steps."""
    own = network, settings, steps, validation_steps, seed
    candidates, batches = candidates_of(*own, table)
    trains = settings.trains_candidates
    length = steps_of_each(settings, steps) if trains else 0
    judged = judge_candidates(
        name,
        folder,
        network,
        len(candidates),
        rounds_of_candidates(candidates, network, settings, table),
        partial(loss_of, length, batches),
        termination,
        "training and judging" if trains else "judging",
    )
    if not settings.makes_front:
        return min(judged, key=judged.__getitem__)
    assert table is not None  # the settings need times
    losses = logarithms(judged, settings.loss)
    front = front_of(losses, network, settings, table)
    return Architecture.parse(front.chosen, network.operations)


def _loss_of(
    programs: SearchPrograms,
    state: SearchState,
    train: Split,
    validation: Split,
    loop: LoopSettings,
    termination: TerminationRequest | None,
    steps: int,
    batches: int,
    candidate: Architecture,
) -> float:
    """Return the loss of a candidate, after steps of its own if there are any."""
    own = candidate, steps, train, loop, termination
    judged = train_one(programs.alone, state, *own) if steps else state
    dispatched = loop.steps_per_dispatch, batches
    return validation_loss(
        programs.validate, judged.weights, candidate, validation, *dispatched
    )
