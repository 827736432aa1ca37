"""Calgary-Campinas-359 magnitude volumes: `CC0001_philips_15_55_M.nii.gz`.

The name holds number, vendor, field strength in tenths of a tesla, age and sex. A
volume is divided by its maximum. Its slices are the planes across its shortest axis,
which in these sagittal acquisitions is left to right.

Source: Souza et al., NeuroImage 170, 2018.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Image

from emrnas_jax.data.readers.source import (
    NamedImage,
    Source,
    by_name,
    name_parts,
    reading,
    require_axes,
    unit_magnitude,
)
from emrnas_jax.errors import InputError

# The brain masks end in _ss and are not taken.
NAME = re.compile(r"(CC\d{4})_[a-z]+_\d+_\d+_[MF]\.nii(?:\.gz)?")


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the slices of one volume."""
    with reading(path):
        volume = np.asarray(Nifti1Image.from_filename(path).dataobj)
    require_axes(volume.shape, "x y z", str(path))
    if volume.dtype.kind not in "uif":
        raise InputError(
            f"{path}: expected real intensities, found {volume.dtype}; "
            "store the magnitude"
        )
    # Gradient correction interpolates, which can leave small negative values.
    scaled = np.clip(unit_magnitude(volume, str(path)), 0, 1).astype(np.float32)
    subject = name_parts(NAME, path)[0]
    for number, image in enumerate(np.moveaxis(scaled, np.argmin(volume.shape), 0)):
        yield NamedImage(subject, number, 0, image)


SOURCE = Source(
    name="calgary_nifti",
    files="CC0001_philips_15_55_M.nii.gz (Calgary-Campinas-359)",
    dtype="float32",
    takes=by_name(NAME),
    read=read,
)
