"""Some frames of a file of k-space, read without the others.

A volume of many coils holds gigabytes, and memory not always as many. HDF5 with
`kspace`, `.npy` and SKM-TEA give the frames that are asked for alone; files of other
formats are read whole and then cut.
"""

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Complex

from emrnas_jax.data.readers.kspace_arrays import (
    FoundKspace,
    arranged,
    is_complex,
    joined,
)
from emrnas_jax.errors import InputError

ALL = slice(None)
# Names of coil maps beside k-space, as programs and data sets call them.
MAPS = ("sens_maps", "sensitivity_map", "coil_maps", "s_maps", "maps")
# The axes that are joined to frames, the slowest first.
FRAMES = ("slice", "frame")


def parse_frames(text: str) -> slice:
    """Return frames that are given as `first:end`, or as one number; all for "".

    Raises:
        InputError: the text is neither.
    """
    if not text:
        return ALL
    try:
        numbers = [int(word) for word in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers.append(numbers[0] + 1)
    if len(numbers) != 2 or not 0 <= numbers[0] < numbers[1]:
        raise InputError(
            f"--frames={text}: expected numbers counted from 0, such as 7 for one "
            "frame, or 10:12 for the frames 10 and 11"
        )
    return slice(*numbers)


def require_frames(frames: slice, count: int, path: Path) -> None:
    """Raise InputError if a file has fewer frames than are asked for."""
    if frames != ALL and frames.stop > count:
        raise InputError(
            f"{path}: has {count} frames, and --frames={frames.start}:{frames.stop} "
            f"asks for others; give numbers from 0 to {count - 1}"
        )


def count_frames(axes: tuple[str, ...], shape: tuple[int, ...]) -> int:
    """Return the number of frames of stored k-space."""
    return prod(size for name, size in zip(axes, shape, strict=False) if name in FRAMES)


def read_frames(
    stored: Any, axes: tuple[str, ...], frames: slice
) -> Complex[np.ndarray, "frame *coil height width"]:
    """Return some frames of stored k-space, as `arranged` orders them.

    Args:
        stored: array or HDF5 dataset, of which these frames alone are read.
        axes: names of its axes.
        frames: frames that there are.
    """
    if frames == ALL:
        return arranged(joined(stored[()]), axes)
    own = [axes.index(name) for name in FRAMES if name in axes]
    index, rest = [ALL] * len(axes), frames
    if own:
        # Frames that vary faster than slices are cut from those of whole slices.
        inner = stored.shape[own[1]] if len(own) == 2 else 1
        first = frames.start // inner
        index[own[0]] = slice(first, -(-frames.stop // inner))
        rest = slice(frames.start - first * inner, frames.stop - first * inner)
    return arranged(joined(stored[tuple(index)]), axes)[rest]


def cut_frames(found: FoundKspace, frames: slice, path: Path) -> FoundKspace:
    """Return some frames of k-space that was read whole.

    Raises:
        InputError: there are fewer, or coil maps of another number.
    """
    count = len(found.kspace)
    require_frames(frames, count, path)
    maps = found.coil_maps
    if maps is not None:
        maps = maps[_frames_of_maps(len(maps), frames, count, path)]
    mask = cut_mask(found.mask, frames, count)
    return found._replace(
        kspace=found.kspace[frames], mask=mask, coil_maps=maps, total=count
    )


def cut_mask(mask: np.ndarray | None, frames: slice, count: int) -> np.ndarray | None:
    """Return the masks of some of `count` frames, where each has its own."""
    each = mask is not None and mask.ndim == 3 and len(mask) == count
    return mask[frames] if mask is not None and each else mask


def _frames_of_maps(own: int, frames: slice, count: int, path: Path) -> slice:
    """Return which coil maps are those of some frames: all where one set is for all.

    Args:
        own: number of frames that have maps.
        frames: frames of k-space that are wanted.
        count: number of frames of k-space.
        path: file, for messages.

    Raises:
        InputError: there are neither maps for all frames nor for each.
    """
    if own == count:
        return frames
    # Of the whole, `check_maps` refuses them.
    if frames != ALL and own != 1:
        raise InputError(
            f"{path}: has coil maps of {own} frames, and k-space of {count}; store one "
            "set for all frames, or one for each"
        )
    return ALL


def arranged_maps(
    file: Mapping[str, Any],
    axes: tuple[str, ...],
    path: Path,
    frames: slice = ALL,
    count: int = 0,
) -> Complex[np.ndarray, "frame coil height width"] | None:
    """Return the coil maps of a file, None where there are none or there is one coil.

    Args:
        file: arrays by name.
        axes: names of the axes of k-space, which maps have too; those of frames may be
            left out.
        path: file, for messages.
        frames: frames whose maps are wanted, where each has its own.
        count: number of frames of k-space, where some are wanted.

    Raises:
        InputError: maps have other axes than k-space, or are of other frames.
    """
    name = next((name for name in MAPS if name in file), None)
    if name is None or "coil" not in axes:
        return None
    stored = file[name]
    if not is_complex(stored.dtype):
        raise InputError(
            f"{path}: `{name}`: expected complex coil maps, found {stored.dtype}; "
            "store them as complex values, or leave them out and they are estimated"
        )
    each = tuple(axis for axis in axes if axis not in ("slice", "frame"))
    fitting = [order for order in (axes, each) if len(order) == stored.ndim]
    if not fitting:
        raise InputError(
            f"{path}: `{name}` has the shape {stored.shape}, and k-space the axes "
            f"{','.join(axes)}; store maps of several sets, or of other axes, "
            "elsewhere, and they are estimated"
        )
    own = count_frames(fitting[0], stored.shape)
    wanted = _frames_of_maps(own, frames, count, path)
    found = read_frames(stored, fitting[0], wanted)
    return found if found.ndim == 4 else found[:, None]
