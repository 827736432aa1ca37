"""K-space in HDF5 with a dataset `kspace`: fastMRI's files, and others like them."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.kspace_arrays import (
    DECLARATIONS,
    FoundKspace,
    arranged_mask,
    axes_of,
    in_words,
    text_of,
)
from emrnas_jax.data.readers.kspace_beside_header import NAME as HEADER
from emrnas_jax.data.readers.kspace_beside_header import Fit, fit_header, with_header
from emrnas_jax.data.readers.kspace_frames import (
    ALL,
    arranged_maps,
    count_frames,
    cut_mask,
    read_frames,
    require_frames,
)
from emrnas_jax.data.readers.kspace_header import Header
from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError


def takes(path: Path) -> bool:
    """Return whether the file is HDF5 with `kspace`.

    Raises:
        InputError: the file is damaged.
    """
    return "kspace" in hdf5.datasets(path)


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file; `axes` names the axes of `kspace`, "" for the file's own.

    Raises:
        InputError: the file is damaged, or does not hold k-space.
    """
    return load_frames(path, axes, ALL)


def load_frames(path: Path, axes: str, frames: slice) -> FoundKspace:
    """Read some frames of the file, and no others.

    Raises:
        InputError: the file is damaged, does not hold k-space, or has fewer frames.
    """
    with reading(path), h5py.File(path) as file:
        dataset: Any = file["kspace"]
        # fastMRI stores a mask in its test files alone.
        mask: Any = file.get("mask")
        convention, norm, _ = _declarations(file)
        # Before reading: files of many coils hold gigabytes.
        order, fit = _fit(file, axes, path)
        count = count_frames(order, dataset.shape)
        require_frames(frames, count, path)
        masks = None if mask is None else np.asarray(mask[()])
        found = FoundKspace(
            read_frames(dataset, fit.order, frames),
            arranged_mask(cut_mask(masks, frames, count), fit.order),
            convention,
            norm,
            # fastMRI keeps the header of the scan beside its k-space.
            from_scanner=HEADER in file,
            coil_maps=arranged_maps(file, fit.order, path, frames, count),
            warnings=fit.warnings,
            header=fit.header,
            total=count,
            stored=in_words("kspace", dataset.shape, dataset.dtype, fit.order),
        )
        return with_header(found, fit.header, file, swapped=fit.order != order)


def header_of(path: Path, axes: str) -> Header | None:
    """Return the header of a file, None if it has none that fits its k-space.

    Args:
        path: file, whose k-space may be of another reader.
        axes: names of the axes of `kspace`, "" for the file's own.

    Raises:
        InputError: the file is damaged.
    """
    with reading(path), h5py.File(path) as file:
        try:
            return _fit(file, axes, path)[1].header
        except InputError:
            return None


def _declarations(file: Any) -> tuple[str, str, str]:
    """Return convention, norm and axes as a file declares them, "" for none."""
    convention, norm, axes = (
        text_of(file.attrs.get(name) or file.get(name)) for name in DECLARATIONS
    )
    return convention, norm, axes


def _fit(file: Any, axes: str, path: Path) -> tuple[tuple[str, ...], Fit]:
    """Return the axes of k-space as they are declared, and as the header has them.

    Raises:
        InputError: the values are no k-space, or the header is of another.
    """
    shape, dtype = file["kspace"].shape, file["kspace"].dtype
    declared = axes or _declarations(file)[2]
    order = axes_of(shape, dtype, declared, path)
    where = f"{path}: `kspace`"
    return order, fit_header(file, order, shape, where, declared=bool(declared))
