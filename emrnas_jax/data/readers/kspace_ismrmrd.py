"""Raw scans as ISMRMRD stores them in HDF5: one record per readout, and an XML header.

What becomes of the readouts is in `kspace_readouts`. Lines for calibration alone may
have another contrast, and belong to the image where the header says that they are
embedded in it. The result is cut to the image's field of view along the phase encodings
too.

Source: Inati et al., MRM 2017, and `ismrmrd.h` of ismrmrd/ismrmrd.
"""

from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Bool

from emrnas_jax.data.readers.kspace_arrays import FoundKspace
from emrnas_jax.data.readers.kspace_header import (
    FRAMES,
    Header,
    acquired_lines,
    image_size,
    parse_header,
)
from emrnas_jax.data.readers.kspace_readouts import (
    Grid,
    Place,
    Readout,
    cut_readout,
    in_planes,
    laid,
    trimmed,
    whitened,
)
from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError

SUFFIXES = (".h5", ".hdf5", ".mrd")
# Bits of the flags, counted from 1.
NOISE, CALIBRATION, CALIBRATION_AND_IMAGE, REVERSED = 19, 20, 21, 22
# Navigators, phase correction, feedback, dummies, receiver corrections, and phase
# stabilisation with its reference.
NO_IMAGE = (NOISE, 23, 24, 26, 27, 28, 29, 30, 31)
EMBEDDED = "embedded"  # the mode of calibration whose lines are the image's too


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
    places = _places(head, header)
    is_image, doubts = _without_calibration(head, is_image, places, header.calibration)
    if not is_image.any():
        raise InputError(f"{path}: holds no readouts of an image")
    images = records[is_image]
    coils = int(images["head"]["active_channels"][0])
    kspace, mask = laid(
        path,
        list(compress(places, is_image)),
        _readouts(path, images, coils, header.encoded[0]),
        coils,
        Grid(*header.encoded),
    )
    kspace = whitened(path, kspace, _noise(records[is_noise], coils))
    acquired, warnings = _acquired(header)
    found = in_planes(cut_readout(kspace, header.readout), mask, doubts + warnings)
    return found._replace(
        acquired=acquired,
        size=_kept(header, found.kspace.shape),
        header=header,
        stored=f"readouts of {coils} coils",
    )


def _group(file: Any) -> Any:
    """Return the group of the scan; `dataset` unless it has another name."""
    groups = [item for item in file.values() if isinstance(item, h5py.Group)]
    return next((group for group in groups if "xml" in group), {})


def _has(head: Any, bit: int) -> Any:
    """Return whether a bit is set in one head, or in each of several."""
    return (head["flags"] & np.uint64(1 << (bit - 1))) != 0


def _without_calibration(
    head: np.ndarray,
    is_image: Bool[np.ndarray, " readout"],
    places: list[Place],
    mode: str,
) -> tuple[Bool[np.ndarray, " readout"], tuple[str, ...]]:
    """Return which readouts are the image's, and a warning where that is not certain.

    Args:
        head: heads of all readouts.
        is_image: True for those of the image, and of calibration.
        places: places of all readouts.
        mode: how calibration was acquired, see `Header`.
    """
    alone = _has(head, CALIBRATION) & ~_has(head, CALIBRATION_AND_IMAGE) & is_image
    if mode == EMBEDDED or not alone.any():
        return is_image, ()
    imaged = set(compress(places, is_image & ~alone))
    # Not averaged with the image's own line, which may have another contrast.
    added = alone & np.array([not mode and place not in imaged for place in places])
    if not added.any():
        return is_image & ~alone, ()
    text = (
        f"{np.count_nonzero(added)} readouts are of calibration alone, and the header "
        "has no `calibrationMode`; they are taken as lines of the image"
    )
    return is_image & ~alone | added, (text,)


def _places(head: np.ndarray, header: Header) -> list[Place]:
    """Return where every readout goes."""
    positions = []
    for step, size, (_, centre) in zip(
        (1, 2), header.encoded[1:], header.lines, strict=True
    ):
        own = head["idx"][f"kspace_encode_step_{step}"].astype(int)
        middle = size // 2
        positions.append(own - (middle if centre is None else centre) + middle)
    frames = np.stack([head["idx"][name] for name in FRAMES], axis=1).tolist()
    return [
        Place(tuple(frame), int(line), int(plane))
        for frame, line, plane in zip(frames, *positions, strict=True)
    ]


def _readouts(
    path: Path, records: np.ndarray, coils: int, size: int
) -> Iterator[Readout]:
    """Yield the samples of every readout.

    Raises:
        InputError: readouts have different coils, or do not fit into k-space.
    """
    for record in records:
        head = record["head"]
        count, channels = int(head["number_of_samples"]), int(head["active_channels"])
        values = np.asarray(record["data"], np.float32)
        if channels != coils or values.size != 2 * coils * count:
            raise InputError(
                f"{path}: a readout has {values.size // 2} values of {channels} coils "
                f"and {count} samples, and the first has {coils} coils; export it again"
            )
        yield trimmed(
            path,
            values.view(np.complex64).reshape(coils, count),
            int(head["center_sample"]),
            size,
            backwards=bool(_has(head, REVERSED)),
            discard=(int(head["discard_pre"]), int(head["discard_post"])),
        )


def _noise(records: np.ndarray, coils: int) -> list[np.ndarray]:
    """Return the samples of noise scans of the same coils."""
    return [
        np.asarray(record["data"], np.float32).view(np.complex64).reshape(coils, -1)
        for record in records
        if int(record["head"]["active_channels"]) == coils
    ]


def _kept(header: Header, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the rows and columns of the image that the scanner keeps; None for all."""
    _, lines, planes = image_size(header)
    # Of a volume, planes are rows; else the readout is, which is cut already.
    size = (shape[-2] if header.encoded[2] == 1 else planes, lines)
    return None if size == shape[-2:] else size


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
