"""The scan in a file of k-space, for training and for reconstruction.

K-space is complete, and becomes images, or has lines missing, and stays k-space. Where
a file has no mask, the lines (or samples) that are not exactly zero were measured.
Training takes complete k-space alone (`complete_images`).
"""

import dataclasses
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Complex64, Float32

from emrnas_jax.data.readers.given_masks import given_masks
from emrnas_jax.data.readers.kspace_coils import images_of_coils
from emrnas_jax.data.readers.kspace_conventions import CONFIG
from emrnas_jax.data.readers.kspace_files import FILES, StoredKspace, load_kspace, takes
from emrnas_jax.data.readers.kspace_input import find_scale, frame_masks
from emrnas_jax.data.readers.kspace_masks import (
    Masks,
    measured_mask,
    nonzero_mask,
    sample_warnings,
    zero_warnings,
)
from emrnas_jax.data.readers.mask_checks import require_centre
from emrnas_jax.data.readers.scan import Reading, Scan
from emrnas_jax.data.readers.source import NamedImage, Source
from emrnas_jax.errors import InputError

# Samples a side of the coarse images by which coils are compared, and the correlation
# of their magnitudes above which they are perhaps no coils. Of a brain of 8 coils the
# two most different ones have 0.01.
COARSE, ALIKE = 32, 0.95

LOG = logging.getLogger("emrnas_jax")


class _Measured(NamedTuple):
    """The frames of a file with content, and their measured samples.

    Attributes:
        kspace: samples, zero where not measured.
        mask: True where k-space was measured, or shall be; None where that is open.
        mask_source: origin of the mask in words.
        complete: whether nothing of k-space is missing.
        warnings: a sentence for everything uncertain about the mask.
    """

    kspace: Complex64[np.ndarray, "frame *coil height width"]
    mask: Masks | None
    mask_source: str
    complete: bool
    warnings: list[str]


def read_kspace(path: Path, how: Reading) -> Scan:
    """Read the frames of a file of k-space.

    Frames without content (constant images, empty k-space) are left out; the others
    keep their numbers.

    Raises:
        InputError: the file is damaged, or does not hold k-space as it is declared.
    """
    stored = load_kspace(path, how.convention, how.norm, how.form, how.axes)
    filled = _with_content(stored.plain.values)
    if not filled.any():
        raise InputError(f"{path}: `kspace` of constant images alone; export it again")
    if not filled.all():
        LOG.info("%s: left out %d empty frames", path, np.count_nonzero(~filled))
    # Of the frames with content: an empty one has no lines to find a mask from.
    measured = _measured(path, stored, filled, how)
    images, scale, warnings = find_scale(
        measured.kspace,
        stored.plain,
        f"{path}: `kspace`",
        how.scale,
        "--scale",
        # Images to train on are divided by their largest, whatever the norm was.
        any_scale=stored.from_scanner or how.form == CONFIG,
    )
    numbers = np.flatnonzero(filled).astype(np.int32)
    unit = scale / stored.plain.largest  # intensity that becomes 1, as in `images`
    coils = measured.kspace.shape[1] if measured.kspace.ndim == 4 else 1
    # Images of several coils are left as k-space: their maps are estimated from it.
    is_image = measured.complete and coils == 1
    kspace = None if is_image else (measured.kspace / unit).astype(np.complex64)
    origin = f"{stored.plain.storage}, {measured.mask_source}"
    return Scan(
        subjects=(path.stem,) * len(numbers),
        slices=numbers,
        frames=np.zeros_like(numbers),
        images=network_images(images / unit, how.images) if is_image else None,
        kspace=kspace,
        mask=measured.mask,
        scale=scale,
        stored_as=f"{_coils_in_words(coils, stored)}{origin}",
        warnings=(
            *stored.plain.warnings,
            *measured.warnings,
            *warnings,
            *coil_warnings(measured.kspace),
        ),
        # They are real: `find_scale` has combined the coils.
        target=(images / unit).astype(np.float32)
        if measured.complete and coils > 1
        else None,
        coil_maps=None if stored.coil_maps is None else stored.coil_maps[filled],
    )


def _coils_in_words(coils: int, stored: StoredKspace) -> str:
    if coils == 1:
        return ""
    given = "" if stored.coil_maps is None else " with maps from the file"
    return f"{coils} coils{given}, "


def coil_warnings(
    kspace: Complex64[np.ndarray, "frame *coil height width"],
) -> list[str]:
    """Warn of coils that measured nothing, or that are perhaps no coils."""
    if kspace.ndim == 3:
        return []
    count, found = kspace.shape[1], []
    empty = np.flatnonzero(~kspace.any(axis=(0, 2, 3)))
    if len(empty):
        names = ", ".join(str(coil) for coil in empty)
        found.append(f"coil {names} of {count}, counted from 0, measured nothing")
    # What coils see differs from one side of the object to the other.
    middle = np.fft.fftshift(kspace[len(kspace) // 2], axes=(1, 2))
    rows, columns = (
        slice(max(size // 2 - COARSE // 2, 0), size // 2 + COARSE // 2)
        for size in middle.shape[1:]
    )
    views = np.abs(np.fft.ifft2(middle[:, rows, columns])).reshape(count, -1)
    views = np.delete(views, empty, axis=0)
    if len(views) > 1 and np.corrcoef(views).min() > ALIKE:
        height, width = kspace.shape[2:]
        found.append(
            f"the images of all {count} coils are alike, so the axis may be of times "
            f"or echoes; if it is, store kspace.reshape(-1, {height}, {width})"
        )
    return found


def complete_images(path: Path, how: Reading) -> Iterator[NamedImage]:
    """Yield the images of a file of complete k-space, to train on.

    They are those that reconstruction sees: divided by the largest magnitude of the
    file, so the frames of a subject keep their brightness relative to each other. A
    warning that reconstruction would print is printed here too.

    Args:
        path: HDF5 or `.npz`; it is one subject, named by the file.
        how: the user's declarations; of its images, complex are returned, or where it
            asks for coils, those of the coils beside their maps.

    Raises:
        InputError: the file cannot be used, or k-space is not complete, or has several
            coils and none were asked for, or the other way round.
    """
    scan = read_kspace(path, dataclasses.replace(how, images="complex"))
    several = scan.kspace is not None and scan.kspace.ndim == 4
    if several and not how.coils:
        count = scan.values.shape[1]
        raise InputError(
            f"{path}: `kspace` has {count} coils, and data.coils is 0; set data.coils "
            f"to {count} or to fewer, to which they are compressed, and data.images to "
            "complex"
        )
    if how.coils and not several:
        raise InputError(
            f"{path}: `kspace` has one coil, and data.coils asks for {how.coils}; set "
            "it to 0, and data.simulated_coils if coils shall be simulated"
        )
    if scan.kspace is not None and scan.target is None:
        assert scan.mask is not None
        raise InputError(
            f"{path}: `kspace` is incomplete, {1 - scan.mask.mean():.0%} of it was not "
            "measured; training needs complete k-space, so remove the file, or if its "
            "zeros are padding, set data.fully_sampled to True"
        )
    for warning in scan.warnings:
        LOG.warning("%s: %s", path, warning)
    names = list(zip(scan.subjects, scan.slices, scan.frames, strict=True))
    for position, image in _images_of(scan, how.coils, path):
        subject, slice_, frame = names[position]
        yield NamedImage(subject, int(slice_), int(frame), image)


def _images_of(scan: Scan, coils: int, path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the position and the image of each complete frame."""
    if coils:
        yield from images_of_coils(scan, coils, path)
        return
    assert scan.images is not None
    # The two channels lie beside each other in memory, as complex64 does.
    yield from enumerate(scan.images.view(np.complex64)[..., 0])


def network_images(
    images: Complex[np.ndarray, "frame height width"], kind: str
) -> Float32[np.ndarray, "frame height width *part"]:
    """Return complex images as a network takes them: two channels, or magnitudes.

    Args:
        images: complex images on any scale.
        kind: "magnitude" or "complex".
    """
    real, imaginary = np.real(images), np.imag(images)
    if kind == "complex":
        return np.stack([real, imaginary], axis=-1).astype(np.float32)
    return np.hypot(real, imaginary).astype(np.float32)


def _with_content(
    kspace: Complex64[np.ndarray, "frame *coil height width"],
) -> Bool[np.ndarray, " frame"]:
    """Return which frames are neither empty nor of a constant image."""
    rest = np.abs(kspace)
    axes = tuple(range(1, rest.ndim))
    # Relative, because rounding leaves a constant image small other samples.
    smallest = 1e-6 * rest.max(axis=axes)
    rest[..., 0, 0] = 0  # all that a constant image has
    return rest.max(axis=axes) > smallest


def _measured(
    path: Path,
    stored: StoredKspace,
    filled: Bool[np.ndarray, " stored_frame"],
    how: Reading,
) -> _Measured:
    """Return the measured samples of the frames with content."""
    kspace = stored.plain.values[filled]
    present = nonzero_mask(kspace)
    mask, source = _declared_mask(path, stored, present, filled, how)
    warnings = []
    if mask is not None:
        warnings += require_centre(mask, f"{path}: {source}")
    if how.fully_sampled or bool(present.all()):
        # Complete k-space keeps its mask: under-sampling it again shall give the same.
        return _Measured(kspace, mask, source, True, warnings)
    if mask is None:
        mask, source = present, "mask from its zeros"
        warnings += sample_warnings(present)
        warnings += require_centre(mask, f"{path}: {source}")
    else:
        marked, mask = mask, measured_mask(mask, present, f"{path}: {source}")
        warnings += zero_warnings(marked, mask)
    beside = mask[:, None] if kspace.ndim == 4 else mask
    return _Measured(np.where(beside, kspace, 0), mask, source, False, warnings)


def _declared_mask(
    path: Path,
    stored: StoredKspace,
    present: Masks,
    filled: Bool[np.ndarray, " stored_frame"],
    how: Reading,
) -> tuple[Masks | None, str]:
    """Return the mask of the user, else of the file, and its origin in words.

    Args:
        path: file of k-space.
        stored: all frames of the file.
        present: True where the frames with content are not zero.
        filled: True for the frames with content.
        how: the user's declarations.

    Returns:
        Masks of the frames with content, None where they leave nothing out.
    """
    frames, *_, height, width = stored.plain.values.shape
    shape = (frames, height, width)
    if how.masks is not None:
        source = "mask given"
        mask = given_masks(how.masks, shape, present, how.phase_encode, str(path))
    elif stored.mask is None:
        return None, "complete"
    else:
        source, where = "mask from the file", f"{path}: `mask`"
        mask = frame_masks(stored.mask, shape, present, how.phase_encode, where)
    mask = mask[filled]
    # A mask of ones says no more than complete k-space does.
    return (None, "complete") if mask.all() else (mask, source)


def kspace_source(how: Reading) -> Source:
    """Return the source of files of complete k-space that are read in one way."""
    return Source(
        name="kspace",
        files=FILES,
        # Images of coils hold their real and imaginary parts beside each other.
        dtype="float32" if how.coils else "complex64",
        takes=takes,
        read=partial(complete_images, how=how),
    )
