"""Random search with shared weights: the control that a search has to beat.

The weights are trained on uniformly drawn paths to the end. Then candidates
(`training.candidates`) are judged by their loss on S_val with the shared weights and
the fixed masks of validation. All folds judge the same candidates, so that they can
vote. The search by the front (`training.front_search`) judges its own in the same way.

Source: Li & Talwalkar, Random Search and Reproducibility for Neural Architecture
Search, UAI 2019, section 3.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PyTree

from emrnas_jax.data.pipeline import (
    Chunk,
    Resident,
    fixed_mask_key,
    frame_specs,
    frames_of_step,
    make_batch,
)
from emrnas_jax.data.split import Split
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import SHARED, on_every_device
from emrnas_jax.machine.progress import counted, say_without_bars
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import Architecture
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.folder import SearchFolder
from emrnas_jax.runs.judged import Judged, append_judged, read_judged
from emrnas_jax.training.loop import TerminationRequest
from emrnas_jax.training.loss import jit, path_loss
from emrnas_jax.training.search_settings import SearchSettings

LOG = logging.getLogger("emrnas_jax")

Validate = Callable[..., Array]


def judge_candidates(
    name: str,
    folder: Path,
    network: SearchNetwork,
    count: int,
    next_candidates: Callable[[Judged], Sequence[Architecture]],
    loss_of: Callable[[Architecture], float],
    termination: TerminationRequest | None = None,
    task: str = "judging",
) -> Judged:
    """Return the losses of all candidates; continue where it was stopped.

    Args:
        name: name in the progress bar, or in lines where none is seen.
        folder: folder of `candidates.jsonl`.
        network: the network that is searched.
        count: number of candidates.
        next_candidates: function that returns the next candidates to judge, at least
            one, given those judged so far.
        loss_of: mean loss of an architecture on S_val.
        termination: request to stop; without it a signal ends the process as always.
        task: what is done with the candidates, for the line that says so.

    Raises:
        InputError: `candidates.jsonl` cannot be read.
        SystemExit: it was asked to stop.
    """
    path = SearchFolder(folder).candidates
    metrics_log.truncate(path, count)  # drops a line that a kill cut
    judged = read_judged(path, network.operations)
    left: list[Architecture] = []
    done = len(judged)
    if done:
        LOG.info("%s: %d of %d candidates were judged before", name, done, count)
    if done < count:
        say_without_bars("%s: %s %d candidates", name, task, count - done)
    numbers = range(done + 1, count + 1)
    for number in counted(numbers, count, f"{name} candidates", "judged", done):
        # Every judged candidate is in the log already: nothing has to be saved.
        if termination is not None and termination.requested:
            raise SystemExit(128 + int(termination.requested))
        left = left or _as_first_chooses(next_candidates(judged), network)
        candidate = left.pop(0)
        judged[candidate] = loss_of(candidate)
        # All processes have the same loss, and one of them writes it.
        if processes.is_first():
            # Without a training before it there is no folder yet.
            folder.mkdir(parents=True, exist_ok=True)
            append_judged(path, number, candidate, judged[candidate])
    return judged


def _as_first_chooses(
    candidates: Sequence[Architecture], network: SearchNetwork
) -> list[Architecture]:
    """Return the candidates of the first process, whose arithmetic may round apart."""
    cells = processes.as_first_has(np.array([own.cells for own in candidates]))
    among = network.cells_per_block, network.operations
    return [Architecture.from_cells(own, *among) for own in cells.tolist()]


def certain(architecture: Architecture) -> Float[np.ndarray, "cell op"]:
    """Return p of a choice without alternatives: 1 for the operation of each cell."""
    return np.eye(len(architecture.operations))[list(architecture.cells)]


def make_validate(
    network: SearchNetwork,
    settings: SearchSettings,
    sampling: Sampling,
    seed: int,
    mesh: Mesh,
    target_kind: TargetKind = TargetKind.COMBINED,
) -> Validate:
    """Return the program that `validation_loss` runs, to be compiled once."""

    def losses(
        weights: PyTree,
        choices: Int[Array, " cell"],
        frames: Resident | Chunk,
        first: Int[Array, ""],
        count: Int[Array, ""],
    ) -> Float[Array, ""]:
        def body(i: Int[Array, ""], total: Float[Array, ""]) -> Float[Array, ""]:
            # The frames of epoch 0, with the masks that they have in the evaluation.
            images, ids, _ = frames_of_step(frames, first + i, settings.batch)
            mask_key = fixed_mask_key(seed)
            own = make_batch(images, ids, mask_key, sampling, target_kind)
            return total + path_loss(network, weights, own, choices, settings.loss)

        return jax.lax.fori_loop(0, count, body, jnp.zeros(()))

    def validate(
        weights: PyTree, choices: Array, frames: Resident | Chunk, *rest: Array
    ) -> Array:
        specs = (SHARED, SHARED, frame_specs(frames), *[SHARED] * len(rest))
        run = on_every_device(losses, mesh, specs, SHARED)
        return run(weights, choices, frames, *rest)

    return jit(validate)


def validation_loss(
    validate: Validate,
    weights: PyTree,
    architecture: Architecture,
    validation: Split,
    steps_per_dispatch: int,
    batches: int,
) -> float:
    """Return the mean loss of an architecture on S_val with the shared weights.

    It is that of the first batches of one epoch: the same frames for every candidate.
    """
    steps, first, total = batches, 0, 0.0
    choices = jnp.array(architecture.cells, jnp.int32)
    while first < steps:
        count = validation.at_once(first, min(steps_per_dispatch, steps - first))
        frames = validation.frames(first, count)
        numbers = jnp.array(first), jnp.array(count)
        total += float(validate(weights, choices, frames, *numbers))
        first += count
    return total / steps
