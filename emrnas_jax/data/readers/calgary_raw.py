"""Calgary-Campinas single-channel raw data: `e14939s3_P44544.7.npy`.

k-space with the axes slice, row, column and (real, imaginary), zero frequency first. A
volume is divided by the largest magnitude of its images.

Source: Souza and Frayne, SIBGRAPI 2019.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np

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
from emrnas_jax.mri.fourier import ifft2, to_complex

NAME = re.compile(r"(e\d+s\d+_P\d+)\.7\.npy")


def read(path: Path) -> Iterator[NamedImage]:
    """Yield the slices of one volume."""
    with reading(path):
        kspace = np.load(path, allow_pickle=False)
    require_axes(kspace.shape, "slice row column part", str(path))
    if kspace.shape[-1] != 2 or kspace.dtype.kind != "f":
        raise InputError(
            f"{path}: expected real and imaginary parts on a last axis of 2, found "
            f"{kspace.dtype} of the shape {kspace.shape}; store k-space as it was "
            "published"
        )
    if not kspace.size:
        return
    # Scaled before too: float64 may hold what float32 cannot.
    kspace = unit_magnitude(kspace, str(path)).astype(np.float32)
    images = np.asarray(ifft2(to_complex(jnp.asarray(kspace))))
    subject = name_parts(NAME, path)[0]
    for number, image in enumerate(unit_magnitude(images, str(path))):
        yield NamedImage(subject, number, 0, image)


SOURCE = Source(
    name="calgary_raw",
    files="e14939s3_P44544.7.npy (Calgary-Campinas, single-channel raw)",
    dtype="complex64",
    takes=by_name(NAME),
    read=read,
)
