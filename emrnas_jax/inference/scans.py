"""A scan to reconstruct: the frames of one file, complete images or measured k-space.

Images are files of a known source (`recognition`), k-space is in files of
`kspace_files`. Where such a file has no mask, the lines (or samples) that are not
exactly zero were measured.

The scale of k-space is the scanner's, and networks are trained on intensities in
[0, 1]. So a file's k-space is divided by the largest magnitude of its images,
zero-filled where lines are missing. Of the robust choices this one varies least over
frames with masks of 15 %: by 11 % of itself on cardiac and 13 % on brain images, where
the 99.9th percentile varies by 12 and 15 %, the 99th by 17 and 19 %.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Complex64, Float32, Int32, Num

from emrnas_jax.data.readers import hdf5, kspace_files
from emrnas_jax.data.readers.kspace_checks import (
    doubt_of_norm,
    doubt_of_scale,
    doubts_of_origin,
    require_single_precision,
)
from emrnas_jax.data.readers.kspace_files import StoredKspace, holds_kspace, load_kspace
from emrnas_jax.data.readers.mask_checks import require_centre
from emrnas_jax.data.readers.mask_files import StoredMask
from emrnas_jax.data.readers.recognition import SOURCES, described, known, recognise
from emrnas_jax.data.readers.source import read_file
from emrnas_jax.errors import InputError
from emrnas_jax.inference.scan_masks import (
    Masks,
    doubts_of_samples,
    doubts_of_zeros,
    given_masks,
    line_masks,
    measured_mask,
    nonzero_mask,
    one_each,
    sized_masks,
)

LOG = logging.getLogger("emrnas_jax")


@dataclass(frozen=True)
class Reading:
    """How files are to be understood.

    Attributes:
        images: "magnitude" or "complex", what the network reconstructs.
        phase_encode: `rows` or `columns`, the network's.
        convention: a key of `kspace_conventions.CONVENTIONS`; "" for what the file
            says.
        norm: a key of `kspace_conventions.NORMS`; "" for what the file says.
        fully_sampled: take k-space with zero lines, such as padding, as complete.
        scale: of k-space, the intensity that is to be 1; 0 for the file's largest.
        masks: one for all frames, or one for each; they take the place of a file's
            own.
    """

    images: str
    phase_encode: str
    convention: str = ""
    norm: str = ""
    fully_sampled: bool = False
    scale: float = 0.0
    masks: StoredMask | None = None


class Scan(NamedTuple):
    """The frames of one file; either `images` or `kspace` is None.

    Attributes:
        subjects: of every frame; the file's name where files do not say.
        slices: numbers, from 0 unless the file numbers otherwise.
        frames: numbers of the times.
        images: complete images as `make_batch` takes them.
        kspace: measured samples, zero elsewhere; the package's convention.
        mask: where k-space was measured; of complete images, where it shall be, or
            None for a mask to be drawn.
        scale: an intensity of the file is this times the network's.
        stored_as: how its k-space was taken; empty for images.
        doubts: a sentence for everything in the file that is doubtful.
    """

    subjects: tuple[str, ...]
    slices: Int32[np.ndarray, " frame"]
    frames: Int32[np.ndarray, " frame"]
    images: Num[np.ndarray, "frame height width *part"] | None
    kspace: Complex64[np.ndarray, "frame height width"] | None
    mask: Masks | None
    scale: float
    stored_as: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def values(self) -> np.ndarray:
        """`images` or `kspace`, whichever is there."""
        values = self.images if self.kspace is None else self.kspace
        assert values is not None
        return values

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the frames."""
        return self.values.shape[1], self.values.shape[2]

    @property
    def kind(self) -> tuple:
        """What scans have in common that can be joined."""
        form = None if self.mask is None else self.mask.shape[1:]
        return self.kspace is None, self.values.shape[1:], self.values.dtype, form


def find_scans(path: Path) -> list[Path]:
    """Return a file, or the files of a folder that may hold scans, by name.

    Raises:
        InputError: there is nothing at `path`, or nothing known.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    # A link that leads nowhere is reported when it is read.
    files = [
        f
        for f in path.iterdir()
        if not f.name.startswith(".") and (f.is_file() or _is_broken_link(f))
    ]
    if not files:
        raise InputError(f"{path}: holds no files")
    by_content = (kspace_files.NPZ, *hdf5.SUFFIXES)
    found = [
        file
        for file in files
        if file.suffix in by_content or any(source.takes(file) for source in SOURCES)
    ]
    if not found:
        raise InputError(
            f"{path}: nothing recognised in {described(files)}; "
            f"{known(kspace_files.FILES)}"
        )
    return sorted(found)


def _is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.is_dir()


def read_scan(path: Path, how: Reading) -> Scan:
    """Read the frames of one file.

    Frames without content (constant images, empty k-space) are left out; the others
    keep their numbers.

    Raises:
        InputError: the file is damaged, of no known kind, or holds other images than
            the network was trained on.
    """
    if holds_kspace(path):
        return _from_kspace(path, load_kspace(path, how.convention, how.norm), how)
    if path.suffix in hdf5.SUFFIXES and not any(s.takes(path) for s in SOURCES):
        found = {name: str(kind) for name, kind in hdf5.datasets(path).items()}
        raise InputError(
            f"{path}: holds no `kspace`, `images` or `frames` that is known, but the "
            f"datasets {found or 'none'}; store k-space or images [frame, row, column]"
        )
    return _from_images(path, how)


def _from_images(path: Path, how: Reading) -> Scan:
    source, _ = recognise(path)
    if how.images == "complex" and source.dtype != "complex64":
        raise InputError(
            f"{path}: holds magnitudes ({source.name}), and the network was trained on "
            "complex images; use a network trained on magnitudes (or, with "
            "--model=tv, --images=magnitude)"
        )
    named = list(read_file(source, path))
    images = np.stack([one.image for one in named])
    mask, doubts = None, _unused_flags(how)
    if how.masks is not None:
        mask = given_masks(how.masks, images.shape, None, how.phase_encode, str(path))
        doubts += require_centre(mask, f"{path}: --mask={how.masks.place}")
    return Scan(
        subjects=tuple(one.subject for one in named),
        slices=np.array([one.slice for one in named], np.int32),
        frames=np.array([one.frame for one in named], np.int32),
        images=_as_trained(images, how.images) if images.dtype.kind == "c" else images,
        kspace=None,
        mask=mask,
        scale=1.0,
        doubts=tuple(doubts),
    )


def _unused_flags(how: Reading) -> list[str]:
    """Return a sentence if the user says of k-space what images have no use for."""
    given = {
        "kspace_convention": how.convention,
        "kspace_norm": how.norm,
        "scale": how.scale,
        "fully_sampled": how.fully_sampled,
    }
    flags = [f"--{name}" for name, value in given.items() if value]
    return [f"{', '.join(flags)}: not used, these are images"] if flags else []


def _from_kspace(path: Path, stored: StoredKspace, how: Reading) -> Scan:
    filled = _with_content(stored.kspace)
    if not filled.any():
        raise InputError(f"{path}: `kspace` of constant images alone; export it again")
    if not filled.all():
        LOG.info("%s: left out %d empty frames", path, np.count_nonzero(~filled))
    numbers = np.flatnonzero(filled).astype(np.int32)
    kspace = stored.kspace[filled]
    present = nonzero_mask(kspace)
    mask, from_where = _given_mask(path, stored, present, filled, how)
    doubts = list(stored.doubts)
    if mask is not None:
        doubts += require_centre(mask, f"{path}: {from_where}")
    if not (complete := how.fully_sampled or bool(present.all())):
        if mask is None:
            mask, from_where = present, "mask from its zeros"
            doubts += doubts_of_samples(present)
            doubts += require_centre(mask, f"{path}: {from_where}")
        else:
            marked, mask = mask, measured_mask(mask, present, f"{path}: {from_where}")
            doubts += doubts_of_zeros(marked, mask)
        kspace = np.where(mask, kspace, 0)
    # On the host: files are read while the device is busy, and a compiled transform
    # would be compiled for every number of frames.
    images = np.fft.ifft2(kspace, norm="ortho")
    largest = stored.largest * float(np.abs(images).max())
    doubts += _image_doubts(path, stored, images, largest, how.scale)
    scale = how.scale or largest
    require_single_precision(scale, f"{path}: `kspace`")
    unit = scale / stored.largest  # the intensity that is to be 1, as `images` have it
    return Scan(
        subjects=(path.stem,) * len(numbers),
        slices=numbers,
        frames=np.zeros_like(numbers),
        images=_as_trained(images / unit, how.images) if complete else None,
        kspace=None if complete else (kspace / unit).astype(np.complex64),
        mask=mask,
        scale=scale,
        stored_as=f"{stored.storage}, {from_where}",
        doubts=tuple(doubts),
    )


def _with_content(
    kspace: Complex64[np.ndarray, "frame height width"],
) -> Bool[np.ndarray, " frame"]:
    """Return which frames are neither empty nor of a constant image."""
    largest = np.abs(kspace).max(axis=(1, 2))
    rest = np.abs(kspace)
    rest[:, 0, 0] = 0
    return rest.max(axis=(1, 2)) > 1e-6 * largest


def _image_doubts(
    path: Path,
    stored: StoredKspace,
    images: Complex[np.ndarray, "frame height width"],
    largest: float,
    scale: float,
) -> list[str]:
    """Test the images that k-space gives; `largest` is their largest intensity."""
    doubts = doubts_of_origin(images, stored.storage, f"{path}: `kspace`")
    doubts += doubt_of_scale(scale, largest, "--scale") if scale else []
    pixels = images.shape[1] * images.shape[2]
    return doubts + doubt_of_norm(
        largest, pixels, stored.storage, from_scanner=stored.from_scanner
    )


def _given_mask(
    path: Path,
    stored: StoredKspace,
    present: Masks,
    filled: Bool[np.ndarray, " stored_frame"],
    how: Reading,
) -> tuple[Masks | None, str]:
    """Return the mask of the user, or of the file, and in words where it is from.

    Args:
        path: the file.
        stored: all its frames.
        present: where the frames with content are not zero.
        filled: which frames these are.
        how: what the user says.

    Returns:
        masks of the frames with content, None where they leave nothing out.
    """
    count, *size = stored.kspace.shape
    if how.masks is not None:
        from_where = "mask given"
        mask = given_masks(
            how.masks, stored.kspace.shape, present, how.phase_encode, str(path)
        )
    elif stored.mask is None:
        return None, "complete"
    else:
        from_where = "mask from the file"
        place = f"{path}: `mask`"
        if stored.mask.ndim == 1:
            lines = stored.mask[None]
            mask = line_masks(lines, size, present, how.phase_encode, place)
        else:
            mask = sized_masks(stored.mask, size, place)
        mask = one_each(mask, count, place)
    mask = mask[filled]
    return (None, "complete") if mask.all() else (mask, from_where)


def _as_trained(
    images: Complex[np.ndarray, "frame height width"], kind: str
) -> Float32[np.ndarray, "frame height width *part"]:
    """Return complex images as a network takes them: two channels, or magnitudes."""
    real, imaginary = np.real(images), np.imag(images)
    if kind == "complex":
        return np.stack([real, imaginary], axis=-1).astype(np.float32)
    return np.hypot(real, imaginary).astype(np.float32)
