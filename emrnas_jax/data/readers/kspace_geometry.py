"""The pixel size of scans of k-space, from the header of ISMRMRD or of twix.

fastMRI's files keep it as `ismrmrd_header`, raw scans as `xml` in their group. Pixels
have the size of the encoded field of view over the encoded matrix, whether the readout
is cut or not. A header that does not fit k-space, which reading it has said, gives no
size. The header says nothing of the orientation.
"""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import h5py
import numpy as np

from emrnas_jax.data.readers import hdf5, kspace_hdf5, kspace_twix
from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry
from emrnas_jax.data.readers.kspace_arrays import text_of
from emrnas_jax.data.readers.kspace_header import Header, parse_header
from emrnas_jax.data.readers.source import reading

SUFFIXES = (*hdf5.SUFFIXES, ".mrd")


def kspace_geometry(path: Path, shape: tuple[int, int], axes: str = "") -> Geometry:
    """Return the pixel size of a file of k-space.

    Args:
        path: file of k-space.
        shape: height and width of its images.
        axes: names of the axes of k-space; "" for the file's own.

    Raises:
        InputError: the file is damaged.
    """
    if kspace_twix.takes(path):
        return kspace_twix.pixel_size(path, shape)
    if path.suffix not in SUFFIXES:
        return UNKNOWN
    is_raw = "kspace" not in hdf5.datasets(path)
    header = _raw_header(path) if is_raw else kspace_hdf5.header_of(path, axes)
    if header is None:
        return UNKNOWN
    matrix, field = header.encoded, header.encoded_mm
    if not all(matrix) or not all(field):
        return UNKNOWN
    x, y, z = (one / count for one, count in zip(field, matrix, strict=True))
    # Of a raw volume every position along the readout is a frame, see `kspace_ismrmrd`.
    turned = is_raw and matrix[2] > 1
    down, across, through = (z, y, x) if turned else (x, y, z)
    most = (matrix[2] if turned else matrix[0], matrix[1])
    # Images are cut from the encoded ones; larger ones are not those of the header.
    if shape[0] > most[0] or shape[1] > most[1]:
        return UNKNOWN
    return Geometry((across, down, through))


def _raw_header(path: Path) -> Header | None:
    """Return the header of a raw scan, None if there is none that can be read."""
    with reading(path), h5py.File(path) as file:
        groups = [item for item in file.values() if isinstance(item, h5py.Group)]
        group: Any = next((group for group in groups if "xml" in group), None)
        if group is None:
            return None
        text: Any = group["xml"][()]
    try:
        # Some programs write the header as a string, others as an array of one.
        return parse_header(text_of(text[0] if np.ndim(text) else text))
    except (ParseError, ValueError):
        return None
