"""Which DICOM files of a folder belong together: those of one series and one geometry.

A series keeps one image a file, so a file alone is one slice. Images of other sizes,
orientations or kinds (magnitude, phase) in the same series are read apart, because one
volume cannot hold them. Copies of a single image are read apart too.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from emrnas_jax.data.readers.dicom_library import has_pydicom
from emrnas_jax.errors import InputError

SUFFIXES = (".dcm", ".dicom", ".ima")
# The four bytes after the preamble of every DICOM file.
MARK, MARK_AT = b"DICM", 128
# Difference of unit vectors up to which they are one direction.
SAME_DIRECTION = 0.01
# Tags that say which images belong together.
TAGS = (
    *("SeriesInstanceUID", "SOPInstanceUID", "SeriesNumber", "PatientID"),
    *("Rows", "Columns", "ImageType", "ImageOrientationPatient", "NumberOfFrames"),
)


class _Header(NamedTuple):
    """What a file says of its image.

    Attributes:
        path: the file.
        group: series, size and kind, which are equal in one volume.
        directions: of its rows and columns, which are nearly equal in one volume.
        patient: number of the patient.
        image: identity of the image.
        alone: whether the file holds a whole volume.
    """

    path: Path
    group: tuple[str, ...]
    directions: tuple[float, ...]
    patient: str
    image: str
    alone: bool

    @property
    def volume(self) -> tuple:
        """What is equal in all images of one volume."""
        return self.group, self.directions


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM by its ending or, without one, by its mark."""
    if path.suffix.lower() in SUFFIXES:
        return True
    # An index of other files, without images.
    if path.suffix or path.name == "DICOMDIR":
        return False
    try:
        with path.open("rb") as file:
            return file.read(MARK_AT + len(MARK))[MARK_AT:] == MARK
    except OSError:
        return False


def files_of_series(path: Path) -> list[Path]:
    """Return the files that are one volume with a file, by name; it is one of them.

    A file that cannot be read is alone, and the reason is told when it is read.

    Raises:
        InputError: an image of the volume stands in the folder twice.
    """
    headers = _folder_headers(path)
    own = next((one for one in headers if one.path == path), None)
    if own is None or own.alone:
        return [path]
    volume = [one for one in headers if one.volume == own.volume]
    images: dict[str, Path] = {}
    twice = None
    for one in volume:
        if one.image in images:
            twice = twice or (images[one.image], one.path)
        images.setdefault(one.image, one.path)
    if twice is None:
        return [one.path for one in volume]
    # Copies of one image, such as in several encodings, are no volume.
    if len(images) == 1:
        return [path]
    raise InputError(
        f"{twice[1]}: holds the same image as {twice[0].name}; remove one of the two"
    )


def place_among_series(path: Path) -> int:
    """Return the number of the volumes of the same patient before that of a file."""
    headers = _folder_headers(path)
    own = next((one for one in headers if one.path == path), None)
    if own is None:
        return 0
    volumes = {one.volume for one in headers if one.patient == own.patient}
    return sorted(volumes).index(own.volume)


def _folder_headers(path: Path) -> Sequence[_Header]:
    if not has_pydicom():
        return ()
    files = sorted(file for file in path.parent.iterdir() if is_dicom(file))
    states = [(file, file.stat()) for file in files if file.is_file()]
    return _headers(
        tuple((file, state.st_size, state.st_mtime_ns) for file, state in states)
    )


@lru_cache(maxsize=2)  # asked for every file of a folder of thousands
def _headers(states: tuple[tuple[Path, int, int], ...]) -> tuple[_Header, ...]:
    found = [header for path, *_ in states if (header := _header(path)) is not None]
    known: list[_Header] = []
    for one in found:
        # Files round their directions, so the first that is near names the group.
        near = (
            other.directions
            for other in known
            if other.group == one.group
            and len(other.directions) == len(one.directions)
            and np.allclose(other.directions, one.directions, atol=SAME_DIRECTION)
        )
        known.append(one._replace(directions=next(near, one.directions)))
    return tuple(known)


def _header(path: Path) -> _Header | None:
    """Return the header of a file, None if it cannot be read."""
    from pydicom import dcmread

    try:
        dataset: Any = dcmread(path, stop_before_pixels=True, specific_tags=[*TAGS])
        series = str(dataset.get("SeriesInstanceUID", ""))
        kinds = dataset.get("ImageType") or ()
        image = str(dataset.get("SOPInstanceUID", path.name))
        # Of an unknown series nothing can be together.
        alone = int(dataset.get("NumberOfFrames") or 1) > 1 or not series
        number = f"{int(dataset.get('SeriesNumber') or 0):012d}"
        size = f"{dataset.get('Rows')} x {dataset.get('Columns')}"
        directions = dataset.get("ImageOrientationPatient") or ()
        return _Header(
            path,
            (number, series, size, *map(str, kinds), *[image] * alone),
            tuple(float(one) for one in directions),
            str(dataset.get("PatientID") or ""),
            image,
            alone,
        )
    # Whatever a damaged file raises is told by the one who reads it.
    except Exception:  # noqa: BLE001
        return None
