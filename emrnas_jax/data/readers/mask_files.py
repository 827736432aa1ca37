"""Masks from a file: .npy, .npz, .mat (any version) or HDF5.

The variable is `masks` [mask, line] or [mask, row, column], `mask` [line], or `RAll`
[line, mask], the name and order of the masks published with CDDNTDC (Zheng et al.,
NeurIPS 2019). A mask of one scan may also be `mask` [row, column] or [frame, row,
column]. The zero frequency is in the middle, at line `count // 2`; 1 or True means
measured.
"""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import scipy.io
from jaxtyping import Bool

from emrnas_jax.data.readers.mask_checks import require_centre, require_mask_values
from emrnas_jax.errors import InputError
from emrnas_jax.mri.packed_masks import PackedMasks

LOG = logging.getLogger("emrnas_jax")


class StoredMask(NamedTuple):
    """The masks of a file, as they are stored.

    Attributes:
        values: masks [line], [mask, line], [row, column] or [frame, row, column], with
            the zero frequency in the middle.
        variable: `masks`, `mask` or, in .npy, nothing. Two axes of `masks` are
            [mask, line].
        where: file and variable, for messages.
    """

    values: Bool[np.ndarray, "..."]
    variable: str
    where: str


def read_masks(file: str) -> PackedMasks:
    """Read every mask of lines or points of `file`, zero frequency in the middle.

    Raises:
        InputError: the file is missing or damaged, has none of the variables, or does
            not hold masks.
    """
    values, variable, where = read_stored_mask(file)
    # One mask may be stored as a column or a row.
    if variable == "mask" and 1 in values.shape:
        values = values.ravel()
    if variable == "mask" and values.ndim == 2:
        values = values[None]
    # A vector is a list of one mask.
    masks = np.atleast_2d(values)
    filled = masks.reshape(len(masks), -1).any(axis=1)
    if not filled.all():
        order = "[mask, line]" if masks.ndim == 2 else "[mask, row, column]"
        raise InputError(
            f"{where}: mask {np.argmin(filled)} has no line or point; its axes must be "
            f"{order}"
        )
    axes = tuple(range(1, masks.ndim))
    shifted = np.fft.ifftshift(masks, axes)
    for warning in require_centre(
        shifted[:, :, None] if masks.ndim == 2 else shifted, where
    ):
        LOG.warning("%s: %s", where, warning)
    return PackedMasks.pack(masks, where)


def read_stored_mask(file: str) -> StoredMask:
    """Read the masks of `file` as they are stored, of one to three axes.

    Raises:
        InputError: the file is missing or damaged, has none of the variables, or holds
            other values than 0 and 1.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        found = "is a folder, no file of masks" if path.is_dir() else "no such file"
        raise InputError(f"{path}: {found}; check the path of the masks")
    if path.suffix.lower() not in READERS:
        raise InputError(
            f"{path}: expected a file ending in {', '.join(READERS)}; "
            f"found {path.suffix or 'no ending'!r}"
        )
    status = path.stat()
    # Drawing masks frame by frame must not read the file each time.
    return _read(path, status.st_mtime_ns, status.st_size)


def require_centre_of(stored: StoredMask) -> None:
    """Refuse masks that miss the zero frequency whatever their axes are.

    A matrix may be [mask, line] or [row, column], which only the scan decides.

    Raises:
        InputError: the zero frequency is missed with either.
    """
    values = stored.values
    forms = [values] if values.ndim == 3 else [np.atleast_2d(values)[:, :, None]]
    forms += [values[None]] if values.ndim == 2 else []
    errors = []
    for form in forms:
        try:
            require_centre(np.fft.ifftshift(form, (1, 2)), stored.where)
        except InputError as error:
            errors.append(error)
    if len(errors) == len(forms):
        raise errors[-1]


@functools.lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> StoredMask:
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
            where = f"{path}: {name}".removesuffix(": ")
            variable = "masks" if name == "RAll" else name
            masks = _checked(where, arrange(array))
            if path.suffix.lower() == ".mat" and variable == "mask":
                masks = np.squeeze(masks)  # MATLAB keeps a vector as a matrix
            return StoredMask(masks, variable, where)
    raise InputError(
        f"{path}: expected one of the variables {', '.join(filter(None, VARIABLES))}; "
        f"found {', '.join(arrays) or 'none'}"
    )


def _checked(where: str, masks: np.ndarray) -> Bool[np.ndarray, "..."]:
    """Return `masks` as Booleans, if they are masks."""
    if masks.ndim not in (1, 2, 3) or masks.size == 0:
        raise InputError(
            f"{where}: expected shape [mask, line], found {masks.shape}; or [line], "
            "[row, column] or [frame, row, column]"
        )
    require_mask_values(masks, where)
    return masks.astype(bool)


# Functions that bring each variable into the order [mask, line].
VARIABLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "masks": np.asarray,
    "mask": np.asarray,
    "RAll": np.transpose,
    "": np.asarray,  # of a .npy
}


# Readers return each variable by name, and None for those that are no masks, because a
# file of raw data may hold gigabytes beside them.
Variables = dict[str, np.ndarray | None]


def _read_npy(path: Path) -> Variables:
    return {"": np.load(path)}


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
