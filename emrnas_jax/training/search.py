"""Algorithm 1: warm up the weights, then alternate steps of weights and of alphas."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from emrnas_jax.data.pipeline import (
    Chunk,
    RandomKey,
    Resident,
    Split,
    fixed_mask_key,
    frame_specs,
    frames_of_step,
    make_batch,
    training_mask_key,
)
from emrnas_jax.machine.devices import SHARED, mesh_for, on_every_device, replicate
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.gates import GATE_RULES
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.randomness import key_for
from emrnas_jax.runs.architecture import write_architecture
from emrnas_jax.runs.folder import SearchFolder
from emrnas_jax.training.loop import LoopSettings, TerminationRequest, Training, run
from emrnas_jax.training.loss import jit
from emrnas_jax.training.optimizers import (
    cosine,
)
from emrnas_jax.training.random_search import (
    Validate,
    best_candidate,
    certain,
    draw_candidates,
    make_validate,
    validation_loss,
)
from emrnas_jax.training.search_state import (
    SearchState,
    identity,
    initial_state,
    log_row,
    optimizers,
    probabilities,
)
from emrnas_jax.training.search_steps import architecture_step, weight_step
from emrnas_jax.training.settings import SearchSettings, require_paths

Dispatch = Callable[..., SearchState]


class Dispatches(NamedTuple):
    """The compiled programs of a search; see `make_dispatches`."""

    warm_up: Dispatch
    search: Dispatch
    validate: Validate


def make_dispatches(
    network: SearchNetwork,
    settings: SearchSettings,
    sampling: Sampling,
    seed: int,
    mesh: Mesh | None = None,
) -> Dispatches:
    """Compile-ready dispatches of the warm-up, the search and the candidates.

    The first two take (state, training frames, validation frames, steps per epoch of
    both, key of the paths, count) and run `count` steps, on the devices of `mesh`: as
    many as divide the batch unless given. The third is that of `make_validate`.

    Raises:
        InputError: a step of alphas cannot have that many paths.
    """
    require_paths(settings, len(OPERATIONS))
    mesh = mesh_for(settings.batch) if mesh is None else mesh
    weight_tx, alpha_tx = optimizers(settings)
    rows = jnp.array(network.choosing_rows)
    rule = settings.gate_rule

    def steps(
        searching: bool,
        state: SearchState,
        train: Resident | Chunk,
        validation: Resident | Chunk,
        steps_per_epoch: tuple[Int[Array, ""], Int[Array, ""]],
        key: RandomKey,
        count: Int[Array, ""],
    ) -> SearchState:
        own, other = steps_per_epoch
        warmup = settings.warmup_epochs * own

        def body(_: Int[Array, ""], state: SearchState) -> SearchState:
            step = state.step
            path_key, gate_key = jax.random.split(jax.random.fold_in(key, step))
            images, ids = frames_of_step(train, step, own, settings.batch)
            mask_key = training_mask_key(seed, step // own)
            batch = make_batch(images, ids, mask_key, sampling)
            draw = GATE_RULES[rule if searching else "uniform"]
            choices = draw(path_key, state.alphas)
            if searching:
                fraction = (step - warmup) / (settings.search_epochs * own)
            else:
                fraction = step / warmup
            rate = cosine(settings.learning_rate, fraction)
            state = weight_step(network, weight_tx, state, batch, choices[rows], rate)
            if not searching or rule == "uniform":
                return state
            images, ids = frames_of_step(
                validation, step - warmup, other, settings.batch
            )
            batch = make_batch(images, ids, fixed_mask_key(seed), sampling)
            return architecture_step(
                network,
                alpha_tx,
                state,
                batch,
                gate_key,
                settings.alpha_learning_rate,
                settings.paths_per_cell,
                rule,
            )

        return jax.lax.fori_loop(0, count, body, state)

    def dispatch(
        searching: bool,
        state: SearchState,
        train: Resident | Chunk,
        validation: Resident | Chunk,
        *rest: Any,
    ) -> SearchState:
        frames = (frame_specs(train), frame_specs(validation))
        specs = (SHARED, *frames, *[SHARED] * len(rest))
        run = on_every_device(partial(steps, searching), mesh, specs, SHARED)
        return run(state, train, validation, *rest)

    warm_up = jit(partial(dispatch, False), donate_argnums=0)
    search = jit(partial(dispatch, True), donate_argnums=0)
    validate = make_validate(network, settings.batch, sampling, seed, mesh)
    return Dispatches(warm_up, search, validate)


def search_fold(
    name: str,
    folder: Path,
    network: SearchNetwork,
    dispatches: Dispatches,
    settings: SearchSettings,
    train: Split,
    validation: Split,
    seed: int,
    fold: int,
    loop: LoopSettings,
    termination: TerminationRequest | None = None,
) -> tuple[Architecture, Float[np.ndarray, "cell op"]]:
    """Search one fold; continue if it was stopped. Writes `architecture.json`.

    `dispatches` and splits are of the same devices; `termination` is that of `run`.

    Returns:
        the most probable architecture, and p: of random search the best candidate, one
        operation of each cell with p = 1.
    """
    warmup_steps = settings.warmup_epochs * train.steps_per_epoch
    key = key_for(seed, "paths", fold)
    counts = (jnp.array(train.steps_per_epoch), jnp.array(validation.steps_per_epoch))

    def dispatch(state: SearchState, step: int, count: int) -> SearchState:
        searching = step >= warmup_steps
        frames = train.frames(step, count)
        validated = (
            validation.frames(step - warmup_steps, count) if searching else frames
        )
        program = dispatches.search if searching else dispatches.warm_up
        return program(state, frames, validated, counts, key, jnp.array(count))

    def row(state: SearchState, epoch: int) -> dict:
        return log_row(network, state, epoch, settings, train.steps_per_epoch)

    training = Training(
        name=name,
        folder=folder,
        identity=identity(network, settings),
        steps=(settings.warmup_epochs + settings.search_epochs) * train.steps_per_epoch,
        steps_per_epoch=train.steps_per_epoch,
        dispatch=dispatch,
        sums=("train_loss", "validation_loss", "path_counts"),
        row=row,
    )
    state = initial_state(network, settings, key_for(seed, "search weights", fold))
    state = run(training, replicate(state, train.mesh), loop, termination)
    if settings.gate_rule == "uniform":
        architecture = best_candidate(
            name,
            folder,
            draw_candidates(
                network,
                settings.search_epochs * train.steps_per_epoch,
                validation.steps_per_epoch,
                seed,
            ),
            lambda candidate: validation_loss(
                dispatches.validate,
                state.weights,
                candidate,
                validation,
                loop.steps_per_dispatch,
            ),
            termination,
        )
        p = certain(architecture)
    else:
        p = probabilities(network, state)
        architecture = Architecture.from_cells(
            p.argmax(-1).tolist(), network.cells_per_block
        )
    write_architecture(SearchFolder(folder).architecture, architecture, p)
    return architecture, p
