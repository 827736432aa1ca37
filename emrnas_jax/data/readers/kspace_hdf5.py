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
from emrnas_jax.data.readers.kspace_beside_header import fit_header, with_header
from emrnas_jax.data.readers.kspace_frames import (
    ALL,
    arranged_maps,
    count_frames,
    cut_mask,
    read_frames,
    require_frames,
)
from emrnas_jax.data.readers.source import reading


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
        convention, norm, own = (
            text_of(file.attrs.get(name) or file.get(name)) for name in DECLARATIONS
        )
        declared = axes or own
        # Before reading: files of many coils hold gigabytes.
        order = axes_of(dataset.shape, dataset.dtype, declared, path)
        fit = fit_header(
            file, order, dataset.shape, f"{path}: `kspace`", declared=bool(declared)
        )
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
