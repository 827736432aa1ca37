"""Random search with shared weights: the control that a search has to beat.

The weights are trained on uniformly drawn paths to the end. Then candidates
(`training.candidates`) are judged by their loss on S_val with the shared weights and
the fixed masks of validation. All folds judge the same candidates, so that they can
vote. The search by the front (`training.front_search`) judges them in the same way.

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
from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import SHARED, on_every_device
from emrnas_jax.machine.progress import counted, say_without_bars
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import Architecture
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.folder import SearchFolder
from emrnas_jax.training.loop import TerminationRequest
from emrnas_jax.training.loss import jit, path_loss
from emrnas_jax.training.search_settings import SearchSettings

LOG = logging.getLogger("emrnas_jax")

LOSS = "validation_loss"  # its name in candidates.jsonl

Validate = Callable[..., Array]
# Candidates with their losses, in the order in which they were judged.
Judged = dict[Architecture, float]


def judge_candidates(
    name: str,
    folder: Path,
    network: SearchNetwork,
    count: int,
    next_candidates: Callable[[Judged], list[Architecture]],
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
        next_candidates: the ones to judge after some were judged, at least one.
        loss_of: mean loss of an architecture on S_val.
        termination: request to stop; without it a signal ends the process as always.
        task: what is done with a candidate, for the line that says so.

    Raises:
        SystemExit: it was asked to stop.
    """
    path = SearchFolder(folder).candidates
    metrics_log.truncate(path, count)  # drops a line that a kill cut
    judged = {
        Architecture.parse(row["architecture"], network.operations): row[LOSS]
        for row in metrics_log.read(path)
    }
    done, left = len(judged), []
    _say_beginning(name, task, done, count)
    numbers = range(done + 1, count + 1)
    for number in counted(numbers, count, f"{name} candidates", "judged", done):
        # Every judged candidate is in the log already: nothing has to be saved.
        if termination is not None and termination.requested:
            raise SystemExit(128 + int(termination.requested))
        left = left or next_candidates(judged)
        candidate = left.pop(0)
        judged[candidate] = loss_of(candidate)
        # All processes have the same loss, and one of them writes it.
        if processes.is_first():
            # Without a training before it there is no folder yet.
            folder.mkdir(parents=True, exist_ok=True)
            row = {"architecture": str(candidate), LOSS: judged[candidate]}
            metrics_log.append(path, {"step": number} | row)
    return judged


def _say_beginning(name: str, task: str, done: int, count: int) -> None:
    if done:
        LOG.info("%s: %d of %d candidates were judged before", name, done, count)
    if done < count:
        message = "%s: %s %d candidates on the validation frames"
        say_without_bars(message, name, task, count - done)


def certain(architecture: Architecture) -> Float[np.ndarray, "cell op"]:
    """Return p of a choice without alternatives: 1 for the operation of each cell."""
    return np.eye(len(architecture.operations))[list(architecture.cells)]


def common_losses(folders: Sequence[Path], loss: str) -> dict[str, float]:
    """Return the loss of each candidate that all folds have judged, over all folds.

    It is the mean logarithm of the folds' losses: a fold whose subjects are hard to
    reconstruct counts no more than another. Folds draw the same candidates; a fold with
    fewer steps judges the first of them.

    Args:
        folders: folders of the folds' searches.
        loss: loss that was judged by, a key of `training.loss.LOSSES`.

    Returns:
        natural logarithm of the squared error by the candidate's text.

    Raises:
        InputError: the folds have no candidate in common.
    """
    logs = [SearchFolder(folder).candidates for folder in folders]
    folds = [_logarithms(log, loss) for log in logs]
    common = [text for text in folds[0] if all(text in losses for losses in folds)]
    if not common:
        raise InputError(
            f"{logs[0]} and those of the other folds have no "
            "architecture in common; run --stage=search again"
        )
    return {text: float(np.mean([losses[text] for losses in folds])) for text in common}


def all_losses(folders: Sequence[Path], loss: str) -> dict[str, float]:
    """Return the loss of each candidate that any fold has judged, over all folds.

    Folds choose candidates of their own after the first round. How hard a fold's
    subjects are is known from the candidates that all folds have judged.

    Args, returned values and errors are those of `common_losses`, whose candidates come
    first.
    """
    common = common_losses(folders, loss)
    found: dict[str, list[float]] = {text: [own] for text, own in common.items()}
    for folder in folders:
        losses = _logarithms(SearchFolder(folder).candidates, loss)
        harder = np.mean([losses[text] - own for text, own in common.items()])
        for text, own in losses.items():
            if text not in common:
                found.setdefault(text, []).append(own - float(harder))
    return {text: float(np.mean(own)) for text, own in found.items()}


def _logarithms(log: Path, loss: str) -> dict[str, float]:
    # One of the losses is a logarithm already.
    logarithm = np.log if loss == "mse" else np.asarray
    return {
        row["architecture"]: float(logarithm(row[LOSS]))
        for row in metrics_log.read(log)
    }


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
