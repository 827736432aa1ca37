"""Training curves of a run, from the rows of its `metrics.jsonl` files.

One value per epoch, in the order of the lines. What a row does not have is NaN.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from emrnas_jax.errors import InputError


@dataclass(frozen=True)
class Search:
    """The search of one fold; warm-up epochs have no validation loss and no p.

    `entropy` is the mean over cells of the entropy of p, in nats. The last two arrays
    hold the epochs of the search phase only, and p [epoch, cell, operation] of each.
    """

    epoch: Int[np.ndarray, " epoch"]
    train_loss: Float[np.ndarray, " epoch"]
    validation_loss: Float[np.ndarray, " epoch"]
    entropy: Float[np.ndarray, " epoch"]
    search_epoch: Int[np.ndarray, " search_epoch"]
    probabilities: Float[np.ndarray, "search_epoch cell operation"]

    @classmethod
    def from_rows(cls, rows: list[dict[str, Any]], path: Path) -> "Search":
        """Take the curves from `rows`, the lines of the file at `path`.

        Raises:
            InputError: a line lacks its epoch or holds something that is no number.
        """
        epoch = _epochs(rows, path)
        searching = np.asarray(["probabilities" in row for row in rows], bool)
        return cls(
            epoch=epoch,
            train_loss=_column(rows, "train_loss", path),
            validation_loss=_column(rows, "validation_loss", path),
            entropy=_column(rows, "entropy", path),
            search_epoch=epoch[searching],
            probabilities=_probabilities(rows, path),
        )


@dataclass(frozen=True)
class Retraining:
    """The training of one network in one fold; PSNR is on training batches, in dB."""

    epoch: Int[np.ndarray, " epoch"]
    train_loss: Float[np.ndarray, " epoch"]
    train_psnr_db: Float[np.ndarray, " epoch"]

    @classmethod
    def from_rows(cls, rows: list[dict[str, Any]], path: Path) -> "Retraining":
        """Take the curves from `rows`, the lines of the file at `path`.

        Raises:
            InputError: a line lacks its epoch or holds something that is no number.
        """
        return cls(
            epoch=_epochs(rows, path),
            train_loss=_column(rows, "train_loss", path),
            train_psnr_db=_column(rows, "train_psnr_db", path),
        )


def _epochs(rows: list[dict[str, Any]], path: Path) -> Int[np.ndarray, " epoch"]:
    for line, row in enumerate(rows, start=1):
        epoch = row.get("epoch")
        if not isinstance(epoch, int) or isinstance(epoch, bool):
            raise InputError(
                f"{path}, line {line}: epoch is {epoch!r}, expected a whole number; "
                "remove the line"
            )
    return np.asarray([row["epoch"] for row in rows], np.int64)


def _column(
    rows: list[dict[str, Any]], name: str, path: Path
) -> Float[np.ndarray, " epoch"]:
    values = []
    for line, row in enumerate(rows, start=1):
        value = row.get(name)
        if value is None:
            value = np.nan
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise InputError(
                f"{path}, line {line}: {name} is {value!r}, expected a number; "
                "remove the line"
            )
        values.append(float(value))
    return np.asarray(values, np.float64)


def _probabilities(
    rows: list[dict[str, Any]], path: Path
) -> Float[np.ndarray, "search_epoch cell operation"]:
    tables = []
    for line, row in enumerate(rows, start=1):
        if "probabilities" not in row:
            continue
        try:
            tables.append(np.asarray(row["probabilities"], np.float64))
        except (TypeError, ValueError):
            tables.append(np.empty(0))
        if tables[-1].ndim != 2 or tables[-1].shape != tables[0].shape:
            raise InputError(
                f"{path}, line {line}: probabilities are not a table of numbers as in "
                "the lines before; delete the file and run --stage=search again"
            )
    return np.stack(tables) if tables else np.empty((0, 0, 0))
