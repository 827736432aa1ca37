"""K-space of raw scans, which scanners store as one readout after another.

Readouts are laid at their line; those of one place are averaged; noise scans whiten the
coils; a readout that was sampled more finely than the image needs is cut to the image's
field of view. Rows are the readout and columns the phase encoding, as in fastMRI's
files. A volume (two phase encodings) is transformed along the readout, and every
position along it is a frame. The zero frequency is in the middle of every axis, at
size // 2.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex

from emrnas_jax.data.readers.kspace_arrays import FoundKspace, arranged, slices_along
from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import apply_to_coils, whitening_matrix


class Place(NamedTuple):
    """Where a readout goes.

    Attributes:
        frame: counters that name its frame, the slowest first.
        line: its line, with the zero frequency in the middle.
        plane: its line of the second phase encoding, likewise.
    """

    frame: tuple[int, ...]
    line: int
    plane: int


class Grid(NamedTuple):
    """The sizes of k-space: samples of the readout, lines of both phase encodings."""

    samples: int
    lines: int
    planes: int


class Readout(NamedTuple):
    """The samples of one readout and the position of the first."""

    samples: Complex[np.ndarray, "coil sample"]
    first: int


def trimmed(
    path: Path,
    samples: Complex[np.ndarray, "coil sample"],
    centre: int,
    size: int,
    *,
    backwards: bool = False,
    discard: tuple[int, int] = (0, 0),
) -> Readout:
    """Return a readout in the direction of all, without the samples to discard.

    Args:
        path: file, for messages.
        samples: samples in the order of their acquisition.
        centre: number of the sample of the zero frequency, in that order.
        size: samples of k-space.
        backwards: whether the readout was acquired from the other end.
        discard: numbers of samples to leave out at the front and at the end.

    Raises:
        InputError: the readout is longer than k-space.
    """
    count = samples.shape[1]
    if backwards:
        samples, centre = samples[:, ::-1], count - 1 - centre
    kept = samples[:, discard[0] : count - discard[1]]
    first = size // 2 - centre + discard[0]
    if first < 0 or first + kept.shape[1] > size:
        raise InputError(
            f"{path}: a readout of {count} samples with its centre at {centre} does "
            f"not fit into the header's {size} samples"
        )
    return Readout(kept, first)


def laid(
    path: Path,
    places: Sequence[Place],
    readouts: Iterable[Readout],
    coils: int,
    grid: Grid,
) -> tuple[
    Complex[np.ndarray, "frame coil plane line sample"],
    Bool[np.ndarray, "frame plane line"],
]:
    """Lay every readout at its place, averaged where there are several of one place.

    Args:
        path: file, for messages.
        places: place of every readout.
        readouts: the readouts in the same order, which may be read one by one.
        coils: number of coils of every readout.
        grid: sizes of k-space.

    Returns:
        K-space, zero where nothing was measured, and True where something was.

    Raises:
        InputError: a place lies outside k-space.
    """
    # Counters may leave numbers out, as where only some slices were exported.
    names = sorted({place.frame for place in places})
    number = {name: position for position, name in enumerate(names)}
    size = (grid.planes, grid.lines)
    kspace = np.zeros((len(names), coils, *size, grid.samples), np.complex64)
    counts = np.zeros((len(names), *size), np.int32)
    for place, readout in zip(places, readouts, strict=True):
        frame, line, plane = number[place.frame], place.line, place.plane
        if not (0 <= line < grid.lines and 0 <= plane < grid.planes):
            raise InputError(
                f"{path}: a readout lies at line {line}, plane {plane} of k-space, and "
                f"the header has {grid.lines} lines and {grid.planes} planes; the "
                "header is of another scan"
            )
        last = readout.first + readout.samples.shape[1]
        kspace[frame, :, plane, line, readout.first : last] += readout.samples
        counts[frame, plane, line] += 1
    kspace /= np.maximum(counts, 1)[:, None, :, :, None]
    return kspace, counts > 0


def whitened(
    path: Path,
    kspace: Complex[np.ndarray, "frame coil *rest"],
    noise: Sequence[Complex[np.ndarray, "coil _"]],
) -> Complex[np.ndarray, "frame coil *rest"]:
    """Return k-space with the noise of its coils independent and alike.

    Args:
        path: file, for messages.
        kspace: samples of every coil.
        noise: samples of noise scans of the same coils; none to leave k-space as it is.

    Raises:
        InputError: there is too little noise, or a coil has none.
    """
    if not noise:
        return kspace
    try:
        matrix = whitening_matrix(jnp.asarray(np.concatenate(noise, axis=1)))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # Of the variance 1 in each coil; their mean scale is kept.
    matrix = np.asarray(matrix)
    matrix = matrix / np.abs(np.linalg.det(matrix)) ** (1 / kspace.shape[1])
    # Planes and lines as one axis: the matrix acts on the coils alone.
    flat = kspace.reshape(*kspace.shape[:2], -1, kspace.shape[-1])
    mixed = apply_to_coils(jnp.asarray(matrix), jnp.asarray(flat))
    return np.asarray(mixed).reshape(kspace.shape)


def cut_readout(
    kspace: Complex[np.ndarray, "*axes sample"], readout: int
) -> Complex[np.ndarray, "*axes _"]:
    """Return k-space whose image is the middle of that along the readout.

    Args:
        kspace: samples, the readout last.
        readout: number of samples that are left.
    """
    samples = kspace.shape[-1]
    if readout == samples:
        return kspace
    image = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, -1), norm="ortho"), -1)
    first = samples // 2 - readout // 2
    middle = np.fft.ifftshift(image[..., first : first + readout], -1)
    return np.fft.fftshift(np.fft.fft(middle, norm="ortho"), -1).astype(np.complex64)


def in_planes(
    kspace: Complex[np.ndarray, "frame coil plane line sample"],
    measured: Bool[np.ndarray, "frame plane line"],
    warnings: tuple[str, ...] = (),
) -> FoundKspace:
    """Return the planes that are reconstructed one by one, and their masks."""
    frames, planes, lines = measured.shape
    if planes == 1:
        # Rows are the readout, columns the lines.
        axes = ("frame", "coil", "slice", "column", "row")
        mask = measured.reshape(frames, 1, lines)
    else:
        kspace = slices_along(kspace, axis=-1)
        axes = ("frame", "coil", "row", "column", "slice")
        mask = np.repeat(measured[:, None], kspace.shape[-1], 1)
        # The order of `arranged`: slices before frames.
        mask = mask.swapaxes(0, 1).reshape(-1, planes, lines)
    found = arranged(kspace, axes)
    return FoundKspace(
        found, None if mask.all() else mask, from_scanner=True, warnings=warnings
    )
