"""Stacks of complex images in HDF5: `images` [image, row, column].

Each image is divided by its largest magnitude, for the scanner's scale (about 1e-6 in
the SIAT set) carries no meaning. With `image_number` a subject is a block of 30
numbers, counted from 1: so the 200 SIAT images are ordered, three series of ten slices
for each volunteer. Without it one file is one subject.

Source: the SIAT set, Liu et al., Magn. Reson. Med. 83(1), 2020.
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
    unit_magnitude,
)

IMAGES_PER_SUBJECT = 30


def takes(path: Path) -> bool:
    """Return whether the file is HDF5 with complex `images`."""
    dtype = hdf5.datasets(path).get("images")
    return dtype is not None and dtype.kind == "c"


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the images of one file."""
    images = hdf5.load(path, "images")
    require_axes(images.shape, "image row column", f"{path}: `images`")
    numbered = "image_number" in hdf5.datasets(path)
    for number, image in zip(image_numbers(path, len(images)), images, strict=True):
        # Numbers count from 1, so that 1 to 30 are block 1.
        block = f"_{(number - 1) // IMAGES_PER_SUBJECT + 1}" if numbered else ""
        # Each on its own: the images of a file may come from scans of other scales.
        scaled = unit_magnitude(image, f"{path}: image {number}").astype(np.complex64)
        yield NamedImage(path.stem + block, number, 0, scaled)


SOURCE = Source(
    name="complex_hdf5",
    files="HDF5 with `images` [image, row, column], complex",
    dtype="complex64",
    takes=takes,
    read=read,
)
