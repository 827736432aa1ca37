"""K-space in MATLAB files: CMRxRecon's, and those of others.

The variable is one of NAMES, or `kspace_sub04` and the like. MATLAB's axes are
(row, column), (row, column, coil), (row, column, coil, slice) or (row, column, coil,
slice, frame); files of one coil, whose variables CMRxRecon calls `kspace_single...`,
have no axis of coils. `mask` may lie beside it.

Source: the formats of CMRxRecon 2023 to 2025 (Wang et al., Scientific Data 2024).
"""

import re
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from emrnas_jax.data.readers.kspace_arrays import (
    FoundKspace,
    arranged,
    arranged_mask,
    in_words,
    is_complex,
    joined,
    require_axes,
)
from emrnas_jax.data.readers.kspace_frames import MAPS, arranged_maps
from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError

NAMES = re.compile(r"kspace(_[a-z0-9_]+)?|kus|kdata|data", re.IGNORECASE)
# Longer arrays begin in the same way.
AXES = ("row", "column", "coil", "slice", "frame")
MASK = "mask"
MAGIC = b"MATLAB"
KINDS = ("single", "double")  # structures and text are no arrays of k-space


def takes(path: Path) -> bool:
    """Return whether the file is MATLAB's with a variable of k-space.

    Raises:
        InputError: the file is damaged.
    """
    return path.suffix == ".mat" and is_matlab(path) and bool(_names(path))


def is_matlab(path: Path) -> bool:
    """Return whether a file begins as MATLAB's do; notes may end in .mat as well."""
    with reading(path):
        if h5py.is_hdf5(path):
            return True
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file; `axes` names its axes in MATLAB's order, "" for the usual ones.

    Raises:
        InputError: the file is damaged, or does not hold k-space.
    """
    names = _names(path)
    if len(names) != 1:
        raise InputError(
            f"{path}: expected one variable of k-space, found "
            f"{', '.join(names) or 'none'}; store each in a file of its own"
        )
    [name] = names
    arrays = _arrays(path, name)
    values, where = arrays[name], f"{path}: `{name}`"
    if not is_complex(values.dtype):
        raise InputError(f"{where}: expected complex values, found {values.dtype}")
    kspace = joined(values)
    usual = tuple(axis for axis in AXES if axis != "coil" or "single" not in name)
    if not axes and not 2 <= kspace.ndim <= len(usual):
        raise InputError(
            f"{where}: found the shape {kspace.shape}; name its axes with "
            "--kspace_axes, such as row,column,coil"
        )
    order = require_axes(axes, kspace.ndim, where) if axes else usual[: kspace.ndim]
    return FoundKspace(
        arranged(kspace, order),
        arranged_mask(arrays.get(MASK), order),
        from_scanner=name == "kus" or name.startswith("kspace_"),
        coil_maps=arranged_maps(arrays, order, path),
        stored=in_words(name, kspace.shape, values.dtype, order),
    )


def _names(path: Path) -> list[str]:
    """Return the variables of k-space."""
    with reading(path):
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                names = [
                    str(name)
                    for name, item in file.items()
                    if isinstance(item, h5py.Dataset)
                ]
        else:
            names = [name for name, _, kind in scipy.io.whosmat(path) if kind in KINDS]
    found = [name for name in names if NAMES.fullmatch(name)]
    # `data` may be anything, and is k-space only where nothing is called so.
    return [name for name in found if name.startswith("kspace")] or found


def _arrays(path: Path, name: str) -> dict[str, np.ndarray]:
    """Return k-space, the mask and coil maps with MATLAB's order of axes."""
    wanted = [name, MASK, *MAPS]
    with reading(path):
        if not h5py.is_hdf5(path):
            found = scipy.io.loadmat(path, variable_names=wanted)
            return {key: found[key] for key in wanted if key in found}
        with h5py.File(path) as file:
            # HDF5 reverses the axes.
            keys = [key for key in wanted if key in file]
            return {key: np.asarray(file[key]).T for key in keys}
