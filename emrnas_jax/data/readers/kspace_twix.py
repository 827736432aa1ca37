"""Raw scans of Siemens: twix files, `.dat`, of the software VD, VE and XA.

`twixtools` reads them; what is made of their headers and readouts is in `twix_header`
and `twix_readouts`.

Source: twixtools (Ehses, MIT).
"""

import importlib.util
import logging
import re
from pathlib import Path
from typing import Any

from emrnas_jax.data.readers.geometry import Geometry
from emrnas_jax.data.readers.kspace_arrays import FoundKspace
from emrnas_jax.data.readers.source import reading
from emrnas_jax.data.readers.twix_header import stated_size
from emrnas_jax.data.readers.twix_readouts import kspace_of
from emrnas_jax.errors import InputError

LOG = logging.getLogger("emrnas_jax")

SUFFIX = ".dat"
# A header begins with its length and the number of its parts, the first of which has a
# name. Since VD a list of the measurements stands in front.
PART = re.compile(rb"[A-Za-z]{4,31}\x00")
LIST_BYTES, MOST_MEASUREMENTS = 10_240, 64


def takes(path: Path) -> bool:
    """Return whether the file is twix; other files end in `.dat` too."""
    if path.suffix.lower() != SUFFIX:
        return False
    try:
        return bool(_version(path))
    except OSError:
        return False


def _version(path: Path) -> str:
    """Return "VD" or "VB", the software that wrote the file; "" for another file."""
    with path.open("rb") as file:
        first, second = (int.from_bytes(file.read(4), "little") for _ in range(2))
        if PART.match(file.read(32)):
            return "VB"
        if first < LIST_BYTES and 0 < second <= MOST_MEASUREMENTS:
            file.seek(LIST_BYTES + 8)
            return "VD" if PART.match(file.read(32)) else ""
        return ""


def load(path: Path, axes: str) -> FoundKspace:
    """Read the file.

    Raises:
        InputError: twixtools is missing; the file is cut short, of an older software,
            or holds what is not read; or `axes` is given, which it has no use for.
    """
    if axes:
        raise InputError(f"{path}: twix names its axes; leave out --kspace_axes")
    if importlib.util.find_spec("twixtools") is None:
        raise InputError(
            f"{path}: twix files need twixtools, which is not installed; run "
            "python -m pip install 'emrnas-jax[twix]'"
        )
    if _version(path) == "VB":
        raise InputError(
            f"{path}: was written by the software VB, and VD, VE and XA are read; "
            "convert it with siemens_to_ismrmrd"
        )
    with reading(path):
        measurements = _read(path)
    if not measurements or not measurements[-1]["mdb"]:
        raise InputError(f"{path}: holds no readouts")
    if not measurements[-1]["mdb"][-1].is_flag_set("ACQEND"):
        raise InputError(
            f"{path}: the end of its measurement is missing, so it was aborted or the "
            "file is cut short; copy it again"
        )
    return kspace_of(path, measurements)


def pixel_size(path: Path, shape: tuple[int, int]) -> Geometry:
    """Return the size of the pixels of a file that was read.

    Args:
        path: twix file.
        shape: height and width of its images.

    Raises:
        InputError: the file is damaged.
    """
    with reading(path):
        measurements = _read(path, parse_data=False)
        return stated_size(measurements[-1]["hdr"], shape)


def _read(path: Path, *, parse_data: bool = True) -> list[dict[str, Any]]:
    import twixtools
    import twixtools.twixprot
    import twixtools.twixtools

    # It prints to the standard output, which belongs to the program.
    for module in (twixtools.twixtools, twixtools.twixprot):
        vars(module)["print"] = LOG.info
    return twixtools.read_twix(
        str(path),
        parse_data=parse_data,
        parse_pmu=False,
        parse_geometry=False,
        keep_acqend=True,
        verbose=False,
    )
