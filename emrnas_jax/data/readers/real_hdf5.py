"""Stacks of magnitude images in HDF5 with other intensities than 8-bit grey levels.

`images` [image, row, column], integers or floating-point numbers, as a scanner or a
reconstruction program has them. A file is one subject, named by the file; it is divided
by its largest intensity, so its images keep their brightness relative to each other.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.magnitude_hdf5 import image_numbers
from emrnas_jax.data.readers.source import (
    NamedImage,
    Source,
    require_axes,
    unit_intensities,
)


def takes(path: Path) -> bool:
    """Return whether the file is HDF5 with real `images` that are not 8-bit."""
    dtype = hdf5.datasets(path).get("images")
    return dtype is not None and dtype.kind in "uif" and dtype != np.uint8


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the images of one file."""
    images = hdf5.load(path, "images")
    where = f"{path}: `images`"
    require_axes(images.shape, "image row column", where)
    scaled = unit_intensities(images, where)
    for number, image in zip(image_numbers(path, len(scaled)), scaled, strict=True):
        yield NamedImage(path.stem, number, 0, image)


SOURCE = Source(
    name="real_hdf5",
    files="HDF5 with `images` [image, row, column], other intensities",
    dtype="float32",
    takes=takes,
    read=read,
)
