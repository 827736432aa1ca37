"""Which DICOM files of a folder belong together: those of one series and one geometry.

A series keeps one image a file, so a file alone is one slice. Images of other sizes,
orientations or kinds (magnitude, phase) in the same series are read apart, because one
volume cannot hold them. Copies of a single image are read apart too.
"""

import time
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
# Age of the last change of a folder from which its files are not looked for again.
SETTLED_NS = 3_000_000_000
# Tags that say which images belong together.
TAGS = (
    *("SeriesInstanceUID", "SOPInstanceUID", "SeriesNumber", "PatientID"),
    *("Rows", "Columns", "ImageType", "ImageOrientationPatient", "NumberOfFrames"),
)
# Size and time of change of a file.
_State = tuple[int, int]


class _Header(NamedTuple):
    """What a file says of its image.

    Attributes:
        path: the file.
        group: series, size and kind, which are equal in one volume.
        directions: of its rows and columns, which are nearly equal in one volume.
        patient: number of the patient.
        image: identity of the image.
    """

    path: Path
    group: tuple[str, ...]
    directions: tuple[float, ...]
    patient: str
    image: str

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
    """
    return list(_folder(path).files_with(path))


def distinct_files_of_series(path: Path) -> list[Path]:
    """Return the files that are one volume with a file, to be read.

    Raises:
        InputError: an image of the volume stands in the folder twice.
    """
    folder = _folder(path)
    found: dict[str, Path] = {}
    for file in folder.files_with(path):
        # A file that cannot be read has no header, and is alone.
        image = folder.headers[file].image if file in folder.headers else ""
        if image in found:
            raise InputError(
                f"{file}: holds the same image as {found[image].name}; remove one of "
                "the two"
            )
        found[image] = file
    return list(found.values())


def place_among_series(path: Path) -> int:
    """Return the number of the volumes of the same patient before that of a file."""
    return _folder(path).places.get(path, 0)


class _Folder(NamedTuple):
    """The volumes of a folder.

    Attributes:
        states: size and time of change of every DICOM file.
        headers: header of every file that can be read.
        volumes: files of the volume of every file that can be read, by name.
        places: number of volumes of the same patient before that of every file.
    """

    states: dict[Path, _State]
    headers: dict[Path, _Header]
    volumes: dict[Path, list[Path]]
    places: dict[Path, int]

    def files_with(self, path: Path) -> list[Path]:
        """Return the files of the volume of a file, which is alone if unreadable."""
        return self.volumes.get(path, [path])


def _folder(path: Path) -> _Folder:
    """Return the volumes of the folder of a file."""
    if not has_pydicom():
        return _Folder({}, {}, {}, {})
    changed = path.parent.stat().st_mtime_ns
    # Clocks of file systems tick slowly, so a folder that was changed right now may
    # change once more without a later time.
    if time.time_ns() - changed > SETTLED_NS:
        found = _settled(path.parent, changed)
        # Files that were written over leave the folder's time as it is.
        if all(
            _state(file) == found.states.get(file) for file in found.files_with(path)
        ):
            return found
    return _grouped(_states(path.parent))


@lru_cache(maxsize=2)  # asked for every file of a folder of thousands
def _settled(folder: Path, changed: int) -> _Folder:
    """Return the volumes of a folder that was changed at a time."""
    del changed  # tells the states of a folder apart
    return _grouped(_states(folder))


def _states(folder: Path) -> tuple[tuple[Path, _State], ...]:
    files = sorted(file for file in folder.iterdir() if is_dicom(file))
    states = ((file, _state(file)) for file in files if file.is_file())
    return tuple((file, state) for file, state in states if state is not None)


def _state(file: Path) -> _State | None:
    try:
        state = file.stat()
    except OSError:  # a link that leads nowhere
        return None
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=2)
def _grouped(states: tuple[tuple[Path, _State], ...]) -> _Folder:
    headers = {
        path: header for path, _ in states if (header := _header(path)) is not None
    }
    _round_directions(headers)
    volumes: dict[tuple, list[_Header]] = {}
    patients: dict[str, set[tuple]] = {}
    for one in headers.values():
        volumes.setdefault(one.volume, []).append(one)
        patients.setdefault(one.patient, set()).add(one.volume)
    places = {
        (patient, volume): place
        for patient, those in patients.items()
        for place, volume in enumerate(sorted(those))
    }
    together: dict[Path, list[Path]] = {}
    for those in volumes.values():
        files = [one.path for one in those]
        # Copies of one image, such as in several encodings, are no volume.
        copies = len({one.image for one in those}) == 1
        together |= {file: [file] if copies else files for file in files}
    return _Folder(
        dict(states),
        headers,
        together,
        {path: places[one.patient, one.volume] for path, one in headers.items()},
    )


def _round_directions(headers: dict[Path, _Header]) -> None:
    """Give directions that are nearly equal in one group the same numbers."""
    known: dict[tuple[str, ...], list[tuple[float, ...]]] = {}
    for path, one in headers.items():
        # Files round their directions, so the first that is near names the group.
        firsts = known.setdefault(one.group, [])
        near = (
            first
            for first in firsts
            if len(first) == len(one.directions)
            and np.allclose(first, one.directions, atol=SAME_DIRECTION)
        )
        directions = next(near, None)
        if directions is None:
            firsts.append(directions := one.directions)
        headers[path] = one._replace(directions=directions)


def _header(path: Path) -> _Header | None:
    """Return the header of a file, None if it cannot be read."""
    from pydicom import dcmread

    try:
        dataset: Any = dcmread(path, stop_before_pixels=True, specific_tags=[*TAGS])
        series = str(dataset.get("SeriesInstanceUID", ""))
        kinds = dataset.get("ImageType") or ()
        image = str(dataset.get("SOPInstanceUID", path.name))
        # Many frames are a volume; of an unknown series nothing can be together.
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
        )
    # Whatever a damaged file raises is told by the one who reads it.
    except Exception:  # noqa: BLE001
        return None
