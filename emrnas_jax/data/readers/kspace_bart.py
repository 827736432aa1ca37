"""K-space of BART: `NAME.cfl`, complex64 in column-major order, and `NAME.hdr`.

The second line of the header has the sizes of up to 16 axes, of which BART uses READ,
PHS1 and PHS2 for space, COIL for coils and MAPS for sets of coil maps; the others
(echoes, times, slices, averages) are frames here. Three axes of space are one volume,
whose readout is measured whole: it is transformed, and every position along it is a
frame.

Source: BART's `src/misc/mri.h` and `mmio.c` (Uecker et al., ISMRM 2015).
"""

from math import prod
from pathlib import Path

import numpy as np

from emrnas_jax.data.readers.kspace_arrays import (
    FoundKspace,
    arranged,
    require_axes,
    slices_along,
)
from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError

CFL = ".cfl"
COIL, MAPS = 3, 4


def takes(path: Path) -> bool:
    """Return whether the file is BART's; its header is looked for when it is read."""
    return path.suffix == CFL


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file.

    Args:
        path: the `.cfl`; its header lies beside it.
        axes: names of the axes that are longer than 1, "" for BART's own.

    Raises:
        InputError: the header is missing or damaged, or the sizes do not fit.
    """
    sizes = _sizes(path)
    with reading(path):
        values = np.fromfile(path, np.complex64)
    if values.size != prod(sizes):
        raise InputError(
            f"{path}: holds {values.size} values, and its header has the sizes "
            f"{sizes}; it may be cut short, so copy both files again"
        )
    # Column-major: the first axis is the one whose values lie beside each other.
    stored = values.reshape(sizes, order="F")
    if axes:
        names = require_axes(axes, stored.squeeze().ndim, str(path))
        return FoundKspace(arranged(stored.squeeze(), names), None, from_scanner=True)
    if sizes[MAPS] > 1:
        raise InputError(
            f"{path}: has {sizes[MAPS]} sets of maps, so it is an image or coil maps, "
            "and no k-space"
        )
    space = [axis for axis in range(COIL) if sizes[axis] > 1]
    if len(space) < 2:
        raise InputError(
            f"{path}: expected two or three axes of space, found the sizes {sizes}"
        )
    if len(space) == 3:
        stored = slices_along(stored, axis=0)
    # Frames first, then coils, then the two axes of space.
    row, column = space[-2:]
    frames = [axis for axis in range(16) if axis not in (COIL, row, column)]
    ordered = stored.transpose(*frames, COIL, row, column)
    shape = (-1, sizes[COIL], sizes[row], sizes[column])
    found = arranged(ordered.reshape(shape), ("frame", "coil", "row", "column"))
    return FoundKspace(found, None, from_scanner=True)


def _sizes(path: Path) -> tuple[int, ...]:
    """Return the sizes of all 16 axes."""
    header = path.with_suffix(".hdr")
    if not header.exists():
        raise InputError(f"{path}: {header.name} is missing beside it; copy both files")
    with reading(header):
        text = header.read_text()
    # Titles begin with #; what follows the sizes are the commands that made the file.
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    try:
        sizes = tuple(int(word) for word in lines[0].split())
    except (IndexError, ValueError):
        sizes = ()
    if not 0 < len(sizes) <= 16 or min(sizes) < 1:
        raise InputError(f"{header}: has no line of sizes; copy it again")
    return sizes + (1,) * (16 - len(sizes))
