"""`architecture.json`: an architecture, its candidates and, if searched, their p.

A run keeps the operations that it was begun with, names, dilations and connections, so
that it can be read when the package has others. It cannot be searched further then.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from msgspec import Struct

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json
from emrnas_jax.nas.operation_tables import completed_operations, unnamed_operations
from emrnas_jax.nas.space import OPERATIONS, Architecture, Operation

WAY_OUT = "delete it and run --stage=search again"


class _File(Struct, frozen=True, kw_only=True, omit_defaults=True):
    architecture: str
    operations: tuple[Operation, ...] | None = None  # missing in older files
    probabilities: list[list[float]] | None = None


def write_architecture(
    path: Path,
    architecture: Architecture,
    probabilities: Float[np.ndarray, "cell op"] | None = None,
) -> None:
    """Write an architecture, its candidates and, if searched, p, whole or not at all.

    Args:
        path: the file.
        architecture: the choice of every cell.
        probabilities: p of the candidates of each cell, in [0, 1] with sum 1.
    """
    # As 64-bit floats, whose text gives every bit of a 32-bit float back.
    p = None if probabilities is None else np.asarray(probabilities, float).tolist()
    file = _File(
        architecture=str(architecture),
        operations=architecture.operations,
        probabilities=p,
    )
    write_json(path, file)


def read_architecture(
    path: Path,
) -> tuple[Architecture, Float[np.ndarray, "cell op"] | None]:
    """Read what `write_architecture` wrote: the architecture, and p or None.

    The candidates are those that the file names. A file of an older version names none;
    then they are O1, O2, ... of Table 1, as many as p has columns.

    Raises:
        InputError: the file is missing or is not an architecture.
    """
    file = read_json(path, _File, WAY_OUT)
    try:
        p = None if file.probabilities is None else np.asarray(file.probabilities)
        architecture = Architecture.parse(file.architecture, _candidates(file))
        # Else a choice would be read from the column of another operation.
        expected = (len(architecture.cells), len(architecture.operations))
        if p is not None and p.shape != expected:
            raise InputError(f"probabilities of shape {p.shape}, expected {expected}")
    except ValueError as error:  # InputError is one, and NumPy's of uneven rows
        raise InputError(f"{path}: damaged ({error}); {WAY_OUT}") from error
    return architecture, p


def _candidates(file: _File) -> tuple[Operation, ...]:
    if file.operations is not None:
        return completed_operations(file.operations)
    if file.probabilities:
        return unnamed_operations(len(file.probabilities[0]))
    return OPERATIONS
