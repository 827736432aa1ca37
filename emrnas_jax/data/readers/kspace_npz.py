"""K-space in `.npz` with an array `kspace`."""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emrnas_jax.data.readers.kspace_arrays import (
    DECLARATIONS,
    FoundKspace,
    arranged,
    arranged_mask,
    axes_of,
    in_words,
    joined,
    text_of,
)
from emrnas_jax.data.readers.kspace_frames import arranged_maps
from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError

NPZ = ".npz"


def takes(path: Path) -> bool:
    """Return whether the file is `.npz` with `kspace`.

    Raises:
        InputError: the file is damaged.
    """
    if path.suffix != NPZ:
        return False
    with _open_npz(path) as file:
        return "kspace" in file


@contextlib.contextmanager
def _open_npz(path: Path) -> Iterator[Any]:
    """Open an `.npz` file; what NumPy raises inside becomes an InputError."""
    # NumPy leaves a damaged file open unless the file is ours.
    with path.open("rb") as stream, reading(path):
        if not zipfile.is_zipfile(stream):  # NumPy would take it for a pickle
            raise InputError(
                f"{path}: is no .npz file, it may be cut short or damaged; copy it "
                "again or remove it"
            )
        stream.seek(0)
        with np.load(stream) as file:
            yield file


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file; `axes` names the axes of `kspace`, "" for the file's own.

    Raises:
        InputError: the file is damaged, or does not hold k-space.
    """
    with _open_npz(path) as file:
        if "kspace" not in file:
            raise InputError(
                f"{path}: expected an array `kspace`, found {list(file) or 'none'}"
            )
        kspace = file["kspace"]
        convention, norm, own = (text_of(file.get(name)) for name in DECLARATIONS)
        order = axes_of(kspace.shape, kspace.dtype, axes or own, path)
        found = arranged(joined(kspace), order)
        maps = arranged_maps(file, order, path)
        mask = arranged_mask(file.get("mask"), order)
        stored = in_words("kspace", kspace.shape, kspace.dtype, order)
        return FoundKspace(found, mask, convention, norm, coil_maps=maps, stored=stored)
