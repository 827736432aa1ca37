"""Training curves of a run, from its `metrics.jsonl` files.

One value per epoch, in the order of the lines; NaN where a line has no such value.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from msgspec import Struct

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import checked
from emrnas_jax.runs import metrics_log


@dataclass(frozen=True)
class Search:
    """The search of one fold; warm-up epochs have no validation loss and no p.

    Attributes:
        epoch: number of each epoch.
        train_loss: mean loss of the weights' steps.
        validation_loss: mean loss of the alphas' steps.
        entropy: entropy of p in nats, the mean over cells.
        search_epoch: number of each epoch of the search phase.
        probabilities: p of those epochs, in [0, 1] with sum 1 in each cell.
    """

    epoch: Int[np.ndarray, " epoch"]
    train_loss: Float[np.ndarray, " epoch"]
    validation_loss: Float[np.ndarray, " epoch"]
    entropy: Float[np.ndarray, " epoch"]
    search_epoch: Int[np.ndarray, " search_epoch"]
    probabilities: Float[np.ndarray, "search_epoch cell operation"]


@dataclass(frozen=True)
class Retraining:
    """The training of one network in one fold.

    Attributes:
        epoch: number of each epoch.
        train_loss: mean loss of the steps.
        train_psnr_db: mean PSNR of the training batches, dB.
    """

    epoch: Int[np.ndarray, " epoch"]
    train_loss: Float[np.ndarray, " epoch"]
    train_psnr_db: Float[np.ndarray, " epoch"]


class _Epoch(Struct, frozen=True):
    """One line of a log; which values it has depends on the phase."""

    epoch: int
    train_loss: float | None = None
    train_psnr_db: float | None = None
    validation_loss: float | None = None
    entropy: float | None = None
    probabilities: list[list[float]] | None = None


def read_search(path: Path) -> Search:
    """Read the curves of a search from its log.

    Raises:
        InputError: a line is damaged, lacks its epoch or holds something that is no
            number.
    """
    epochs = _read_epochs(path)
    searching = [own for own in epochs if own.probabilities is not None]
    return Search(
        epoch=_numbers(epochs),
        train_loss=_column(epochs, "train_loss"),
        validation_loss=_column(epochs, "validation_loss"),
        entropy=_column(epochs, "entropy"),
        search_epoch=_numbers(searching),
        probabilities=_probabilities(epochs, path),
    )


def read_retraining(path: Path) -> Retraining:
    """Read the curves of a network's training from its log.

    Raises:
        InputError: a line is damaged, lacks its epoch or holds something that is no
            number.
    """
    epochs = _read_epochs(path)
    return Retraining(
        epoch=_numbers(epochs),
        train_loss=_column(epochs, "train_loss"),
        train_psnr_db=_column(epochs, "train_psnr_db"),
    )


def _read_epochs(path: Path) -> list[_Epoch]:
    return [
        checked(row, _Epoch, f"{path}, line {line}", "remove the line")
        for line, row in enumerate(metrics_log.read(path), start=1)
    ]


def _numbers(epochs: list[_Epoch]) -> Int[np.ndarray, " epoch"]:
    return np.asarray([own.epoch for own in epochs], np.int64)


def _column(epochs: list[_Epoch], name: str) -> Float[np.ndarray, " epoch"]:
    # NumPy makes NaN of None, which a figure leaves out.
    return np.asarray([getattr(own, name) for own in epochs], np.float64)


def _probabilities(
    epochs: list[_Epoch], path: Path
) -> Float[np.ndarray, "search_epoch cell operation"]:
    tables = []
    for line, own in enumerate(epochs, start=1):
        if own.probabilities is None:
            continue
        try:
            tables.append(np.asarray(own.probabilities, np.float64))
        except ValueError:  # rows of unequal lengths
            tables.append(np.empty(0))
        if tables[-1].ndim != 2 or tables[-1].shape != tables[0].shape:
            raise InputError(
                f"{path}, line {line}: probabilities are not a table of numbers as in "
                "the lines before; delete the file and run --stage=search again"
            )
    return np.stack(tables) if tables else np.empty((0, 0, 0))
