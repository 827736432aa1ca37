"""Dynamic magnitude images, one HDF5 file per subject.

The dataset `frames` holds 8-bit grey levels with the axes slice, time, row, column. The
integer attribute `subject` names a York subject; without it the file's name is the
subject's.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.source import NamedImage, Source, require_axes
from emrnas_jax.data.readers.york import subject_name
from emrnas_jax.errors import InputError


def takes(path: Path) -> bool:
    """Return whether the file is HDF5 with a dataset `frames`."""
    return "frames" in hdf5.datasets(path)


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the frames of one subject."""
    frames = hdf5.load(path, "frames")
    require_axes(frames.shape, "slice time row column", f"{path}: `frames`")
    # Other integers may be raw intensities, whose white nobody knows.
    if frames.dtype != np.uint8:
        raise InputError(
            f"{path}: `frames`: expected uint8 grey levels, found {frames.dtype}; "
            "scale to 0..255 and convert"
        )
    # So that a York subject has one name, and one fold, in every format.
    number = hdf5.attribute(path, "subject")
    subject = subject_name(int(number)) if isinstance(number, np.integer) else path.stem
    for slice_, time in np.ndindex(frames.shape[:2]):
        yield NamedImage(subject, slice_, time, frames[slice_, time])


SOURCE = Source(
    name="cardiac_hdf5",
    files="HDF5 with `frames` [slice, time, row, column], 8-bit grey levels",
    dtype="uint8",
    takes=takes,
    read=read,
)
