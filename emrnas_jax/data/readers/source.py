"""The interface of a source of images, and the checks that every image passes.

A source recognises its files and reads one of them. It yields images as they should
enter the package: 8-bit grey levels, or float32 or complex64 with a magnitude in
[0, 1]. Everything that depends on a file format is in one module per source;
`recognition` lists them.
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry
from emrnas_jax.errors import InputError

LOG = logging.getLogger("emrnas_jax")


class NamedImage(NamedTuple):
    """One image and its names.

    Attributes:
        subject: name of the person scanned; folds are drawn by subject.
        slice: number of the slice, from 0 unless the files number it otherwise.
        frame: number of the time, from 0; 0 where there is only one.
        image: pixels [height, width], uint8, float32 or complex64; float32 [height,
            width, 2, coil, 2] of several coils (`data.coil_images`).
    """

    subject: str
    slice: int
    frame: int
    image: np.ndarray


@dataclass(frozen=True)
class Source:
    """One kind of files.

    Attributes:
        name: short name, for the cache folder and the results.
        files: name or content of its files in words, for messages.
        dtype: type of its images: uint8, float32 or complex64.
        takes: function that returns whether a file is of this kind.
        read: function that yields the images of one file; `read_file` adds the checks.
        geometry: function that returns the place of the pixels of one file.
        about: function that returns what a file holds, in words; "" without them.
        together: function that returns the files that are read with one: a series of
            DICOM is many files, and most files stand alone.
    """

    name: str
    files: str
    dtype: str
    takes: Callable[[Path], bool]
    read: Callable[[Path], Iterator[NamedImage]]
    geometry: Callable[[Path], Geometry] = lambda _: UNKNOWN
    about: Callable[[Path], str] = lambda _: ""
    together: Callable[[Path], list[Path]] = lambda path: [path]


def read_file(source: Source, path: Path) -> Iterator[NamedImage]:
    """Yield the images of one file, checked.

    A constant image (empty slices at the ends of a volume) holds nothing to
    reconstruct and has an infinite PSNR, so it is left out; the others keep their
    numbers. A file without any other image is refused.

    Raises:
        InputError: the file is damaged, or its content is not that of the source.
    """
    constant, used = 0, 0
    for named in source.read(path):
        image = named.image
        where = f"{path}: slice {named.slice}, frame {named.frame}"
        if not image.size:
            raise InputError(
                f"{where} is empty, {image.shape[0]} x {image.shape[1]} pixels; "
                "export the file again"
            )
        require_finite(image, where)
        # Compared exactly: noise alone is an image, however dark.
        if np.all(image == image.flat[0]):
            constant += 1
            continue
        used += 1
        yield named
    if constant:
        LOG.info("%s: left out %d constant images", path, constant)
    if not used:
        found = f"only constant images ({constant})" if constant else "no frames"
        raise InputError(f"{path}: found {found}; export the file again or remove it")


def require_finite(values: np.ndarray, where: str) -> None:
    """Raise InputError, with `where` in front, if a value is NaN or infinite."""
    # Counted, so that one bad pixel can be told from a file of NaN.
    bad = int(np.size(values) - np.count_nonzero(np.isfinite(values)))
    if bad:
        raise InputError(
            f"{where}: found {bad} NaN or infinite values of {np.size(values)}; "
            "export the file again or remove it"
        )


def require_whole(setting: str, value: object, least: int) -> None:
    """Raise InputError if a setting is not a whole number of at least `least`."""
    if not isinstance(value, int) or value < least:
        raise InputError(
            f"{setting}: expected a whole number of at least {least}, found {value!r}"
        )


def require_axes(shape: tuple[int, ...], axes: str, where: str) -> None:
    """Check the number of axes of an array.

    Args:
        shape: shape of the array.
        axes: names of the expected axes, separated by spaces.
        where: file and variable, for messages.

    Raises:
        InputError: there are more or fewer axes.
    """
    if len(shape) != len(axes.split()):
        raise InputError(
            f"{where}: expected the axes [{', '.join(axes.split())}], found the shape "
            f"{shape}; store it with these axes"
        )


def unit_magnitude(values: np.ndarray, where: str) -> np.ndarray:
    """Return `values` divided by their largest magnitude; zeros stay zeros.

    Raises:
        InputError: a value is NaN or infinite.
    """
    require_finite(values, where)
    largest = np.abs(values).max(initial=0)
    return values / largest if largest else values


# Interpolation leaves small negative values in magnitude images.
MOST_NEGATIVE = 0.05  # of the largest intensity


def unit_intensities(values: np.ndarray, where: str) -> np.ndarray:
    """Return real magnitudes divided by the largest, float32 in [0, 1].

    Raises:
        InputError: a value is NaN or infinite, or values are no magnitudes.
    """
    # int16 cannot hold the magnitude of its lowest value, nor float32 large integers.
    exact = values.astype(np.result_type(values.dtype, np.float32))
    scaled = unit_magnitude(exact, where)
    if scaled.min(initial=0) < -MOST_NEGATIVE:
        raise InputError(
            f"{where}: expected magnitudes, found values down to {values.min():g}; "
            "store the magnitude, or complex values"
        )
    return np.clip(scaled, 0, 1).astype(np.float32)


def by_name(pattern: re.Pattern[str]) -> Callable[[Path], bool]:
    """Return a test for files whose whole name matches `pattern`."""
    return lambda path: pattern.fullmatch(path.name) is not None


def name_parts(pattern: re.Pattern[str], path: Path) -> tuple[str, ...]:
    """Return the groups of `pattern` in the name of a file that it takes."""
    match = pattern.fullmatch(path.name)
    if match is None:
        raise InputError(f"{path}: expected a name like {pattern.pattern}")
    return match.groups()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn any exception of a library inside into an InputError that names the file.

    Raises:
        InputError: the file cannot be opened or read.
        MemoryError: it is too large, and may be whole.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except PermissionError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error
    # Files cut or overwritten at random made the libraries raise sixteen types, an
    # UnboundLocalError among them. So only calls to a library stand inside.
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{path}: cannot be read, it may be cut short or damaged ({reason}); "
            "copy it again or remove it"
        ) from error
