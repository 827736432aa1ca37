"""Magnitude images in DICOM: series of single images, multi-frame and enhanced files.

A file stands for its series: all images of it that lie in the same folder are one
volume, divided by its largest intensity. Slices are sorted by their place, towards the
direction that rows and columns span; images of one place are frames, sorted by their
time where all images state it, and else by number.

A patient is named by a checksum, because numbers of patients belong into no result.
"""

import collections
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from emrnas_jax.data.readers.dicom_planes import (
    Plane,
    images_of,
    planes_of,
    read_dataset,
)
from emrnas_jax.data.readers.dicom_series import (
    SAME_DIRECTION,
    distinct_files_of_series,
    files_of_series,
    is_dicom,
    place_among_series,
)
from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry, from_affine
from emrnas_jax.data.readers.source import NamedImage, Source, unit_intensities
from emrnas_jax.errors import InputError

LOG = logging.getLogger("emrnas_jax")

# Places that differ by less are one, mm; files round them.
SAME_PLACE = 0.01
# Part of a slice's distance by which distances may differ, to be one.
UNEVEN = 0.02
# Number of slices that a warning names.
NAMED = 5
# Frames of the next series of a patient begin here, so that no two have one name.
NEXT_SERIES = 10_000
TO_NIFTI = np.array([-1.0, -1.0, 1.0])


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the images of the series of a file.

    Raises:
        InputError: pydicom is missing, an image is damaged or is no magnitude image, or
            is in the folder twice.
    """
    subject, planes, images = path.stem, [], []
    for file in distinct_files_of_series(path):
        dataset = read_dataset(file)
        subject = _subject(dataset) or subject
        planes += (own := planes_of(file, dataset))
        images += images_of(file, dataset, own)
    _require_one_volume(path, planes)
    slices, times = _numbers(planes)
    _warn_of_uncertain_times(path, planes, slices)
    first = NEXT_SERIES * place_among_series(path)
    volume = unit_intensities(np.stack(images), f"{path}: the series")
    order = sorted(range(len(planes)), key=lambda one: (slices[one], times[one]))
    for one in order:
        yield NamedImage(subject, slices[one], first + times[one], volume[one])


def _subject(dataset: Any) -> str:
    """Return a name for the patient, "" if the file knows none."""
    patient = dataset.get("PatientID") or dataset.get("StudyInstanceUID")
    if not patient:
        return ""
    return f"patient_{hashlib.sha256(str(patient).encode()).hexdigest()[:12]}"


def about(path: Path) -> str:
    """Return the numbers of files, slices and frames of a series, in words."""
    slices, times = _numbers(_places(path))
    return (
        f"DICOM (files: {len(files_of_series(path))}, slices: {len(set(slices))}, "
        f"frames of a slice: {len(set(times))}), divided by the largest intensity"
    )


def geometry(path: Path) -> Geometry:
    """Return the place of the pixels of the series of a file."""
    return _geometry(_places(path))


def _places(path: Path) -> list[Plane]:
    """Return the places of all images of a series, without reading their pixels."""
    return [
        plane
        for file in distinct_files_of_series(path)
        for plane in planes_of(file, read_dataset(file, with_pixels=False))
    ]


def _require_one_volume(path: Path, planes: list[Plane]) -> None:
    turned = [one.orientation for one in planes if one.orientation is not None]
    shapes = {one.shape for one in planes}
    if len(shapes) > 1 or (
        turned and np.ptp(turned, axis=0).max() > 2 * SAME_DIRECTION
    ):
        raise InputError(
            f"{path}: holds images of several sizes or orientations; store each in a "
            "file of its own"
        )


def _along(planes: list[Plane]) -> Float[np.ndarray, " plane"] | None:
    """Return the place of every image along the normal, mm; None if it is unknown."""
    directions = planes[0].orientation
    places = [one.position for one in planes if one.position is not None]
    if directions is None or len(places) < len(planes):
        return None
    return np.stack(places) @ np.cross(directions[0], directions[1])


def _numbers(planes: list[Plane]) -> tuple[list[int], list[int]]:
    """Return the slice and the time of every image, from 0."""
    by_number = sorted(range(len(planes)), key=lambda one: planes[one].number)
    slices, times = np.zeros((2, len(planes)), int)
    along = _along(planes)
    if along is None:
        slices[by_number] = np.arange(len(planes))
        return slices.tolist(), times.tolist()
    order = np.argsort(along)
    jumps = np.diff(along[order]) > SAME_PLACE
    slices[order] = np.concatenate([[0], np.cumsum(jumps)])
    if (stated := _stated_times(planes, slices.tolist())) is not None:
        return slices.tolist(), stated
    seen = collections.Counter()
    for one in by_number:
        times[one] = seen[slices[one]]
        seen[slices[one]] += 1
    return slices.tolist(), times.tolist()


def _stated_times(planes: list[Plane], slices: list[int]) -> list[int] | None:
    """Return the time of every image from 0, as files state it; None if they do not."""
    stated = [one.time for one in planes if one.time is not None]
    if len(stated) < len(planes):
        return None
    # Several images of a slice with one number: it tells something else than times.
    if len(set(zip(slices, stated, strict=True))) < len(planes):
        return None
    places = {time: place for place, time in enumerate(sorted(set(stated)))}
    return [places[time] for time in stated]


def _warn_of_uncertain_times(
    path: Path, planes: list[Plane], slices: list[int]
) -> None:
    counts = collections.Counter(slices)
    if len(set(counts.values())) < 2 or _stated_times(planes, slices) is not None:
        return
    often = collections.Counter(counts.values())
    usual = max(often, key=lambda count: (often[count], count))
    others = [
        f"slice {slice_} has {count}"
        for slice_, count in sorted(counts.items())
        if count != usual
    ]
    more = f", {len(others) - NAMED} others differ" if len(others) > NAMED else ""
    LOG.warning(
        "%s: the slices have different numbers of frames: %s%s, and the usual number "
        "is %d; so the times of frames are uncertain, export the whole series again",
        path,
        ", ".join(others[:NAMED]),
        more,
        usual,
    )


def _geometry(planes: list[Plane]) -> Geometry:
    spacing = planes[0].spacing
    if spacing is None:
        return UNKNOWN
    along, first = _along(planes), planes[0]
    down, across = spacing
    step = first.thickness or 1.0
    if along is None:
        # Pixels of a known size, and slices of a thickness that may be unknown.
        return Geometry((across, down, step)) if first.thickness else UNKNOWN
    slices, _ = _numbers(planes)
    places = np.array([along[slices.index(one)] for one in range(max(slices) + 1)])
    if len(places) > 1:
        steps = np.diff(places)
        step = float(np.mean(steps))
        if np.ptp(steps) > UNEVEN * step:
            # No affine describes slices at uneven distances.
            return Geometry((across, down, step))
    start, directions = planes[slices.index(0)], first.orientation
    assert directions is not None
    affine = np.eye(4)
    affine[:3, 0] = TO_NIFTI * directions[0] * across
    affine[:3, 1] = TO_NIFTI * directions[1] * down
    affine[:3, 2] = TO_NIFTI * np.cross(directions[0], directions[1]) * step
    affine[:3, 3] = TO_NIFTI * start.position
    return from_affine(affine)


SOURCE = Source(
    name="dicom",
    files="DICOM magnitude images (.dcm, .ima or no ending), single or multi-frame",
    dtype="float32",
    takes=is_dicom,
    read=read,
    geometry=geometry,
    about=about,
    together=files_of_series,
)
