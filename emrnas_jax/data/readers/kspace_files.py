"""Files of k-space: HDF5 or `.npz`, of one coil, complete or with lines missing.

- `kspace`: [row, column], [frame, row, column] or [frame, 1, row, column]; complex, or
  real and imaginary parts on a last axis of 2.
- `mask`, if there is one: 1 or True where measured, in the order of `kspace`; one value
  per line, or [row, 1], [1, column], [row, column], or one of these three for every
  frame.
- `kspace_convention` and `kspace_norm`, if there are any (attributes in HDF5): keys of
  `kspace_conventions.CONVENTIONS` and `NORMS`. Without them k-space is centred and
  orthonormal, if it looks so (`kspace_checks`).

Source: fastMRI's single-coil files (Zbontar et al., 2018) are such files.
"""

import zipfile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Complex, Complex64, Shaped

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.kspace_checks import require_order
from emrnas_jax.data.readers.kspace_conventions import (
    CONVENTIONS,
    NORMS,
    ORDERS,
    Storage,
    stated,
)
from emrnas_jax.data.readers.source import reading, require_finite
from emrnas_jax.errors import InputError

NPZ = ".npz"
FILES = (
    "HDF5 or .npz with `kspace` [frame, row, column], and `mask` if lines are missing"
)
PARTS = (("r", "i"), ("real", "imag"))  # fields of complex structures: h5py, MATLAB


class StoredKspace(NamedTuple):
    """What a file of k-space holds, in the package's convention.

    Attributes:
        kspace: divided by `largest`.
        mask: as stored, but zero frequency first; None where there is none.
        largest: the largest magnitude in the file, in the norm that is stated.
        storage: how the file stores it.
        from_scanner: whether the file has a scanner's header.
        doubts: a sentence for everything doubtful.
    """

    kspace: Complex64[np.ndarray, "frame height width"]
    mask: Bool[np.ndarray, "..."] | None
    largest: float
    storage: Storage
    from_scanner: bool
    doubts: tuple[str, ...]


class _Found(NamedTuple):
    """The same as it stands in the file; `convention` and `norm` may be empty."""

    kspace: Complex[np.ndarray, "frame height width"]
    mask: Shaped[np.ndarray, "..."] | None
    convention: str
    norm: str
    from_scanner: bool = False


def holds_kspace(path: Path) -> bool:
    """Return whether a file is to be read as k-space: every .npz, some HDF5."""
    return path.suffix == NPZ or "kspace" in hdf5.datasets(path)


def load_kspace(path: Path, convention: str = "", norm: str = "") -> StoredKspace:
    """Read a file of k-space.

    Args:
        path: HDF5 or `.npz`.
        convention: a key of `CONVENTIONS`; "" for what the file says.
        norm: a key of `NORMS`; "" for what the file says.

    Raises:
        InputError: the file is damaged, or does not hold what it should.
    """
    found = _load_npz(path) if path.suffix == NPZ else _load_hdf5(path)
    place = f"{path}: `kspace`"
    require_finite(found.kspace, place)
    # In the file's own precision: a scanner's scale may be beyond that of float32.
    largest = float(np.abs(found.kspace).max(initial=0))
    if not largest:
        raise InputError(f"{place}: found nothing but zeros; export the file again")
    storage = Storage(
        stated(
            convention,
            found.convention,
            "centred",
            CONVENTIONS,
            f"{path}: kspace_convention",
        ),
        stated(norm, found.norm, "ortho", NORMS, f"{path}: kspace_norm"),
    )
    scaled = found.kspace / largest
    doubts = require_order(scaled, storage, place)
    return StoredKspace(
        storage.convert(scaled).astype(np.complex64),
        None if found.mask is None else _stored_mask(found.mask, storage, path),
        largest / storage.factor(*scaled.shape[1:]),
        storage,
        found.from_scanner,
        tuple(doubts),
    )


def _load_hdf5(path: Path) -> _Found:
    with reading(path), h5py.File(path) as file:
        dataset: Any = file["kspace"]
        mask: Any = file.get("mask")
        convention, norm = (
            _text(file.attrs.get(name) or file.get(name))
            for name in ("kspace_convention", "kspace_norm")
        )
        # Before reading: files of many coils hold gigabytes.
        _require_one_coil(dataset.shape, dataset.dtype, path)
        return _Found(
            _joined(dataset[()]),
            None if mask is None else np.asarray(mask[()]),
            convention,
            norm,
            from_scanner="ismrmrd_header" in file,
        )


def _load_npz(path: Path) -> _Found:
    # NumPy leaves a damaged file open unless the file is ours.
    with path.open("rb") as stream:
        if not zipfile.is_zipfile(stream):  # NumPy would take it for a pickle
            raise InputError(
                f"{path}: is no .npz file, it may be cut short or damaged; copy it "
                "again or remove it"
            )
        stream.seek(0)
        return _found_in_npz(path, stream)


def _found_in_npz(path: Path, stream: BinaryIO) -> _Found:
    with reading(path), np.load(stream) as file:
        if "kspace" not in file:
            raise InputError(
                f"{path}: expected an array `kspace`, found {list(file) or 'none'}"
            )
        kspace = file["kspace"]
        _require_one_coil(kspace.shape, kspace.dtype, path)
        convention, norm = (
            _text(file.get(name)) for name in ("kspace_convention", "kspace_norm")
        )
        return _Found(_joined(kspace), file.get("mask"), convention, norm)


def _text(stored: Any) -> str:
    """Return a stored word, whether it is text, bytes, an array or a dataset."""
    value = stored[()] if hasattr(stored, "shape") else stored
    return value.decode() if isinstance(value, bytes) else str(value or "")


def _require_one_coil(shape: tuple[int, ...], dtype: np.dtype, path: Path) -> None:
    place = f"{path}: `kspace`"
    is_complex = dtype.kind == "c" or _parts(dtype) is not None
    if not is_complex and (dtype.kind not in "fiu" or shape[-1:] != (2,)):
        raise InputError(
            f"{place}: expected complex values, or real and imaginary parts on a last "
            f"axis of 2, found {dtype} of the shape {shape}"
        )
    axes = shape if is_complex else shape[:-1]
    if len(axes) == 4 and axes[1] > 1:
        raise InputError(
            f"{place}: found the shape {axes}, which is {axes[1]} coils if the axes "
            "are [frame, coil, row, column]; the networks take one coil, so combine "
            "the coils first. If the axes are [slice, time, row, column], store "
            f"kspace.reshape(-1, {axes[2]}, {axes[3]})"
        )
    if len(axes) not in (2, 3, 4) or 0 in axes:
        raise InputError(
            f"{place}: expected the axes [frame, row, column], found the shape "
            f"{shape}; store it with these axes"
        )


def _parts(dtype: np.dtype) -> tuple[str, str] | None:
    return next((pair for pair in PARTS if set(dtype.names or ()) == set(pair)), None)


def _joined(values: np.ndarray) -> Complex[np.ndarray, "frame height width"]:
    """Return stored values, of a shape that was checked, as complex frames."""
    if pair := _parts(values.dtype):
        values = values[pair[0]] + 1j * values[pair[1]]
    elif values.dtype.kind != "c":
        values = values[..., 0] + 1j * values[..., 1]
    return values.reshape(-1, *values.shape[-2:])


def _stored_mask(
    mask: Shaped[np.ndarray, "..."], storage: Storage, path: Path
) -> Bool[np.ndarray, "..."]:
    place = f"{path}: `mask`"
    if mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
        raise InputError(
            f"{place}: expected only 0 and 1, found other values; store mask > 0.5"
        )
    if not mask.ndim or not mask.any():
        raise InputError(f"{place}: marks nothing as measured; remove it or correct it")
    if ORDERS[storage.convention.value] == "first":
        return mask.astype(bool)
    # The mask has the order of the k-space beside it, one line wide or more.
    return np.fft.ifftshift(mask, (-1,) if mask.ndim == 1 else (-2, -1)).astype(bool)
