"""Complex images of several echoes in MATLAB: the structure of the fat-water toolbox.

`data` or `imDataParams` has the fields `images` [row, column, slice, coil, echo],
complex and with the coils combined, and `TE`, a time for each echo. A frame is an echo.
MATLAB leaves out last axes of 1. A file is divided by its largest magnitude, so its
echoes keep their brightness relative to each other; one file is one subject.

Source: the ISMRM fat-water toolbox (Hu et al., Magn. Reson. Med. 68, 2012), and the
data of its workshop (P. Kellman).
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

from emrnas_jax.data.readers.kspace_arrays import is_complex, joined
from emrnas_jax.data.readers.kspace_matlab import is_matlab
from emrnas_jax.data.readers.source import (
    NamedImage,
    Source,
    reading,
    unit_magnitude,
)
from emrnas_jax.errors import InputError

STRUCTURES = ("data", "imDataParams")
IMAGES, TIMES = "images", "TE"
AXES = ("row", "column", "slice", "coil", "echo")


def takes(path: Path) -> bool:
    """Return whether the file is MATLAB's with one of the structures.

    Raises:
        InputError: the file is damaged.
    """
    return path.suffix == ".mat" and is_matlab(path) and _structure(path) is not None


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the images of one file, echo by echo within each slice."""
    name = _structure(path)
    assert name is not None
    images, echoes = _fields(path, name)
    where = f"{path}: `{name}.{IMAGES}`"
    if not is_complex(images.dtype):
        raise InputError(
            f"{where}: expected complex images, found {images.dtype}; store magnitudes "
            "as HDF5 with `images` [image, row, column]"
        )
    shape = images.shape + (1,) * (len(AXES) - images.ndim)
    # The times settle which axis is that of the echoes.
    if len(shape) != len(AXES) or shape[-1] != echoes:
        raise InputError(
            f"{where}: expected the axes [{', '.join(AXES)}] and as many echoes as "
            f"`{TIMES}`, found the shape {images.shape} and {echoes} times; store them "
            "so"
        )
    if shape[3] != 1:
        raise InputError(
            f"{where}: has {shape[3]} coils; combine them, and store one image"
        )
    values = unit_magnitude(joined(images).reshape(shape), where)
    for slice_, echo in np.ndindex(shape[2], shape[4]):
        image = values[:, :, slice_, 0, echo].astype(np.complex64)
        yield NamedImage(path.stem, slice_, echo, image)


def _structure(path: Path) -> str | None:
    """Return the name of the structure of images, None if there is none."""
    with reading(path):
        state = path.stat()
    return _structure_of(path, state.st_size, state.st_mtime_ns)


# A file is recognised several times, and structures can be read whole alone.
@functools.lru_cache(maxsize=1024)
def _structure_of(path: Path, _size: int, _changed: int) -> str | None:
    """Return what `_structure` does, for one state of a file."""
    with reading(path):
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                return next((name for name in STRUCTURES if _has(file, name)), None)
        names = [name for name, _, kind in scipy.io.whosmat(path) if kind == "struct"]
        known = [name for name in STRUCTURES if name in names]
        # The fields are known only when the structure is read.
        found = scipy.io.loadmat(path, variable_names=known) if known else {}
    return next((name for name in known if _is_structure(found[name])), None)


def _has(file: h5py.File, name: str) -> bool:
    item = file.get(name)
    return isinstance(item, h5py.Group) and IMAGES in item and TIMES in item


def _is_structure(value: np.ndarray) -> bool:
    return value.size == 1 and {IMAGES, TIMES} <= set(value.dtype.names or ())


def _fields(path: Path, name: str) -> tuple[np.ndarray, int]:
    """Return the images with MATLAB's axes, and the number of echo times."""
    with reading(path):
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                group: Any = file[name]
                # HDF5 reverses the axes.
                return np.asarray(group[IMAGES]).T, group[TIMES].size
        [one] = scipy.io.loadmat(path, variable_names=[name])[name].ravel()
        return np.asarray(one[IMAGES]), np.size(one[TIMES])


SOURCE = Source(
    name="complex_matlab",
    files=(
        "MATLAB with `data.images` [row, column, slice, coil, echo], complex, and "
        "`data.TE`"
    ),
    dtype="complex64",
    takes=takes,
    read=read,
)
