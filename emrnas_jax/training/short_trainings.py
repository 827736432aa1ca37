"""Candidates that are trained alone, each for an equal part of the search's steps.

Where operations share weights with the rest of a search network, small ones learn in
fewer visits and look better than they are. Trained alone, each candidate is what it is.
All begin with the same weights and see the same frames and masks, so that draws do not
tell them apart. One program trains them all, whatever their operations.

Source: Zhou et al., EcoNAS, CVPR 2020, compares what a shortened training says with a
whole one; the predictor that is fitted to them (`nas.quality`) is this package's own.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int

from emrnas_jax.data.pipeline import Chunk, Resident, frame_specs
from emrnas_jax.data.split import Split
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.data.varied_batches import varied_batch
from emrnas_jax.machine.devices import SHARED, on_every_device
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import Architecture
from emrnas_jax.training.loop import DivergedError, LoopSettings, TerminationRequest
from emrnas_jax.training.loss import jit
from emrnas_jax.training.optimizers import cosine
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_state import SearchState, optimizers
from emrnas_jax.training.search_steps import weight_step

Program = Callable[..., SearchState]


def training_of_one(
    network: SearchNetwork,
    settings: SearchSettings,
    sampling: Sampling,
    seed: int,
    mesh: Mesh,
    target_kind: TargetKind,
) -> Program:
    """Return the program that trains one architecture, compiled at its first call.

    It takes (state, training frames, operation of each cell, steps of the whole
    training, count), runs `count` steps, and gives up the state that it takes.

    Args:
        network: the network that is searched.
        settings: settings of the search.
        sampling: pattern from which masks are drawn.
        seed: the run's seed, which decides the masks.
        mesh: devices that share each batch.
        target_kind: kind of target, as in `make_batch`.
    """
    optimizer, _ = optimizers(network, settings)
    drawn = settings.batch, settings.augmentation, sampling, seed, target_kind

    def steps(
        state: SearchState,
        frames: Resident | Chunk,
        choices: Int[Array, " cell"],
        total: Int[Array, ""],
        count: Int[Array, ""],
    ) -> SearchState:
        def body(_: Int[Array, ""], state: SearchState) -> SearchState:
            batch = varied_batch(frames, state.step, *drawn)
            rate = cosine(settings.learning_rate, state.step / total)
            own = batch, choices, rate, settings.loss
            return weight_step(network, optimizer, state, *own)

        return jax.lax.fori_loop(0, count, body, state)

    def run(state: SearchState, frames: Resident | Chunk, *rest: Array) -> SearchState:
        specs = (SHARED, frame_specs(frames), *[SHARED] * len(rest))
        return on_every_device(steps, mesh, specs, SHARED)(state, frames, *rest)

    return jit(run, donate_argnums=0)


def train_one(
    program: Program,
    first: SearchState,
    architecture: Architecture,
    steps: int,
    train: Split,
    loop: LoopSettings,
    termination: TerminationRequest | None = None,
) -> SearchState:
    """Return the state after an architecture was trained alone.

    Nothing of it is saved: what a stop interrupts begins anew, and ends the same.

    Args:
        program: program of `training_of_one`, for the devices of the split.
        first: state at step 0, which stays as it is.
        architecture: what is trained.
        steps: number of steps.
        train: frames of the training.
        loop: number of steps of a call.
        termination: request to stop; without it a signal ends the process as always.

    Raises:
        DivergedError: the loss is not finite.
        SystemExit: it was asked to stop.
    """
    state, done = jax.tree.map(jnp.copy, first), 0
    choices = jnp.array(architecture.cells, jnp.int32)
    while done < steps:
        if termination is not None and termination.requested:
            raise SystemExit(128 + int(termination.requested))
        # A call ends with its epoch, whose frames are in an order of their own.
        left = train.steps_per_epoch - done % train.steps_per_epoch
        most = min(loop.steps_per_dispatch, left, steps - done)
        count = train.at_once(done, most)
        numbers = jnp.array(steps), jnp.array(count)
        state = program(state, train.frames(done, count), choices, *numbers)
        done += count
        if not np.isfinite(np.asarray(state.train_loss)):
            raise DivergedError(
                f"the loss of {architecture} is not finite in the first {done} of "
                f"{steps} steps; lower search.learning_rate, or check the data for "
                "values far above 1, and start in a new work folder"
            )
    return state
