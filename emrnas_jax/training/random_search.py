"""Random search with shared weights: the control that a search has to beat.

The weights are trained on uniformly drawn paths to the end. What the steps of alphas
would cost is spent on candidates instead: architectures drawn uniformly, each judged by
its loss on S_val with the shared weights and the fixed masks of validation. All folds
draw the same candidates from the seed, so that they can vote. The search by the front
(`training.front_search`) judges candidates in the same way.

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
from emrnas_jax.nas.gates import draw_choices
from emrnas_jax.nas.latency_table import LatencyTable
from emrnas_jax.nas.space import Architecture, absent_in
from emrnas_jax.randomness import key_for
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.folder import SearchFolder
from emrnas_jax.training.loop import TerminationRequest
from emrnas_jax.training.loss import jit, path_loss
from emrnas_jax.training.settings import FRONT_CANDIDATES, SearchSettings

LOG = logging.getLogger("emrnas_jax")

# Cost of a step of alphas with one path: the forward pass and the gradients of the
# maps; it needs none of the kernels. Measured: 1.7 to 2.0 forward passes (`python -m
# emrnas_jax.benchmark memory --size 128 --batch 4`, two CPU cores, 2026-11).
FORWARD_PASSES_PER_STEP = 2
ROUNDS = 32  # of draws, where candidates have to fit a budget of time

Validate = Callable[..., Array]


def best_candidate(
    name: str,
    folder: Path,
    candidates: Sequence[Architecture],
    loss_of: Callable[[Architecture], float],
    termination: TerminationRequest | None = None,
) -> Architecture:
    """Return the candidate of the lowest loss; continue where it was stopped.

    Args:
        name: name in the progress bar, or in lines where none is seen.
        folder: folder of `candidates.jsonl`.
        candidates: architectures to judge.
        loss_of: mean loss of an architecture on S_val.
        termination: request to stop; without it a signal ends the process as always.

    Raises:
        SystemExit: it was asked to stop.
    """
    path = SearchFolder(folder).candidates
    metrics_log.truncate(path, len(candidates))  # drops a line that a kill cut
    losses = [row["validation_loss"] for row in metrics_log.read(path)]
    left = candidates[len(losses) :]
    done = len(losses)
    _say_beginning(name, done, len(candidates))
    judged = counted(left, len(candidates), f"{name} candidates", "judged", done)
    for number, candidate in enumerate(judged, done + 1):
        # Every judged candidate is in the log already: nothing has to be saved.
        if termination is not None and termination.requested:
            raise SystemExit(128 + int(termination.requested))
        losses.append(loss_of(candidate))
        # All processes have the same loss, and one of them writes it.
        if processes.is_first():
            metrics_log.append(path, _row(number, candidate, losses[-1]))
    return candidates[int(np.argmin(losses))]


def _say_beginning(name: str, done: int, count: int) -> None:
    if done:
        LOG.info("%s: %d of %d candidates were judged before", name, done, count)
    if done < count:
        message = "%s: judging %d candidates on the validation frames"
        say_without_bars(message, name, count - done)


def _row(number: int, candidate: Architecture, loss: float) -> dict:
    return {
        "step": number,
        "architecture": str(candidate),
        "validation_loss": loss,
    }


def certain(architecture: Architecture) -> Float[np.ndarray, "cell op"]:
    """Return p of a choice without alternatives: 1 for the operation of each cell."""
    return np.eye(len(architecture.operations))[list(architecture.cells)]


def candidates_of(
    network: SearchNetwork,
    settings: SearchSettings,
    steps: int,
    validation_steps: int,
    seed: int,
    table: LatencyTable | None,
) -> tuple[list[Architecture], int]:
    """Return the candidates of a search, and on how many batches each is judged.

    Args:
        network: searched network.
        settings: settings of the search, whose method judges candidates.
        steps: number of steps of alphas that were saved, which pay for them.
        validation_steps: batches of S_val.
        seed: the run's seed.
        table: time of every operation, where the settings need times.

    Raises:
        InputError: no architecture that was drawn is fast enough.
    """
    if settings.method == "front":
        # Many on few batches: the predictor averages over all of them.
        count = settings.candidates or FRONT_CANDIDATES
        batches = min(validation_steps, paid_for(steps, count))
        return draw_candidates(network, count, seed), batches
    count = settings.candidates or paid_for(steps, validation_steps)
    if table is None:
        return draw_candidates(network, count, seed), validation_steps
    budget = settings.budget_ms
    found = draw_candidates(
        network, count, seed, lambda own: table.predict_ms(own) <= budget
    )
    if not found:
        raise InputError(
            f"search.budget_ms: none of {ROUNDS * count} random architectures takes at "
            f"most {budget:g} ms; allow more, or use search.method=front"
        )
    return found, validation_steps


def paid_for(steps: int, validation_steps: int) -> int:
    """Return how many candidates cost as much as steps of alphas, at least one.

    Args:
        steps: number of steps of alphas that were saved.
        validation_steps: number of batches on which each candidate is judged.
    """
    # A candidate costs a forward pass for each batch of validation.
    return max(1, FORWARD_PASSES_PER_STEP * steps // validation_steps)


def draw_candidates(
    network: SearchNetwork,
    count: int,
    seed: int,
    fits: Callable[[Architecture], bool] | None = None,
) -> list[Architecture]:
    """Draw architectures uniformly.

    A smaller number draws the first of a larger. Each is there once, however often it
    was drawn.

    Args:
        network: searched network, whose cells may share their choice.
        count: number of architectures to draw.
        seed: the run's seed.
        fits: whether an architecture is wanted; those that are not are drawn again, at
            most `ROUNDS` times as many in all. None wants every one.
    """
    drawn: list[Architecture] = []
    for turn in range(ROUNDS):
        every = _drawn(network, range(turn * count, (turn + 1) * count), seed)
        drawn += [own for own in every if fits is None or fits(own)]
        if len(drawn) >= count:
            break
    # A dict keeps the first of equal architectures, in the order of the draw.
    return list(dict.fromkeys(drawn[:count]))


def _drawn(network: SearchNetwork, numbers: range, seed: int) -> list[Architecture]:
    # The key has no fold: folds vote on candidates that all of them drew.
    key, groups = key_for(seed, "candidates"), np.array(network.cell_groups)
    undecided = jnp.zeros((len(set(groups.tolist())), len(network.operations)))
    # A key for each number, so that fewer candidates are the first of more.
    keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(jnp.array(numbers))
    absent = absent_in(network.operations)
    drawn = jax.vmap(lambda k: draw_choices(k, undecided, absent))(keys)
    cells = np.asarray(drawn)[:, groups].tolist()
    among = network.cells_per_block, network.operations
    return [Architecture.from_cells(own, *among) for own in cells]


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
    folds = [
        {row["architecture"]: row["validation_loss"] for row in metrics_log.read(log)}
        for log in logs
    ]
    common = [text for text in folds[0] if all(text in losses for losses in folds)]
    if not common:
        raise InputError(
            f"{logs[0]} and those of the other folds have no "
            "architecture in common; run --stage=search again"
        )
    # One of the losses is a logarithm already.
    logarithm = np.log if loss == "mse" else np.asarray
    return {
        text: float(np.mean([logarithm(losses[text]) for losses in folds]))
        for text in common
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
