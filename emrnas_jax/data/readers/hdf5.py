"""Reading HDF5 files, for the sources that are stored in them."""

from pathlib import Path

import h5py
import numpy as np

from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError

# MATLAB's HDF5 ends in .mat and is known by its name (`york`).
SUFFIXES = (".h5", ".hdf5")


def datasets(path: Path) -> dict[str, np.dtype]:
    """Return the names and types of the datasets at the top of an HDF5 file.

    Empty for a file with another suffix.

    Raises:
        InputError: the file is damaged.
    """
    if path.suffix not in SUFFIXES:
        return {}
    with reading(path), h5py.File(path) as file:
        return {
            str(name): item.dtype
            for name, item in file.items()
            # Groups hold no values; a file of groups alone is unknown.
            if isinstance(item, h5py.Dataset)
        }


def load(path: Path, name: str) -> np.ndarray:
    """Return one whole dataset.

    Raises:
        InputError: the file is damaged or has no dataset of this name.
    """
    with reading(path), h5py.File(path) as file:
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset):
            raise InputError(
                f"{path}: expected a dataset `{name}`, found {list(file) or 'none'}"
            )
        return np.asarray(dataset[()])


def attribute(path: Path, name: str) -> np.generic | str | None:
    """Return one attribute of the file, None where it has none of this name."""
    with reading(path), h5py.File(path) as file:
        return file.attrs.get(name)
