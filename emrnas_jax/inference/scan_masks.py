"""The mask of every frame of a scan, from k-space itself or from what the user gives.

Here masks have three axes, [frame, row, column], one line wide where whole lines are
measured; the zero frequency is first.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Complex

from emrnas_jax.data.readers.mask_files import StoredMask
from emrnas_jax.errors import InputError
from emrnas_jax.mri.sampling import PHASE_ENCODE

WHOLE = 0.95  # part of the samples of measured lines that is not zero, at least

Masks = Bool[np.ndarray, "#frame #height #width"]


def nonzero_mask(kspace: Complex[np.ndarray, "frame height width"]) -> Masks:
    """Return the lines, or where these are not whole the samples, that are not zero."""
    samples = kspace != 0
    rows = samples.any(axis=2, keepdims=True)
    columns = samples.any(axis=1, keepdims=True)
    in_rows = np.count_nonzero(rows) * kspace.shape[2]
    in_columns = np.count_nonzero(columns) * kspace.shape[1]
    lines = rows if in_rows <= in_columns else columns
    # Exact zeros inside measured lines are chance, or rounding to integers.
    whole = np.count_nonzero(samples) >= WHOLE * min(in_rows, in_columns)
    return lines if whole else samples


def doubts_of_samples(present: Masks) -> list[str]:
    """Return a sentence where a mask from zeros is of samples, not of lines.

    Args:
        present: `nonzero_mask`.
    """
    if 1 in present.shape[1:]:
        return []
    return [
        f"{1 - present.mean():.0%} of the samples are zero, scattered over k-space, "
        "and count as not measured; if they were measured and rounded to zero, use "
        "--fully_sampled or give the mask"
    ]


def given_masks(
    given: StoredMask,
    shape: Sequence[int],
    present: Masks | None,
    phase_encode: str,
    scan: str,
) -> Masks:
    """Return a mask for each frame of a scan, of what a file of masks holds.

    Two axes are [row, column] where they have the size of the frames, otherwise
    [mask, line]. What could be both is refused: as many frames as rows are a
    coincidence.

    Args:
        given: the file of masks.
        shape: frames, height and width of the scan.
        present: where k-space is not zero, if that is known.
        phase_encode: the network's axis, `rows` or `columns`.
        scan: its file, for messages.

    Raises:
        InputError: the masks do not fit the frames.
    """
    values, variable, place = given
    count, *size = shape
    where = f"{scan}: --mask={place}"
    is_list = variable != "mask" and len(values) == 1
    if values.ndim == 2 and not is_list and values.shape in _sizes(size):
        if _may_be_list(values, variable, count):
            raise InputError(
                f"{where}: {values.shape} may be one mask [row, column] or a list of "
                f"masks [mask, line] for frames of {size[0]} x {size[1]}; store it as "
                "[1, row, column], or as [mask, row, 1] or [mask, 1, column]"
            )
        masks = sized_masks(np.fft.ifftshift(values), size, where)
    elif 1 < len(values) != count and values.shape[::-1] in _sizes(size):
        masks = sized_masks(values, size, where)  # refuses it as transposed
    elif values.ndim == 3:
        masks = sized_masks(np.fft.ifftshift(values, (1, 2)), size, where)
    else:
        lines = np.fft.ifftshift(np.atleast_2d(values), 1)
        masks = line_masks(lines, size, present, phase_encode, where)
    return one_each(masks, count, where)


def _sizes(size: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the shapes of one mask: of rows, of columns and of samples."""
    height, width = size
    return (height, 1), (1, width), (height, width)


def _may_be_list(
    values: Bool[np.ndarray, "row column"], variable: str, count: int
) -> bool:
    """Return whether a matrix may be a list of masks of lines.

    Most masks of a list measure the zero frequency, so that a line of the matrix is
    full; a mask of samples has no full line, or as a radial one both. A matrix that is
    the same along an axis is one mask of lines, unless its variable is `masks` and
    there are as many frames.
    """
    if 1 in values.shape:
        return False
    if variable == "masks" and len(values) == count:
        return True
    if np.all(values == values[:1]) or np.all(values == values[:, :1]):
        return False
    height, width = values.shape
    full = [line.mean() > 0.8 for line in (values[:, width // 2], values[height // 2])]
    return bool(full[0] != full[1])


def line_masks(
    lines: Bool[np.ndarray, "mask line"],
    size: Sequence[int],
    present: Masks | None,
    phase_encode: str,
    place: str,
) -> Bool[np.ndarray, "..."]:
    """Lay masks of lines along the axis whose size they have.

    In square frames along the axis whose missing lines they explain, and where that
    does not decide, along the network's.

    Args:
        lines: True where measured, one for each mask.
        size: height and width of the frames.
        present: where k-space is not zero, if that is known.
        phase_encode: the network's axis, `rows` or `columns`.
        place: where the mask comes from, for messages.

    Returns:
        [mask, row, 1] or [mask, 1, column].

    Raises:
        InputError: the number of lines is neither height nor width.
    """
    laid = {"rows": lines[:, :, None], "columns": lines[:, None, :]}
    fitting = [
        axis
        for axis, length in zip(PHASE_ENCODE, size, strict=True)
        if length == lines.shape[1]
    ]
    if not fitting:
        turn = "; transpose it" if tuple(lines.shape) == tuple(size)[::-1] else ""
        raise InputError(
            f"{place}: masks of {lines.shape[1]} lines, and the frames are {size[0]} x "
            f"{size[1]}; give a mask of that size{turn}"
        )
    if len(fitting) == 2 and present is not None:
        explaining = [axis for axis in fitting if not np.any(present & ~laid[axis])]
        fitting = explaining if len(explaining) == 1 else fitting
    return laid[fitting[0] if len(fitting) == 1 else phase_encode]


def sized_masks(
    masks: Bool[np.ndarray, "..."], size: Sequence[int], place: str
) -> Masks:
    """Return masks of two or three axes with three.

    Raises:
        InputError: they do not fit the frames.
    """
    sizes = _sizes(size)
    if masks.ndim not in (2, 3) or masks.shape[-2:] not in sizes:
        turn = "; transpose it" if masks.shape[-2:][::-1] in sizes else ""
        lines = " or ".join(dict.fromkeys(f"({length},)" for length in size))
        raise InputError(
            f"{place}: found the shape {masks.shape} for frames of {size[0]} x "
            f"{size[1]}; expected {lines}, or for one or for every frame "
            f"{', '.join(map(str, sizes))}{turn}"
        )
    return narrow(masks.reshape(-1, *masks.shape[-2:]))


def one_each(masks: Masks, count: int, place: str) -> Masks:
    """Return one mask for each of `count` frames.

    Raises:
        InputError: there is neither one mask nor one for every frame.
    """
    if len(masks) not in (1, count):
        raise InputError(
            f"{place}: found {len(masks)} masks for {count} frames; give one mask, or "
            "one for every frame"
        )
    return np.broadcast_to(masks, (count, *masks.shape[1:]))


def narrow(masks: Masks) -> Masks:
    """Return masks of whole lines one line wide."""
    if np.all(masks == masks[:, :, :1]):
        return masks[:, :, :1]
    return masks[:, :1] if np.all(masks == masks[:, :1]) else masks


def measured_mask(mask: Masks, present: Masks, place: str) -> Masks:
    """Return where `mask` is True and k-space is not zero.

    Some files mark lines outside the acquired window, which hold zeros; fastMRI's own
    network leaves them out as well.

    Raises:
        InputError: that is less than half of what the mask marks.
    """
    # Of lines, those that are wholly zero: a single zero sample is a measurement.
    for axis in (1, 2):
        if mask.shape[axis] == 1:
            present = np.any(present, axis=axis, keepdims=True)
    both = mask & present
    if both.mean() < mask.mean() / 2:
        raise InputError(
            f"{place}: k-space is zero on most of what the mask marks as measured; "
            "check the mask's axis and order, and that 1 means measured"
        )
    return narrow(both)


def doubts_of_zeros(marked: Masks, measured: Masks) -> list[str]:
    """Return a sentence where k-space is zero on a part of what a mask marks.

    Args:
        marked: the mask as it was given.
        measured: what is left of it, `measured_mask`.
    """
    shape = np.broadcast_shapes(marked.shape, measured.shape)
    total, left = (
        np.count_nonzero(np.broadcast_to(mask, shape)) for mask in (marked, measured)
    )
    if left > 0.995 * total:
        return []
    return [
        f"k-space is zero on {1 - left / total:.0%} of what the mask marks as "
        "measured; that counts as not measured"
    ]
