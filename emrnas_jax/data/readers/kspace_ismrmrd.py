"""Raw scans as ISMRMRD stores them in HDF5: one record per readout, and an XML header.

Readouts are laid at their line; averages are averaged; noise scans whiten the coils;
lines for calibration alone count as measured. A readout that was sampled more finely
than the image needs is cut to the image's field of view, and the result along the
phase encodings too. Rows are the readout and
columns the phase encoding, as in fastMRI's files. A volume (two phase encodings) is
transformed along the readout, and every position along it is a frame.

Source: Inati et al., MRM 2017, and `ismrmrd.h` of ismrmrd/ismrmrd.
"""

from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex

from emrnas_jax.data.readers.kspace_arrays import FoundKspace, arranged, slices_along
from emrnas_jax.data.readers.kspace_header import (
    FRAMES,
    Header,
    acquired_lines,
    image_size,
    parse_header,
)
from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import apply_to_coils, whitening_matrix

SUFFIXES = (".h5", ".hdf5", ".mrd")
# Bits of the flags, counted from 1.
NOISE, REVERSED = 19, 22
# Navigators, phase correction, feedback, dummies, and receiver corrections.
NO_IMAGE = (NOISE, 23, 24, 26, 27, 28, 29)


def takes(path: Path) -> bool:
    """Return whether the file is HDF5 with ISMRMRD's group.

    Raises:
        InputError: the file is damaged.
    """
    if path.suffix not in SUFFIXES:
        return False
    with reading(path), h5py.File(path) as file:
        return "data" in _group(file) and "xml" in _group(file)


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file.

    Raises:
        InputError: the file is damaged, not Cartesian, or contradicts its header; or
            `axes` is given, which its records have no use for.
    """
    if axes:
        raise InputError(f"{path}: ISMRMRD names its axes; leave out --kspace_axes")
    with reading(path), h5py.File(path) as file:
        group = _group(file)
        text: Any = group["xml"][()]
        records = group["data"][()]
    # Some programs write the header as a string, others as an array of one.
    text = text[0] if np.ndim(text) else text
    with reading(path):
        header = parse_header(text)
    if header.trajectory != "cartesian":
        raise InputError(
            f"{path}: the trajectory is {header.trajectory}, and Cartesian scans "
            "alone are read; grid it first"
        )
    head = records["head"]
    is_noise = _has(head, NOISE)
    is_image = ~np.logical_or.reduce([_has(head, bit) for bit in NO_IMAGE])
    # Other encodings are references of another size, such as separate calibration.
    is_image &= head["encoding_space_ref"] == 0
    if not is_image.any():
        raise InputError(f"{path}: holds no readouts of an image")
    kspace, mask = _laid(path, records[is_image], header)
    if is_noise.any():
        kspace = _whitened(path, kspace, records[is_noise])
    return _planes(_cut(kspace, header.readout), mask, header)


def _group(file: Any) -> Any:
    """Return the group of the scan; `dataset` unless it has another name."""
    groups = [item for item in file.values() if isinstance(item, h5py.Group)]
    return next((group for group in groups if "xml" in group), {})


def _has(head: Any, bit: int) -> Any:
    """Return whether a bit is set in one head, or in each of several."""
    return (head["flags"] & np.uint64(1 << (bit - 1))) != 0


def _laid(
    path: Path, records: np.ndarray, header: Header
) -> tuple[
    Complex[np.ndarray, "frame coil plane line sample"],
    Bool[np.ndarray, "frame plane line"],
]:
    """Lay every readout at its line, averages averaged, and return where there are any.

    The zero frequency is in the middle of every axis, at size // 2.
    """
    head = records["head"]
    coils = int(head["active_channels"][0])
    samples, lines, planes = header.encoded
    numbers = np.stack([head["idx"][name] for name in FRAMES], axis=1)
    # Counters may leave numbers out, as where only some slices were exported.
    frames, frame_of = np.unique(numbers, axis=0, return_inverse=True)
    kspace = np.zeros((len(frames), coils, planes, lines, samples), np.complex64)
    counts = np.zeros((len(frames), planes, lines), np.int32)
    positions = []
    for step, size, (_, centre) in zip(
        (1, 2), (lines, planes), header.lines, strict=True
    ):
        own = head["idx"][f"kspace_encode_step_{step}"].astype(int)
        positions.append(own - (size // 2 if centre is None else centre) + size // 2)
    for record, frame, line, plane in zip(
        records, frame_of.ravel(), *positions, strict=True
    ):
        if not (0 <= line < lines and 0 <= plane < planes):
            raise InputError(
                f"{path}: a readout lies at line {line}, plane {plane} of k-space, and "
                f"the header has {lines} lines and {planes} planes; the header is of "
                "another scan"
            )
        values, start = _readout(path, record, coils, samples)
        end = start + values.shape[1]
        kspace[frame, :, plane, line, start:end] += values
        counts[frame, plane, line] += 1
    kspace /= np.maximum(counts, 1)[:, None, :, :, None]
    return kspace, counts > 0


def _readout(
    path: Path, record: Any, coils: int, samples: int
) -> tuple[Complex[np.ndarray, "coil sample"], int]:
    """Return the samples of one readout, and the position of the first."""
    head = record["head"]
    count, channels = int(head["number_of_samples"]), int(head["active_channels"])
    values = np.asarray(record["data"], np.float32)
    if channels != coils or values.size != 2 * coils * count:
        raise InputError(
            f"{path}: a readout has {values.size // 2} values of {channels} coils and "
            f"{count} samples, and the first has {coils} coils; export it again"
        )
    found = values.view(np.complex64).reshape(coils, count)
    centre = int(head["center_sample"])
    if _has(head, REVERSED):
        found, centre = found[:, ::-1], count - 1 - centre
    kept = slice(int(head["discard_pre"]), count - int(head["discard_post"]))
    start = samples // 2 - centre + kept.start
    found = found[:, kept]
    if start < 0 or start + found.shape[1] > samples:
        raise InputError(
            f"{path}: a readout of {count} samples with its centre at {centre} does "
            f"not fit into the header's {samples} samples"
        )
    return found, start


def _whitened(
    path: Path, kspace: Complex[np.ndarray, "frame coil *rest"], noise: np.ndarray
) -> Complex[np.ndarray, "frame coil *rest"]:
    """Return k-space with the noise of its coils independent and alike."""
    coils = kspace.shape[1]
    parts = [
        np.asarray(record["data"], np.float32).view(np.complex64).reshape(coils, -1)
        for record in noise
        if int(record["head"]["active_channels"]) == coils
    ]
    if not parts:
        return kspace
    try:
        matrix = whitening_matrix(jnp.asarray(np.concatenate(parts, axis=1)))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # Of the variance 1 in each coil; their mean scale is kept.
    matrix = np.asarray(matrix)
    matrix = matrix / np.abs(np.linalg.det(matrix)) ** (1 / coils)
    # Planes and lines as one axis: the matrix acts on the coils alone.
    flat = kspace.reshape(*kspace.shape[:2], -1, kspace.shape[-1])
    mixed = apply_to_coils(jnp.asarray(matrix), jnp.asarray(flat))
    return np.asarray(mixed).reshape(kspace.shape)


def _cut(
    kspace: Complex[np.ndarray, "*axes sample"], readout: int
) -> Complex[np.ndarray, "*axes _"]:
    """Return k-space whose image is the middle of that along the readout."""
    samples = kspace.shape[-1]
    if readout == samples:
        return kspace
    image = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, -1), norm="ortho"), -1)
    first = samples // 2 - readout // 2
    middle = np.fft.ifftshift(image[..., first : first + readout], -1)
    return np.fft.fftshift(np.fft.fft(middle, norm="ortho"), -1).astype(np.complex64)


def _planes(
    kspace: Complex[np.ndarray, "frame coil plane line sample"],
    measured: Bool[np.ndarray, "frame plane line"],
    header: Header,
) -> FoundKspace:
    """Return the planes that are reconstructed one by one, and their masks."""
    frames, planes, lines = measured.shape
    _, kept_lines, kept_planes = image_size(header)
    acquired, warnings = _acquired(header)
    if planes == 1:
        # Rows are the readout, columns the lines.
        axes = ("frame", "coil", "slice", "column", "row")
        mask = measured.reshape(frames, 1, lines)
        size = kspace.shape[-1], kept_lines
    else:
        kspace = slices_along(kspace, axis=-1)
        axes = ("frame", "coil", "row", "column", "slice")
        mask = np.repeat(measured[:, None], kspace.shape[-1], 1)
        # The order of `arranged`: slices before frames.
        mask = mask.swapaxes(0, 1).reshape(-1, planes, lines)
        size = kept_planes, kept_lines
    found = arranged(kspace, axes)
    return FoundKspace(
        found,
        None if mask.all() else mask,
        from_scanner=True,
        acquired=acquired,
        size=None if size == found.shape[-2:] else size,
        warnings=warnings,
        header=header,
        stored=f"readouts of {kspace.shape[1]} coils",
    )


def _acquired(
    header: Header,
) -> tuple[Bool[np.ndarray, "plane line"] | None, tuple[str, ...]]:
    """Return which lines of which planes the header says were acquired, and a warning.

    Readouts lie where their counters say, so a header in doubt leaves them there.
    """
    try:
        lines, planes = (acquired_lines(header, step) for step in (1, 2))
    except ValueError as error:
        return None, (f"{error}; what it says of them is not used",)
    return planes[:, None] & lines, ()
