"""Masks from a file: .npy, .npz, .mat (any version) or HDF5.

The variable is `masks` [mask, line], `mask` [line], or `RAll` [line, mask], the name
and order of the masks published with CDDNTDC (Zheng et al., NeurIPS 2019). The zero
frequency is in the middle, at line `count // 2`; 1 or True means measured.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from jaxtyping import Bool

from emrnas_jax.errors import InputError


def read_masks(file: str) -> Bool[np.ndarray, "mask line"]:
    """Read every mask of `file`, zero frequency in the middle.

    Raises:
        InputError: there is no such file, it cannot be read, holds none of the
            variables, or something else than masks in them.
    """
    if not file:
        raise InputError("sampling.file: kind 'file' needs a file of masks")
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"{path}: no such file of masks; check sampling.file")
    if path.suffix.lower() not in READERS:
        raise InputError(
            f"{path}: expected a file ending in {', '.join(READERS)}; "
            f"found {path.suffix or 'no ending'!r}"
        )
    status = path.stat()
    # Drawing masks frame by frame must not read the file each time.
    return _read(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> Bool[np.ndarray, "mask line"]:
    """Read and check one state of a file."""
    try:
        arrays = READERS[path.suffix.lower()](path)
    # Damaged files make NumPy, SciPy and h5py raise a dozen kinds of exception.
    except Exception as error:
        raise InputError(
            f"{path}: cannot be read as masks, it may be truncated: {error}"
        ) from error
    for name, arrange in VARIABLES.items():
        array = arrays.get(name)
        if array is not None:
            return _checked(f"{path}: {name}", arrange(array))
    raise InputError(
        f"{path}: expected one of the variables {', '.join(VARIABLES)}; "
        f"found {', '.join(arrays) or 'none'}"
    )


def _checked(place: str, masks: np.ndarray) -> Bool[np.ndarray, "mask line"]:
    """Return `masks` as Booleans, if they are masks."""
    if masks.ndim != 2 or masks.size == 0:
        raise InputError(f"{place}: expected shape [mask, line], found {masks.shape}")
    if masks.dtype.kind not in "biuf" or not np.isin(masks, (0, 1)).all():
        raise InputError(f"{place}: expected only 0 and 1, found other values")
    if not masks.any(axis=1).all():
        raise InputError(f"{place}: mask {np.argmin(masks.any(axis=1))} has no line")
    return masks.astype(bool)


# How each variable becomes [mask, line]. MATLAB keeps a vector as a matrix.
VARIABLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "masks": np.asarray,
    "mask": lambda mask: np.squeeze(mask)[None],
    "RAll": np.transpose,
}


# Readers return each variable by name, and None for those that are no masks: a file of
# raw data may hold gigabytes beside them.
Variables = dict[str, np.ndarray | None]


def _read_npy(path: Path) -> Variables:
    masks = np.load(path)
    return {"masks" if masks.ndim == 2 else "mask": masks}


def _read_npz(path: Path) -> Variables:
    # NumPy leaves a damaged file open unless the file is ours.
    with path.open("rb") as stream, np.load(stream) as file:
        return {name: file[name] if name in VARIABLES else None for name in file}


def _read_mat(path: Path) -> Variables:
    if h5py.is_hdf5(path):
        # MATLAB's version 7.3 is HDF5 with the axes in reverse order.
        arrays = _read_hdf5(path)
        return {name: None if a is None else a.T for name, a in arrays.items()}
    arrays = scipy.io.loadmat(path, variable_names=list(VARIABLES))
    return {name: arrays.get(name) for name, *_ in scipy.io.whosmat(path)}


def _read_hdf5(path: Path) -> Variables:
    with h5py.File(path) as file:
        return {
            name: item[...]
            if name in VARIABLES and isinstance(item, h5py.Dataset)
            else None
            for name, item in file.items()
        }


READERS = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".mat": _read_mat,
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
}
