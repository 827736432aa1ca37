"""Stacks of magnitude images in HDF5: `images` [image, row, column], uint8.

One file is one subject, named by the file: such files do not say which images belong
together, and images of one subject must not end up on both sides of a fold. The
slice is `image_number` where the file has it, else the position.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emrnas_jax.data.readers import hdf5
from emrnas_jax.data.readers.source import NamedImage, Source, require_axes
from emrnas_jax.errors import InputError


def takes(path: Path) -> bool:
    """Return whether the file is HDF5 with `images` of 8-bit grey levels."""
    return hdf5.datasets(path).get("images") == np.uint8


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the images of one file."""
    images = hdf5.load(path, "images")
    require_axes(images.shape, "image row column", f"{path}: `images`")
    for number, image in zip(image_numbers(path, len(images)), images, strict=True):
        yield NamedImage(path.stem, number, 0, image)


def image_numbers(path: Path, count: int) -> list[int]:
    """Return the numbers of the images of a stack, their positions if not stored.

    Raises:
        InputError: `image_number` is not one integer per image.
    """
    if "image_number" not in hdf5.datasets(path):
        return list(range(count))
    numbers = hdf5.load(path, "image_number")
    # They name the images, so two of one number would be one image twice.
    if numbers.shape != (count,) or numbers.dtype.kind not in "ui":
        raise InputError(
            f"{path}: `image_number`: expected {count} integers, found "
            f"{numbers.dtype} of the shape {numbers.shape}; store one per image"
        )
    return numbers.tolist()


SOURCE = Source(
    name="magnitude_hdf5",
    files="HDF5 with `images` [image, row, column], 8-bit grey levels",
    dtype="uint8",
    takes=takes,
    read=read,
)
