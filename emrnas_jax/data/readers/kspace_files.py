"""Files of k-space: HDF5 or `.npz`, of one or several coils, complete or not.

- `kspace`: [row, column], [frame, row, column] or [frame, coil, row, column]; complex,
  or real and imaginary parts on a last axis of 2.
- `kspace_axes`, optional (an attribute in HDF5): the names of its axes in their order,
  separated by commas, where these are others, such as `row,column,coil`.
- `mask`, optional: 1 or True where measured, in the order of `kspace`; one value per
  line, or [row, 1], [1, column], [row, column], or one of these three for every frame.
- `kspace_convention` and `kspace_norm`, optional (attributes in HDF5): keys of
  `kspace_conventions.CONVENTIONS` and `NORMS`. Without them k-space is centred and
  orthonormal, if it looks so (`kspace_origin`).

Source: fastMRI's files (Zbontar et al., 2018) are such files.
"""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Complex, Shaped

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.kspace_conventions import (
    CONVENTIONS,
    FLAG,
    NORMS,
    Storage,
    stated,
)
from emrnas_jax.data.readers.kspace_input import PlainKspace, plain_mask, to_plain
from emrnas_jax.data.readers.source import reading, require_finite
from emrnas_jax.errors import InputError

NPZ = ".npz"
FILES = (
    "HDF5 or .npz with `kspace` [frame, row, column], and `mask` if lines are missing"
)
AXES = ("frame", "coil", "row", "column")
DECLARATIONS = ("kspace_convention", "kspace_norm", "kspace_axes")
PARTS = (("r", "i"), ("real", "imag"))  # fields of complex structures: h5py, MATLAB


class StoredKspace(NamedTuple):
    """The content of a file of k-space, in the package's convention.

    Attributes:
        plain: k-space of all frames in single precision.
        mask: stored mask with the zero frequency first; None if the file has no mask.
        from_scanner: whether the file has a scanner's header.
    """

    plain: PlainKspace
    mask: Bool[np.ndarray, "..."] | None
    from_scanner: bool


class _Found(NamedTuple):
    """The content of a file as it is stored; `convention` and `norm` may be empty."""

    kspace: Complex[np.ndarray, "frame *coil height width"]
    mask: Shaped[np.ndarray, "..."] | None
    convention: str
    norm: str
    from_scanner: bool = False


def takes(path: Path) -> bool:
    """Return whether the file is HDF5 or `.npz` with `kspace`.

    Raises:
        InputError: the file is damaged.
    """
    if path.suffix != NPZ:
        return "kspace" in hdf5.datasets(path)
    with _open_npz(path) as file:
        return "kspace" in file


def load_kspace(
    path: Path, convention: str = "", norm: str = "", form: str = FLAG, axes: str = ""
) -> StoredKspace:
    """Read a file of k-space.

    Args:
        path: HDF5 or `.npz`.
        convention: key of `CONVENTIONS`; "" for the file's own.
        norm: key of `NORMS`; "" for the file's own.
        form: way in which the user declares these, for messages.
        axes: names of the axes, see `kspace_axes`; "" for the file's own.

    Raises:
        InputError: the file is damaged, or does not hold k-space as it is stated.
    """
    load = _load_npz if path.suffix == NPZ else _load_hdf5
    found = load(path, axes)
    where = f"{path}: `kspace`"
    require_finite(found.kspace, where)
    storage = Storage(
        stated(
            convention,
            found.convention,
            "centred",
            CONVENTIONS,
            f"{path}: kspace_convention",
        ),
        stated(norm, found.norm, "ortho", NORMS, f"{path}: kspace_norm"),
        form,
    )
    plain = to_plain(found.kspace, storage, where)
    mask = None
    if found.mask is not None:
        mask = plain_mask(found.mask, storage, f"{path}: `mask`")
    # Converted in full precision, and rounded once.
    single = plain.values.astype(np.complex64)
    return StoredKspace(plain._replace(values=single), mask, found.from_scanner)


def _load_hdf5(path: Path, axes: str) -> _Found:
    with reading(path), h5py.File(path) as file:
        dataset: Any = file["kspace"]
        # fastMRI stores a mask in its test files alone.
        mask: Any = file.get("mask")
        convention, norm, own = (
            _text(file.attrs.get(name) or file.get(name)) for name in DECLARATIONS
        )
        # Before reading: files of many coils hold gigabytes.
        order = _axes(dataset.shape, dataset.dtype, axes or own, path)
        return _Found(
            _arranged(_joined(dataset[()]), order),
            None if mask is None else np.asarray(mask[()]),
            convention,
            norm,
            # fastMRI keeps the header of the scan beside its k-space.
            from_scanner="ismrmrd_header" in file,
        )


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


def _load_npz(path: Path, axes: str) -> _Found:
    with _open_npz(path) as file:
        if "kspace" not in file:
            raise InputError(
                f"{path}: expected an array `kspace`, found {list(file) or 'none'}"
            )
        kspace = file["kspace"]
        convention, norm, own = (_text(file.get(name)) for name in DECLARATIONS)
        order = _axes(kspace.shape, kspace.dtype, axes or own, path)
        found = _arranged(_joined(kspace), order)
        return _Found(found, file.get("mask"), convention, norm)


def _text(stored: Any) -> str:
    """Return a stored word, whether it is text, bytes, an array or a dataset."""
    value = stored[()] if hasattr(stored, "shape") else stored
    return value.decode() if isinstance(value, bytes) else str(value or "")


def _axes(
    shape: tuple[int, ...], dtype: np.dtype, names: str, path: Path
) -> tuple[str, ...]:
    """Return the names of the axes of stored k-space, in their order.

    Raises:
        InputError: the values are no k-space, or the axes are unknown or do not fit.
    """
    where = f"{path}: `kspace`"
    is_complex = dtype.kind == "c" or _parts(dtype) is not None
    if not is_complex and (dtype.kind not in "fiu" or shape[-1:] != (2,)):
        raise InputError(
            f"{where}: expected complex values, or real and imaginary parts on a last "
            f"axis of 2, found {dtype} of the shape {shape}"
        )
    sizes = shape if is_complex else shape[:-1]
    if names:
        return require_axes(names, len(sizes), where)
    if len(sizes) not in (2, 3, 4) or 0 in sizes:
        raise InputError(
            f"{where}: expected the axes [frame, row, column] or [frame, coil, row, "
            f"column], found the shape {shape}; store it with these axes"
        )
    return AXES[-len(sizes) :] if len(sizes) != 3 else ("frame", "row", "column")


def require_axes(names: str, count: int, where: str) -> tuple[str, ...]:
    """Return declared names of axes as a tuple.

    Args:
        names: names of `AXES`, each at most once, separated by commas; rows and columns
            are needed.
        count: number of axes that there are.
        where: file and variable, for messages.

    Raises:
        InputError: a name is unknown or stands twice, or their number is another one.
    """
    found = tuple(name.strip() for name in names.split(","))
    fits = set(found) <= set(AXES) and {"row", "column"} <= set(found)
    if not fits or len(set(found)) != len(found):
        raise InputError(
            f"{where}: found the axes {names!r}; give each axis one of the names "
            f"{', '.join(AXES)}, such as row,column,coil"
        )
    if len(found) != count:
        raise InputError(
            f"{where}: found {count} axes, and kspace_axes={names} names {len(found)}"
        )
    return found


def _arranged(
    values: Complex[np.ndarray, "..."], axes: tuple[str, ...]
) -> Complex[np.ndarray, "frame *coil height width"]:
    """Return k-space with its axes in the order of `AXES`; a single coil has none."""
    present = [name for name in AXES if name in axes]
    ordered = values.transpose([axes.index(name) for name in present])
    if "frame" not in axes:
        ordered = ordered[None]
    if ordered.ndim == 4 and ordered.shape[1] == 1:
        return ordered[:, 0]
    return ordered


def _parts(dtype: np.dtype) -> tuple[str, str] | None:
    return next((pair for pair in PARTS if set(dtype.names or ()) == set(pair)), None)


def _joined(values: np.ndarray) -> Complex[np.ndarray, "..."]:
    """Return stored values, of a type that was checked, as complex ones."""
    if pair := _parts(values.dtype):
        values = values[pair[0]] + 1j * values[pair[1]]
    elif values.dtype.kind != "c":
        values = values[..., 0] + 1j * values[..., 1]
    return values
