"""The search space in the files of a run: `architecture.json` and `operations.json`.

A run keeps the operations that it was begun with, names, dilations and connections, so
that it can be read when the package has others. It cannot be searched further then.
"""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float

from emrnas_jax.errors import InputError
from emrnas_jax.machine.files import write_json
from emrnas_jax.nas.operation_tables import (
    operations_record,
    read_operations,
    unnamed_operations,
)
from emrnas_jax.nas.space import OPERATIONS, Architecture


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
