"""Files of k-space, of one or several coils, complete or with lines missing.

Every format is a module `kspace_...` beside this one, named in FORMATS. HDF5 and `.npz`
of no special form have

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

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex64

from emrnas_jax.data.readers import (
    kspace_bart,
    kspace_calgary,
    kspace_hdf5,
    kspace_ismrmrd,
    kspace_matlab,
    kspace_npy,
    kspace_npz,
    kspace_skm_tea,
    kspace_twix,
)
from emrnas_jax.data.readers.coil_maps import check_maps
from emrnas_jax.data.readers.kspace_arrays import FoundKspace
from emrnas_jax.data.readers.kspace_conventions import (
    CONVENTIONS,
    FLAG,
    NORMS,
    Storage,
    stated,
)
from emrnas_jax.data.readers.kspace_frames import ALL, cut_frames
from emrnas_jax.data.readers.kspace_header import Header
from emrnas_jax.data.readers.kspace_input import PlainKspace, plain_mask, to_plain
from emrnas_jax.data.readers.kspace_npz import NPZ
from emrnas_jax.data.readers.source import require_finite

FILES = (
    "HDF5 or .npz with `kspace` [frame, row, column], and `mask` if lines are missing; "
    "ISMRMRD (.h5, .mrd), BART (.cfl), MATLAB (.mat) with `kspace`, "
    "twix (.dat)"
)


class KspaceFormat(NamedTuple):
    """A format of files of k-space.

    Attributes:
        takes: function that returns whether a file has the format.
        load: function of a file and the declared names of its axes, "" for none.
        load_frames: the same for some frames, of which no others are read; None where
            a file is read whole.
        name: name of the format in words.
    """

    takes: Callable[[Path], bool]
    load: Callable[[Path, str], FoundKspace]
    load_frames: Callable[[Path, str, slice], FoundKspace] | None = None
    name: str = "k-space"


# The first that takes a file reads it.
FORMATS = (
    KspaceFormat(kspace_npz.takes, kspace_npz.load, name="NumPy (.npz)"),
    KspaceFormat(
        kspace_npy.takes, kspace_npy.load, kspace_npy.load_frames, "NumPy (.npy)"
    ),
    KspaceFormat(
        kspace_calgary.takes, kspace_calgary.load, name="Calgary-Campinas (HDF5)"
    ),
    KspaceFormat(
        kspace_skm_tea.takes,
        kspace_skm_tea.load,
        kspace_skm_tea.load_frames,
        "SKM-TEA (HDF5)",
    ),
    KspaceFormat(
        kspace_hdf5.takes, kspace_hdf5.load, kspace_hdf5.load_frames, "HDF5, as fastMRI"
    ),
    KspaceFormat(kspace_ismrmrd.takes, kspace_ismrmrd.load, name="ISMRMRD (HDF5)"),
    KspaceFormat(kspace_bart.takes, kspace_bart.load, name="BART"),
    KspaceFormat(kspace_matlab.takes, kspace_matlab.load, name="MATLAB"),
    KspaceFormat(kspace_twix.takes, kspace_twix.load, name="Siemens twix"),
)


class StoredKspace(NamedTuple):
    """The content of a file of k-space, in the package's convention.

    Attributes:
        plain: k-space of all frames in single precision.
        mask: stored mask with the zero frequency first; None if the file has no mask.
        from_scanner: whether the file has a scanner's header.
        coil_maps: maps of the coils for every frame; None if the file has none.
        acquired: True for the lines that the header says were acquired, zero frequency
            first; None if no header says it.
        size: rows and columns of the image that the scanner keeps; None for all.
        warnings: a sentence for everything in the header that is uncertain.
    """

    plain: PlainKspace
    mask: Bool[np.ndarray, "..."] | None
    from_scanner: bool
    coil_maps: Complex64[np.ndarray, "frame coil height width"] | None = None
    acquired: Bool[np.ndarray, "#height #width"] | None = None
    size: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()


class Contents(NamedTuple):
    """What a file of k-space holds.

    Attributes:
        format: name of the format in words.
        stored: type, shape and axes of the stored array in words; may be empty.
        frames: number of frames.
        header: the scanner's header, where it fits k-space.
        whole: content of all frames, where the format has to be read whole.
    """

    format: str
    stored: str
    frames: int
    header: Header | None
    whole: FoundKspace | None


def look_into(path: Path, axes: str = "") -> Contents:
    """Return what a file of k-space holds, without reading more than it must.

    Raises:
        InputError: the file is damaged, or does not hold k-space.
    """
    form = _format_of(path)
    if form.load_frames is None:
        found = form.load(path, axes)
        count = len(found.kspace)
        return Contents(form.name, found.stored, count, found.header, found)
    found = form.load_frames(path, axes, slice(0, 1))
    return Contents(form.name, found.stored, found.total, found.header, None)


def takes(path: Path) -> bool:
    """Return whether the file has a known format of k-space.

    Raises:
        InputError: the file is damaged.
    """
    return any(one.takes(path) for one in FORMATS)


def _format_of(path: Path) -> KspaceFormat:
    # An .npz without k-space is refused with what it holds.
    if path.suffix == NPZ:
        return FORMATS[0]
    return next(one for one in FORMATS if one.takes(path))


def _load(path: Path, axes: str, frames: slice) -> FoundKspace:
    form = _format_of(path)
    if frames == ALL:
        return form.load(path, axes)
    if form.load_frames is None:
        return cut_frames(form.load(path, axes), frames, path)
    return form.load_frames(path, axes, frames)


def load_kspace(
    path: Path,
    convention: str = "",
    norm: str = "",
    form: str = FLAG,
    axes: str = "",
    frames: slice = ALL,
    whole: FoundKspace | None = None,
) -> StoredKspace:
    """Read a file of k-space.

    Args:
        path: file of one of `FORMATS`.
        convention: key of `CONVENTIONS`; "" for the file's own.
        norm: key of `NORMS`; "" for the file's own.
        form: way in which the user declares these, for messages.
        axes: names of the axes, see `kspace_axes`; "" for the file's own.
        frames: frames to read.
        whole: content of the file, where it was read before.

    Raises:
        InputError: the file is damaged, or does not hold k-space as it is stated.
    """
    if whole is None:
        found = _load(path, axes, frames)
    else:
        found = cut_frames(whole, frames, path)
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
    kspace, found = found.kspace, found._replace(kspace=found.kspace[:0].copy())
    plain = to_plain(kspace, storage, where)
    del kspace  # gigabytes, which are not needed twice
    mask = None
    if found.mask is not None:
        mask = plain_mask(found.mask, storage, f"{path}: `mask`")
    # Converted in full precision, and rounded once.
    single = plain.values.astype(np.complex64, copy=False)
    maps = None
    # One coil needs no map: its image is that of the coil.
    if found.coil_maps is not None and single.ndim == 4:
        maps = check_maps(found.coil_maps, single.shape, f"{path}: coil maps")
    plain = plain._replace(values=single)
    acquired = None if found.acquired is None else np.fft.ifftshift(found.acquired)
    return StoredKspace(
        plain,
        mask,
        found.from_scanner,
        maps,
        acquired,
        found.size,
        found.warnings,
    )
