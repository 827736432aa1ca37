"""The scan in a file of k-space, for training and for reconstruction.

K-space is complete, and becomes images, or has lines missing, and stays k-space
(`kspace_measured`). Training takes complete k-space alone (`complete_images`).
"""

import dataclasses
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Complex, Complex64, Float32

from emrnas_jax.data.readers.coil_checks import coil_warnings
from emrnas_jax.data.readers.kspace_arrays import FoundKspace
from emrnas_jax.data.readers.kspace_coils import images_of_coils
from emrnas_jax.data.readers.kspace_conventions import CONFIG
from emrnas_jax.data.readers.kspace_echo import Echo, centre_echo
from emrnas_jax.data.readers.kspace_files import FILES, StoredKspace, load_kspace, takes
from emrnas_jax.data.readers.kspace_frames import parse_frames
from emrnas_jax.data.readers.kspace_input import EmptyKspaceError, find_scale
from emrnas_jax.data.readers.kspace_masks import Masks
from emrnas_jax.data.readers.kspace_measured import Measured, measured_samples
from emrnas_jax.data.readers.scan import Reading, Scan
from emrnas_jax.data.readers.source import NamedImage, Source
from emrnas_jax.errors import InputError

LOG = logging.getLogger("emrnas_jax")


def read_kspace(path: Path, how: Reading, whole: FoundKspace | None = None) -> Scan:
    """Read the frames of a file of k-space.

    Frames without content (constant images, empty k-space) are left out; the others
    keep their numbers.

    Args:
        path: file of k-space.
        how: the user's declarations.
        whole: content of the file, where it was read before.

    Raises:
        EmptyKspaceError: no frame has content.
        InputError: the file is damaged, or does not hold k-space as it is declared.
    """
    frames = parse_frames(how.frames)
    stored = load_kspace(
        path, how.convention, how.norm, how.form, how.axes, frames, whole
    )
    filled = _with_content(stored.plain.values)
    if not filled.any():
        raise EmptyKspaceError(
            f"{path}: `kspace` of constant images alone; export it again"
        )
    if not filled.all():
        LOG.info("%s: left out %d empty frames", path, np.count_nonzero(~filled))
    # Of the frames with content: an empty one has no lines to find a mask from.
    measured = measured_samples(path, stored, filled, how)
    echo = _echo(stored, measured, how)
    measured = measured._replace(kspace=echo.kspace)
    images, scale, warnings = find_scale(
        measured.kspace,
        stored.plain,
        f"{path}: `kspace`",
        how.scale,
        "--scale",
        # Images to train on are divided by their largest, whatever the norm was.
        any_scale=stored.from_scanner or how.form == CONFIG,
    )
    first = frames.start or 0
    numbers = (np.flatnonzero(filled) + first).astype(np.int32)
    unit = scale / stored.plain.largest  # intensity that becomes 1, as in `images`
    coils = measured.kspace.shape[1] if measured.kspace.ndim == 4 else 1
    # Images of several coils are left as k-space: their maps are estimated from it.
    is_image = measured.complete and coils == 1
    kspace = None
    if not is_image:
        kspace = (measured.kspace / unit).astype(np.complex64, copy=False)
    return Scan(
        subjects=(path.stem,) * len(numbers),
        slices=numbers,
        frames=np.zeros_like(numbers),
        images=network_images(images / unit, how.images) if is_image else None,
        kspace=kspace,
        mask=measured.mask,
        scale=scale,
        stored_as=_in_words(stored, measured, echo, coils),
        warnings=(
            *stored.warnings,
            *stored.plain.warnings,
            *measured.warnings,
            *echo.warnings,
            *warnings,
            *coil_warnings(measured.kspace),
        ),
        # They are real: `find_scale` has combined the coils.
        target=(images / unit).astype(np.float32)
        if measured.complete and coils > 1
        else None,
        coil_maps=None if stored.coil_maps is None else stored.coil_maps[filled],
        acquired=_acquired(measured),
        size=stored.size,
    )


def _echo(stored: StoredKspace, measured: Measured, how: Reading) -> Echo:
    """Return k-space with its echo at the zero frequency, where that is possible."""
    return centre_echo(
        measured.kspace,
        [measured.coverage.acquired, measured.mask],
        stored.plain.storage.convention.value,
        magnitude=how.images != "complex",
    )


def _acquired(measured: Measured) -> Masks | None:
    """Return where masks of complete k-space may be drawn; None for everywhere."""
    part = measured.coverage.acquired
    if part is None or not measured.complete or measured.mask is not None:
        return None
    return np.broadcast_to(part, (len(measured.kspace), *part.shape[1:]))


def _in_words(stored: StoredKspace, measured: Measured, echo: Echo, coils: int) -> str:
    """Describe k-space for the line of its file."""
    maps = "" if stored.coil_maps is None else " with maps from the file"
    cut = "" if stored.size is None else "image cut to {} x {}".format(*stored.size)
    words = [
        f"{coils} coils{maps}" if coils > 1 else "",
        str(stored.plain.storage),
        measured.mask_source,
        measured.coverage.words,
        echo.words,
        cut,
    ]
    return ", ".join(filter(None, words))


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
