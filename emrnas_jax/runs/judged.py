"""`candidates.jsonl`: the candidates that a fold's search has judged, and their losses.

One JSON object per line, in the order in which they were judged.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emrnas_jax.errors import InputError
from emrnas_jax.nas.space import Architecture, Operation
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.folder import SearchFolder

# Candidates with their losses, in the order in which they were judged.
Judged = dict[Architecture, float]


def append_judged(
    path: Path, number: int, architecture: Architecture, loss: float
) -> None:
    """Append one candidate, counted from 1."""
    row = {"step": number, "architecture": str(architecture), "validation_loss": loss}
    metrics_log.append(path, row)


def read_judged(path: Path, operations: tuple[Operation, ...]) -> Judged:
    """Return all candidates of a fold with their losses; none if the file is missing.

    Raises:
        InputError: a line cannot be read.
    """
    judged = {}
    for number, row in enumerate(metrics_log.read(path), 1):
        try:
            architecture = Architecture.parse(row["architecture"], operations)
            judged[architecture] = float(row["validation_loss"])
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path}, line {number}: not a candidate with its loss ({error}); "
                "delete the line"
            ) from error
    return judged


def logarithms(judged: Judged, loss: str) -> Judged:
    """Return the natural logarithms of the squared errors that losses stand for.

    Args:
        judged: candidates with their losses.
        loss: key of `training.loss.LOSSES`; one of them is a logarithm already.
    """
    if loss != "mse":
        return judged
    return {own: float(np.log(value)) for own, value in judged.items()}


def common_losses(
    folders: Sequence[Path], operations: tuple[Operation, ...], loss: str
) -> Judged:
    """Return the loss of each candidate that all folds have judged, over all folds.

    It is the mean logarithm of the folds' losses: a fold whose subjects are hard to
    reconstruct counts no more than another. Folds draw the same candidates; a fold with
    fewer steps judges the first of them.

    Args:
        folders: folders of the folds' searches.
        operations: candidates of every cell.
        loss: loss that was judged by, a key of `training.loss.LOSSES`.

    Returns:
        natural logarithm of the squared error by candidate.

    Raises:
        InputError: the folds have no candidate in common.
    """
    return _common(folders, _by_fold(folders, operations, loss))


def all_losses(
    folders: Sequence[Path], operations: tuple[Operation, ...], loss: str
) -> Judged:
    """Return the loss of each candidate that any fold has judged, over all folds.

    Folds choose candidates of their own after the first round. How hard a fold's
    subjects are is known from the candidates that all folds have judged. What one fold
    alone has judged is less certain than these, and counts as much.

    Args:
        folders: folders of the folds' searches.
        operations: candidates of every cell.
        loss: loss that was judged by, a key of `training.loss.LOSSES`.

    Returns:
        natural logarithm of the squared error by candidate, first of those that all
        folds have judged.

    Raises:
        InputError: the folds have no candidate in common.
    """
    folds = _by_fold(folders, operations, loss)
    common = _common(folders, folds)
    found = {candidate: [mean] for candidate, mean in common.items()}
    for judged in folds:
        offset = float(np.mean([judged[own] - mean for own, mean in common.items()]))
        for candidate, own in judged.items():
            if candidate not in common:
                found.setdefault(candidate, []).append(own - offset)
    return {candidate: float(np.mean(own)) for candidate, own in found.items()}


def _by_fold(
    folders: Sequence[Path], operations: tuple[Operation, ...], loss: str
) -> list[Judged]:
    logs = [SearchFolder(folder).candidates for folder in folders]
    return [logarithms(read_judged(log, operations), loss) for log in logs]


def _common(folders: Sequence[Path], folds: Sequence[Judged]) -> Judged:
    first, *others = folds
    common = [own for own in first if all(own in judged for judged in others)]
    if not common:
        raise InputError(
            f"{SearchFolder(folders[0]).candidates} and those of the other folds have "
            "no architecture in common; run --stage=search again"
        )
    return {own: float(np.mean([judged[own] for judged in folds])) for own in common}
