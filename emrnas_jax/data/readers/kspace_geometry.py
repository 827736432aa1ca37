"""The pixel size of scans of k-space, from the header of ISMRMRD or of twix.

fastMRI's files keep it as `ismrmrd_header`, raw scans as `xml` in their group. Pixels
have the size of the encoded field of view over the encoded matrix, whether the readout
is cut or not. The header says nothing of the orientation.
"""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import h5py
import numpy as np

from emrnas_jax.data.readers import hdf5, kspace_twix
from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry
from emrnas_jax.data.readers.kspace_arrays import text_of
from emrnas_jax.data.readers.kspace_header import parse_header
from emrnas_jax.data.readers.source import reading

SUFFIXES = (*hdf5.SUFFIXES, ".mrd")


def kspace_geometry(path: Path, shape: tuple[int, int]) -> Geometry:
    """Return the pixel size of a file of k-space.

    Args:
        path: file of k-space.
        shape: height and width of its images.

    Raises:
        InputError: the file is damaged.
    """
    if kspace_twix.takes(path):
        return kspace_twix.pixel_size(path, shape)
    if path.suffix not in SUFFIXES:
        return UNKNOWN
    with reading(path), h5py.File(path) as file:
        text = _header(file)
    try:
        header = parse_header(text)
    except (ParseError, ValueError):
        return UNKNOWN  # reading k-space has said that it is damaged
    matrix, field = header.encoded, header.encoded_mm
    if not all(matrix) or not all(field):
        return UNKNOWN
    x, y, z = (one / count for one, count in zip(field, matrix, strict=True))
    # Of a volume every position along the readout is a frame, see `kspace_ismrmrd`.
    down, across, through = (x, y, z) if matrix[2] == 1 else (z, y, x)
    most = (matrix[0], matrix[1]) if matrix[2] == 1 else (matrix[2], matrix[1])
    # Images are cut from the encoded ones; larger ones are not those of the header.
    if shape[0] > most[0] or shape[1] > most[1]:
        return UNKNOWN
    return Geometry((across, down, through))


def _header(file: Any) -> str:
    if "ismrmrd_header" in file:
        return text_of(file["ismrmrd_header"])
    groups = [item for item in file.values() if isinstance(item, h5py.Group)]
    group: Any = next((group for group in groups if "xml" in group), None)
    if group is None:
        return ""
    text: Any = group["xml"][()]
    # Some programs write the header as a string, others as an array of one.
    return text_of(text[0] if np.ndim(text) else text)
