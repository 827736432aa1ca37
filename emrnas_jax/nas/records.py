"""The search space in the files of a run: `architecture.json` and `operations.json`.

A run keeps the operations that it was begun with, names, dilations and connections, so
that it can be read when the package has others. It cannot be searched further then.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from emrnas_jax import runlog
from emrnas_jax.errors import InputError
from emrnas_jax.files import write_json
from emrnas_jax.nas.space import OPERATIONS, TABLE_1, Architecture, Operation

RUN_FILE = "operations.json"


def write_architecture(
    path: Path,
    architecture: Architecture,
    probabilities: Float[np.ndarray, "cell op"] | None = None,
) -> None:
    """Write an architecture, its candidates and, if searched, p as JSON, atomically."""
    record: dict = {
        "architecture": str(architecture),
        "operations": operations_record(architecture.operations),
    }
    if probabilities is not None:
        record["probabilities"] = np.asarray(probabilities, float).tolist()
    write_json(path, record)


def read_architecture(
    path: Path,
) -> tuple[Architecture, Float[np.ndarray, "cell op"] | None]:
    """Read what `write_architecture` wrote: the architecture and p (None if absent).

    The candidates are those that the file names. A file of an older version names none;
    then they are O1, O2, ... of Table 1, as many as p has columns.

    Raises:
        InputError: the file is missing or is not an architecture.
    """
    try:
        record = json.loads(path.read_text())
        p = record.get("probabilities")
        p = None if p is None else np.asarray(p, float)
        operations = OPERATIONS
        if "operations" in record:
            operations = read_operations(record["operations"])
        elif p is not None and p.ndim == 2:
            operations = unnamed_operations(p.shape[1])
        architecture = Architecture.parse(record["architecture"], operations)
        expected = (len(architecture.cells), len(operations))
        if p is not None and p.shape != expected:
            raise InputError(f"probabilities of shape {p.shape}, expected {expected}")
        return architecture, p
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: no readable architecture ({error}); delete it and run "
            "--stage=search again"
        ) from error


def operations_record(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    """Return operations as JSON holds them."""
    return [asdict(operation) for operation in operations]


def read_operations(records: list[dict[str, Any]]) -> tuple[Operation, ...]:
    """Return the operations of an `operations_record`.

    Raises:
        InputError: there is none, two have one name, or a value cannot be used.
        KeyError, TypeError: it is no such record.
    """
    operations = tuple(
        Operation(own["name"], tuple(own["dilations"]), tuple(own["connections"]))
        for own in records
    )
    names = [operation.name for operation in operations]
    if not names or len(set(names)) != len(names):
        raise InputError(f"expected operations of different names, found {names}")
    now = {operation.name: operation for operation in OPERATIONS}
    return tuple(own if own.dilations else now.get(own.name, own) for own in operations)


def unnamed_operations(count: int) -> tuple[Operation, ...]:
    """Return the operations of a file of an older version, which does not name them.

    Args:
        count: how many there were.
    """
    known = (*TABLE_1, *OPERATIONS[len(TABLE_1) :])[:count]
    more = range(len(known) + 1, count + 1)
    return (*known, *(Operation(f"O{number}", (), ()) for number in more))


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
        for row in runlog.read(log):
            if row.get("path_counts"):
                return unnamed_operations(len(row["path_counts"][0]))
    return TABLE_1


def with_newer(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Return a run's operations, followed by those of now that have other names."""
    names = {operation.name for operation in operations}
    return (*operations, *(own for own in OPERATIONS if own.name not in names))


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


def in_words(operations: Sequence[Operation]) -> str:
    """Return, for example, `8 operations O1..O8`."""
    names = [operation.name for operation in operations]
    numbered = names == [f"O{number}" for number in range(1, len(names) + 1)]
    text = f"{names[0]}..{names[-1]}" if numbered else ", ".join(names)
    return f"{len(names)} operations {text}"


def changes(old: Sequence[Operation], new: Sequence[Operation]) -> str:
    """Return how the second operations differ from the first, for a message."""
    before, after = ({own.name: own for own in table} for table in (old, new))
    found = [f"{name} is new" for name in after if name not in before]
    found += [f"{name} is gone" for name in before if name not in after]
    found += [
        f"{name} has {_form(after[name])}, not {_form(own)}"
        for name, own in before.items()
        if name in after and after[name] != own
    ]
    return "; ".join(found) or "they are in another order"


def _form(operation: Operation) -> str:
    dilations = "-".join(map(str, operation.dilations))
    return f"dilations {dilations}, connections {list(operation.connections)}"
