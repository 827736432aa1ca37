"""`operations.json`: the candidate operations that a run was begun with.

A run that was begun with others than the package has now can be read, but it cannot be
searched further.
"""

from collections.abc import Sequence
from pathlib import Path

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json
from emrnas_jax.nas.operation_tables import (
    changes,
    completed_operations,
    in_words,
    unnamed_operations,
)
from emrnas_jax.nas.space import OPERATIONS, TABLE_1, Operation
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.folder import RunFolder, SearchFolder

WAY_OUT = "use a new --workdir"


def write_operations(path: Path) -> None:
    """Write the operations that a run begins with."""
    write_json(path, OPERATIONS)


def operations_of_run(run: RunFolder) -> tuple[Operation, ...]:
    """Return the operations that a run was begun with, or `OPERATIONS` if it was not.

    A run of an older version does not name them. It counts them in the log of a search,
    and had those of Table 1 if nothing was searched.

    Raises:
        InputError: the file is damaged.
    """
    # The manifest of the folds is written last: without it nothing has begun.
    if not run.folds.exists():
        return OPERATIONS
    if run.operations.exists():
        found = read_json(run.operations, tuple[Operation, ...], WAY_OUT)
        try:
            return completed_operations(found)
        except InputError as error:
            raise InputError(
                f"{run.operations}: damaged ({error}); {WAY_OUT}"
            ) from error
    # Older runs name no operations, but count how often each was a cell's path.
    for log in run.search_logs():
        for row in metrics_log.read(log):
            if row.get("path_counts"):
                return unnamed_operations(len(row["path_counts"][0]))
    return TABLE_1


def refuse_other_operations(
    folders: Sequence[SearchFolder],
    run: RunFolder,
    begun_with: tuple[Operation, ...],
    now: tuple[Operation, ...],
) -> None:
    """Check, before anything is done, that the searches of a run can end as one.

    Args:
        folders: the searches of all folds, finished or not.
        run: the run's folder.
        begun_with: the operations that the run was begun with.
        now: those that the package has.

    Raises:
        InputError: a search is left to do and would be among other operations, or the
            finished searches were among different ones.
    """
    # A finished search names its candidates; one in progress has those of the run.
    among = {
        folder.path: read_architecture(folder.architecture)[0].operations
        for folder in folders
        if folder.architecture.exists()
    }
    if len(among) < len(folders):
        for path, operations in {**among, run.path: begun_with}.items():
            if operations != now:
                did = "begun with" if path == run.path else "searched among"
                raise InputError(
                    f"{path} was {did} {in_words(operations)}, and there are "
                    f"{len(now)} now: {changes(operations, now)}; "
                    f"{WAY_OUT}"
                )
    refuse_mixed_operations(among)


def refuse_mixed_operations(among: dict[Path, tuple[Operation, ...]]) -> None:
    """Check that the folds were searched among the same operations.

    Args:
        among: the operations of each fold's search, by the search's folder.

    Raises:
        InputError: two folds were searched among different operations.
    """
    # The ensemble adds the p of an operation over the folds, so its columns must agree.
    first = next(iter(among), None)
    for folder, operations in among.items():
        if first is not None and operations != among[first]:
            raise InputError(
                f"{first} was searched among {in_words(among[first])}, and {folder} "
                f"among {len(operations)}: {changes(among[first], operations)}; "
                f"{WAY_OUT}"
            )
