"""SKM-TEA's k-space: HDF5 with `kspace` [x, ky, kz, echo, coil], `maps` and `target`.

The readout is transformed already, so x are slices; ky and kz have the zero frequency
in the middle, and corners that were not acquired. `maps` [x, ky, kz, coil, set] are
those of both echoes.

Source: Desai et al., NeurIPS 2021, and StanfordMIMI/skm-tea.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.kspace_arrays import (
    FoundKspace,
    arranged,
    in_words,
    require_axes,
)
from emrnas_jax.data.readers.kspace_frames import (
    ALL,
    count_frames,
    read_frames,
    require_frames,
)
from emrnas_jax.data.readers.source import reading

AXES = ("slice", "row", "column", "frame", "coil")
NAMES = {"kspace", "maps", "target"}


def takes(path: Path) -> bool:
    """Return whether the file is HDF5 with the data set's arrays and axes.

    Raises:
        InputError: the file is damaged.
    """
    if not hdf5.datasets(path).keys() >= NAMES:
        return False
    with reading(path), h5py.File(path) as file:
        stored: list[Any] = [file["kspace"], file["maps"]]
        kspace, maps = (array.shape for array in stored)
    axes_fit = len(kspace) == len(maps) == 5
    return axes_fit and maps[:3] == kspace[:3] and maps[3] == kspace[4]


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file; `axes` names the axes of `kspace`, "" for the data set's."""
    return load_frames(path, axes, ALL)


def load_frames(path: Path, axes: str, frames: slice) -> FoundKspace:
    """Read some frames of the file: the echoes of the first slice, then of the next.

    Raises:
        InputError: the file is damaged, or has fewer frames.
    """
    where = f"{path}: `kspace`"
    with reading(path), h5py.File(path) as file:
        kspace: Any = file["kspace"]
        order = require_axes(axes, kspace.ndim, where) if axes else AXES
        require_frames(frames, count_frames(order, kspace.shape), path)
        found = read_frames(kspace, order, frames)
        stored = in_words("kspace", kspace.shape, kspace.dtype, order)
        count = count_frames(order, kspace.shape)
        whole = FoundKspace(found, None, from_scanner=True, total=count, stored=stored)
        maps: Any = file["maps"]
        # Of two sets one is not enough, and of other axes none is: they are estimated.
        if order != AXES or maps.shape[4] != 1:
            return whole
        echoes = kspace.shape[3]
        wanted = range(count)[frames]
        slices = slice(wanted[0] // echoes, wanted[-1] // echoes + 1)
        each = np.asarray(maps[slices, ..., 0])
    own = [number // echoes - slices.start for number in wanted]
    ordered = arranged(each, ("slice", "row", "column", "coil"))
    return whole._replace(coil_maps=ordered[own])
