"""Calgary-Campinas raw data of several coils: HDF5 with `kspace` of floating numbers.

The axes are slice, row, column, and 2 * coils: the real and the imaginary part of each
coil in turn. The first axis is an image axis already, because the readout was
transformed; the two others have the zero frequency in the middle, and an image that is
not rolled (`shifted`).

Source: rmsouza01/MC-MRRec-challenge, and the loader of NKI-AI/direct.
"""

import re
from pathlib import Path

import numpy as np

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.kspace_arrays import (
    FoundKspace,
    arranged,
    in_words,
    require_axes,
)
from emrnas_jax.data.readers.source import by_name
from emrnas_jax.errors import InputError

AXES = ("slice", "row", "column", "coil")
# As in e14089s3_P53248.7.h5; the challenge adds words before the ending.
NAME = re.compile(r"e\d+s\d+_P\d+\.7.*\.h(df)?5")


def takes(path: Path) -> bool:
    """Return whether the file has a name of the data set and `kspace`.

    Raises:
        InputError: the file is damaged.
    """
    return by_name(NAME)(path) and "kspace" in hdf5.datasets(path)


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file; `axes` names its axes, "" for those of the data set.

    Raises:
        InputError: the file is damaged, or does not hold real and imaginary parts.
    """
    values = hdf5.load(path, "kspace")
    where = f"{path}: `kspace`"
    if values.dtype.kind != "f" or values.ndim != len(AXES) or values.shape[-1] % 2:
        raise InputError(
            f"{where}: expected real and imaginary parts of the coils in turn, "
            f"[slice, row, column, 2 * coils], found {values.dtype} of the shape "
            f"{values.shape}; give a file that is not of Calgary-Campinas another name"
        )
    kspace = (values[..., ::2] + 1j * values[..., 1::2]).astype(np.complex64)
    names = require_axes(axes, kspace.ndim, where) if axes else AXES
    return FoundKspace(
        arranged(kspace, names),
        None,
        "shifted",
        from_scanner=True,
        stored=in_words("kspace", values.shape, values.dtype, names),
    )
