"""The header of a scan in XML: ISMRMRD's own, and that in fastMRI's `ismrmrd_header`.

It states the size of k-space (`encodedSpace`), that of the image (`reconSpace`), both
with x along the readout and y along the phase encoding, and which lines were acquired
(`encodingLimits`).

Source: the schema of ismrmrd/ismrmrd; `_retrieve_metadata` of fastMRI, for the columns
of padding.
"""

from math import prod
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Bool

# Counters that make a frame, the slowest first.
FRAMES = ("slice", "contrast", "phase", "repetition", "set")


class Lines(NamedTuple):
    """The lines of one phase encoding that were acquired.

    Attributes:
        maximum: number of the last line, counted from 0; None if it is not stated.
        centre: number of the line with the zero frequency; None if it is not stated.
    """

    maximum: int | None
    centre: int | None


class Header(NamedTuple):
    """What a header says of the first encoding.

    Attributes:
        trajectory: `cartesian`, `epi`, `radial`, ...
        encoded: size of k-space, (readout, lines, planes).
        image: size of the image along the same axes.
        encoded_mm: field of view of k-space, mm; 0 where it is not stated.
        image_mm: field of view of the image, mm; 0 where it is not stated.
        lines: acquired lines of both phase encodings.
        slices: number of slices; None if it is not stated.
        frames: number of slices, echoes, times and repetitions together; None if that
            of slices is not stated.
        calibration: how lines for calibration were acquired: `embedded` in the image's,
            `separate`, ...; "" where it is not stated.
    """

    trajectory: str
    encoded: tuple[int, int, int]
    image: tuple[int, int, int]
    encoded_mm: tuple[float, float, float]
    image_mm: tuple[float, float, float]
    lines: tuple[Lines, Lines]
    slices: int | None
    frames: int | None
    calibration: str

    @property
    def readout(self) -> int:
        """Number of samples of the readout within the field of view of the image."""
        samples = self.encoded[0]
        # Both spaces may be as fine with another number of samples.
        if not (self.image_mm[0] and self.encoded_mm[0]):
            return samples
        return min(round(samples * self.image_mm[0] / self.encoded_mm[0]), samples)


def parse_header(text: str | bytes) -> Header:
    """Read a header.

    Raises:
        ParseError: the text is no XML.
        ValueError: a number is none.
    """
    root = ElementTree.fromstring(text)

    def find(path: str) -> str | None:
        # Any namespace: versions of the format have had several.
        steps = "/".join(f"{{*}}{step}" for step in path.split("/"))
        found = root.find(f"{{*}}encoding/{steps}")
        return None if found is None else found.text

    def number(path: str) -> int | None:
        found = find(path)
        return None if found is None else int(found)

    def sizes(space: str) -> tuple[int, int, int]:
        x, y, z = (number(f"{space}/matrixSize/{axis}") or 1 for axis in "xyz")
        return x, y, z

    def extents(space: str) -> tuple[float, float, float]:
        path = f"{space}/fieldOfView_mm"
        x, y, z = (float(find(f"{path}/{axis}") or 0) for axis in "xyz")
        return x, y, z

    def lines(step: int) -> Lines:
        path = f"encodingLimits/kspace_encoding_step_{step}"
        return Lines(number(f"{path}/maximum"), number(f"{path}/center"))

    last = {name: number(f"encodingLimits/{name}/maximum") for name in FRAMES}
    slices = None if last["slice"] is None else last["slice"] + 1
    return Header(
        (find("trajectory") or "cartesian").strip().lower(),
        sizes("encodedSpace"),
        sizes("reconSpace"),
        extents("encodedSpace"),
        extents("reconSpace"),
        (lines(1), lines(2)),
        slices,
        None if slices is None else prod((n or 0) + 1 for n in last.values()),
        (find("parallelImaging/calibrationMode") or "").strip().lower(),
    )


def acquired_lines(header: Header, step: int = 1) -> Bool[np.ndarray, " line"]:
    """Return which lines were acquired, zero frequency in the middle.

    The others are zero padding, or left out on one side (partial Fourier). All are True
    where the header does not say it.

    Args:
        header: header of the scan.
        step: phase encoding, 1 or 2.

    Raises:
        ValueError: the header contradicts itself.
    """
    count, limits = header.encoded[step], header.lines[step - 1]
    if limits.maximum is None or limits.centre is None:
        return np.ones(count, bool)
    if not 0 <= limits.centre <= limits.maximum < count:
        raise ValueError(
            f"the header has {count} lines, and numbers them to {limits.maximum} with "
            f"the zero frequency at {limits.centre}"
        )
    first = count // 2 - limits.centre
    lines = np.arange(count)
    return (lines >= first) & (lines <= first + limits.maximum)


def image_size(header: Header) -> tuple[int, int, int]:
    """Return how much of the image of k-space the scanner keeps, along each axis.

    An axis whose pixels the scanner interpolates, so that they have another size, is
    kept whole; so is one that is shorter than the image.
    """
    kept = []
    for axis in range(3):
        count, wanted = header.encoded[axis], header.image[axis]
        whole_mm, image_mm = header.encoded_mm[axis], header.image_mm[axis]
        # Without fields of view pixels are taken to be of one size, as fastMRI does.
        same = count * image_mm / whole_mm if whole_mm and image_mm else wanted
        kept.append(wanted if abs(same - wanted) < 1 and wanted < count else count)
    return kept[0], kept[1], kept[2]
