"""York cardiac MR: `sol_yxzt_patN.mat`, one file per subject.

The variable `sol_yxzt` holds intensities with the axes row, column, slice, time. They
are divided by one constant for all subjects and clipped, and stored as 8-bit grey
levels, as in the published PNG export.

Source: Andreopoulos and Tsotsos, Medical Image Analysis 12(3), 2008; the constant:
export of Zheng et al., NeurIPS 2019.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.source import (
    NamedImage,
    Source,
    by_name,
    name_parts,
    reading,
    require_axes,
    require_finite,
)
from emrnas_jax.errors import InputError

VARIABLE = "sol_yxzt"
WHITE = 2000  # the intensity that becomes level 255
NAME = re.compile(r"sol_yxzt_pat(\d+)\.mat")


def subject_name(number: int) -> str:
    """Return the name of a York subject, the same in every format they come in."""
    return f"p{number:02d}"


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the frames of one subject."""
    volume = _load(path)
    where = f"{path}: `{VARIABLE}`"
    require_axes(volume.shape, "row column slice time", where)
    if volume.dtype.kind not in "uif":  # MATLAB's v7.3 complex is a structure
        raise InputError(
            f"{where}: expected real intensities, found {volume.dtype}; "
            "store the magnitude"
        )
    # Casting NaN to a grey level would give any level.
    require_finite(volume, where)
    # MATLAB's imwrite, which made the export, rounds halves up.
    levels = np.floor(np.clip(volume / WHITE, 0, 1) * 255 + 0.5).astype(np.uint8)
    subject = subject_name(int(name_parts(NAME, path)[0]))
    for slice_, time in np.ndindex(levels.shape[2:]):
        yield NamedImage(subject, slice_, time, levels[:, :, slice_, time])


def _load(path: Path) -> np.ndarray:
    if h5py.is_hdf5(path):  # MATLAB 7.3; HDF5 reverses the axes
        return hdf5.load(path, VARIABLE).T
    with reading(path):
        volume = scipy.io.loadmat(path, variable_names=[VARIABLE]).get(VARIABLE)
        names = [name for name, *_ in scipy.io.whosmat(path)]
    if not isinstance(volume, np.ndarray):
        raise InputError(
            f"{path}: expected a variable `{VARIABLE}`, found {names or 'none'}"
        )
    return volume


SOURCE = Source(
    name="york",
    files="sol_yxzt_patN.mat (York cardiac)",
    dtype="uint8",
    takes=by_name(NAME),
    read=read,
)
