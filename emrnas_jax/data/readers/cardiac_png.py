"""The PNG export of the York cardiac frames: `mr_heart_pPPtTTzZ.png`.

One 8-bit grey image per frame. In the names subject and time count from 1, the slice
from 0.

Source: Zheng et al., NeurIPS 2019.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from emrnas_jax.data.readers.source import (
    NamedImage,
    Source,
    by_name,
    name_parts,
    reading,
)
from emrnas_jax.data.readers.york import subject_name
from emrnas_jax.errors import InputError

NAME = re.compile(r"mr_heart_p(\d+)t(\d+)z(\d+)\.png")


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the one frame of a PNG."""
    with reading(path), Image.open(path) as picture:
        mode, pixels = picture.mode, np.asarray(picture)
    # A palette or 16 bits would be read as other intensities without a word.
    if mode != "L":
        raise InputError(
            f"{path}: expected 8-bit grey levels (mode L), found mode {mode}; "
            "convert it to 8-bit grey"
        )
    # The names count time from 1, all other sources from 0.
    number, time, slice_ = map(int, name_parts(NAME, path))
    yield NamedImage(subject_name(number), slice_, time - 1, pixels)


SOURCE = Source(
    name="cardiac_png",
    files="mr_heart_pPPtTTzZ.png (York cardiac, exported)",
    dtype="uint8",
    takes=by_name(NAME),
    read=read,
)
