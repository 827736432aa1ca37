"""K-space in `.npy`: one complex array, whose axes must be named unless there are two.

Nothing in such a file tells coils from slices, or rows from columns.
"""

from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from emrnas_jax.data.readers.kspace_arrays import FoundKspace, in_words, require_axes
from emrnas_jax.data.readers.kspace_frames import (
    ALL,
    count_frames,
    read_frames,
    require_frames,
)
from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError

NPY = ".npy"
# The orders that arrays of more than two axes mostly have.
EXAMPLES = {
    3: "coil,row,column or frame,row,column",
    4: "frame,coil,row,column or row,column,coil,frame",
}


def takes(path: Path) -> bool:
    """Return whether the file is `.npy` with complex numbers; masks have none."""
    if path.suffix != NPY:
        return False
    try:
        # The header alone: whether values are missing is seen when they are read.
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0
            if version != (1, 0):
                read = npy.read_array_header_2_0
            return read(file)[2].kind == "c"
    except (OSError, ValueError):
        return False


def _open(path: Path) -> np.ndarray:
    """Return the array without reading its values."""
    with reading(path):
        return np.load(path, mmap_mode="r")


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file; `axes` names its axes, "" where there are rows and columns alone.

    Raises:
        InputError: the file is damaged, or its axes are not known.
    """
    return load_frames(path, axes, ALL)


def load_frames(path: Path, axes: str, frames: slice) -> FoundKspace:
    """Read some frames of the file, and no others.

    Raises:
        InputError: the file is damaged, its axes are not known, or it has fewer frames.
    """
    values = _open(path)
    if not axes and values.ndim != 2:
        example = EXAMPLES.get(values.ndim, "slice,frame,coil,row,column")
        raise InputError(
            f"{path}: nothing in a .npy names its axes, and it has the shape "
            f"{values.shape}; name them, as --kspace_axes={example}"
        )
    order = require_axes(axes or "row,column", values.ndim, str(path))
    if 0 in values.shape:
        raise InputError(f"{path}: is empty, it has the shape {values.shape}")
    count = count_frames(order, values.shape)
    require_frames(frames, count, path)
    with reading(path):
        found = np.array(read_frames(values, order, frames))
    return FoundKspace(
        found,
        None,
        total=count,
        stored=in_words(path.name, values.shape, values.dtype, order),
    )
