"""`operations.json`: the candidate operations that a run was begun with.

A run that was begun with others than the package has now can be read, but it cannot be
searched further.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from emrnas_jax.errors import InputError
from emrnas_jax.machine.files import write_json
from emrnas_jax.nas.operation_tables import (
    changes,
    in_words,
    operations_record,
    read_operations,
    unnamed_operations,
)
from emrnas_jax.nas.space import OPERATIONS, TABLE_1, Operation
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.architecture import read_architecture

RUN_FILE = "operations.json"


def write_operations_of_run(run: Path) -> None:
    """Write the operations that a run begins with."""
    write_json(run / RUN_FILE, operations_record(OPERATIONS))


def operations_of_run(run: Path) -> tuple[Operation, ...]:
    """Return the operations that a run was begun with, or `OPERATIONS` if it was not.

    A run of an older version does not name them. It counts them in the log of a search,
    and had those of Table 1 if nothing was searched.

    Raises:
        InputError: the file is damaged.
    """
    if not (run / "folds.json").exists():
        return OPERATIONS
    path = run / RUN_FILE
    if path.exists():
        try:
            return read_operations(json.loads(path.read_text()))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path} is damaged ({error}); use a new --workdir"
            ) from error
    for log in sorted(run.glob("fold_*/search*/metrics.jsonl")):
        for row in metrics_log.read(log):
            if row.get("path_counts"):
                return unnamed_operations(len(row["path_counts"][0]))
    return TABLE_1


def refuse_other_operations(
    folders: Sequence[Path], run: Path, begun_with: tuple[Operation, ...]
) -> None:
    """Check, before anything is done, that the searches of a run can end as one.

    Args:
        folders: of the searches of all folds, finished or not.
        run: the run's folder.
        begun_with: the operations that the run was begun with.

    Raises:
        InputError: a search is left to do and would be among other operations, or the
            finished searches were among different ones.
    """
    finished = [f for f in folders if (f / "architecture.json").exists()]
    among = {
        folder: read_architecture(folder / "architecture.json")[0].operations
        for folder in finished
    }
    if len(finished) < len(folders):
        for place, operations in {**among, run: begun_with}.items():
            if operations != OPERATIONS:
                did = "begun with" if place == run else "searched among"
                raise InputError(
                    f"{place} was {did} {in_words(operations)}, and there are "
                    f"{len(OPERATIONS)} now: {changes(operations, OPERATIONS)}; use a "
                    "new --workdir"
                )
    refuse_mixed_operations(among)


def refuse_mixed_operations(among: dict[Path, tuple[Operation, ...]]) -> None:
    """Check that the folds were searched among the same operations.

    Args:
        among: the operations of each fold's search, by its folder.

    Raises:
        InputError: they were not.
    """
    first = next(iter(among), None)
    for folder, operations in among.items():
        if first is not None and operations != among[first]:
            raise InputError(
                f"{first} was searched among {in_words(among[first])}, and {folder} "
                f"among {len(operations)}: {changes(among[first], operations)}; use a "
                "new --workdir"
            )
