"""Magnitude volumes in NIfTI, `.nii` or `.nii.gz` of any name, 3-D or 4-D.

Columns are the first and rows the second of the two axes within a slice, as they are
stored: nothing is turned or mirrored. Which axis counts slices a header may say. Else
it is the axis along which voxels are by far the longest, else the third. The fourth
axis counts frames. A volume is divided by its largest intensity.

Source: nifti1.h of the NIfTI Data Format Working Group.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry, from_affine
from emrnas_jax.data.readers.source import (
    NamedImage,
    Source,
    reading,
    unit_intensities,
)
from emrnas_jax.errors import InputError

ENDINGS = (".nii", ".nii.gz")
# The volumes of that data set have a reader of their own, and its masks have none.
CALGARY = re.compile(r"CC\d{4}_.*")
# Voxels that are longer than both others by this factor are those of a stack of slices.
LONGER = 1.2
WORDS = ("first", "second", "third")
MM = {"meter": 1e3, "mm": 1.0, "micron": 1e-3}


def takes(path: Path) -> bool:
    """Return whether the file is NIfTI by its ending."""
    return path.name.endswith(ENDINGS) and not CALGARY.match(path.name)


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the slices of a file, the frames of a slice one after another.

    Raises:
        InputError: the file is damaged, or holds no magnitude images.
    """
    with reading(path):
        image: Any = nibabel.load(path)
        values = np.asarray(image.dataobj)
    if values.dtype.kind not in "uif":
        raise InputError(
            f"{path}: expected real intensities, found {values.dtype}; "
            "store the magnitude"
        )
    axis, _ = _slice_axis(path, image)
    values = values.reshape(_shape(path, image))
    if values.size and np.all((values == values.min()) | (values == values.max())):
        raise InputError(
            f"{path}: holds no more than two different values, as a mask does; "
            "move it to another folder"
        )
    # [slice, frame, row, column]; rows are the later axis.
    ordered = np.moveaxis(values, axis, 0).transpose(0, 3, 2, 1)
    subject = path.name.removesuffix(".gz").removesuffix(".nii")
    scaled = unit_intensities(ordered, str(path))
    for slice_, frames in enumerate(scaled):
        for frame, pixels in enumerate(frames):
            yield NamedImage(subject, slice_, frame, pixels)


def about(path: Path) -> str:
    """Return in words which axis counts slices, and who says so."""
    with reading(path):
        image: Any = nibabel.load(path)
    axis, by = _slice_axis(path, image)
    return (
        f"NIfTI {' x '.join(map(str, image.shape))}, slices along the {WORDS[axis]} "
        f"axis ({by}), divided by the largest intensity"
    )


def geometry(path: Path) -> Geometry:
    """Return the place of the voxels, with slices as the last axis."""
    with reading(path):
        image: Any = nibabel.load(path)
        header = image.header
        unit = MM.get(header.get_xyzt_units()[0], 1.0)  # mostly mm where it is unknown
        zooms = (*header.get_zooms(), 1.0, 1.0)[:3]
        space = int(header["sform_code"] or header["qform_code"])
        affine = np.array(header.get_best_affine(), float)
    axis, _ = _slice_axis(path, image)
    within = [one for one in range(3) if one != axis]
    order = [*within, axis]
    if space and abs(np.linalg.det(affine)) > 0:
        affine[:3] *= unit
        return from_affine(affine[:, [*order, 3]], space)
    if min(zooms) <= 0:
        return UNKNOWN
    across, down, through = (float(zooms[one]) * unit for one in order)
    return Geometry((across, down, through))


def _shape(path: Path, image: Any) -> tuple[int, int, int, int]:
    """Return the sizes of the axes of space and of the frames.

    Raises:
        InputError: there are others.
    """
    shape = tuple(image.shape)
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    if not 2 <= len(shape) <= 4:
        raise InputError(
            f"{path}: expected the axes [x, y, z] or [x, y, z, frame], found the shape "
            f"{image.shape}; store one volume over time in a file"
        )
    x, y, z, frames = (*shape, 1, 1)[:4]
    return x, y, z, frames


def _slice_axis(path: Path, image: Any) -> tuple[int, str]:
    """Return the axis that counts slices, and the reason in words."""
    *sizes, _ = _shape(path, image)
    if sizes.count(1) == 1:
        return sizes.index(1), "the only one"
    stated = image.header.get_dim_info()[2]
    if stated is not None:
        return stated, "from the header"
    zooms = (*image.header.get_zooms(), 1.0, 1.0)[:3]
    longest = int(np.argmax(zooms))
    if zooms[longest] > LONGER * sorted(zooms)[1]:
        return longest, "that of the longest voxels"
    return 2, "assumed"


SOURCE = Source(
    name="nifti",
    files="NIfTI magnitude volumes (.nii, .nii.gz), [x, y, z] or [x, y, z, frame]",
    dtype="float32",
    takes=takes,
    read=read,
    geometry=geometry,
    about=about,
)
