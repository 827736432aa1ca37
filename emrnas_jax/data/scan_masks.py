"""The mask of every frame of a scan, from k-space itself or from what the user gives.

Here masks have three axes, [frame, row, column], one line wide where whole lines are
measured; the zero frequency is first.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Complex

from emrnas_jax.errors import InputError
from emrnas_jax.mri.mask_checks import require_centre
from emrnas_jax.mri.mask_files import StoredMask
from emrnas_jax.mri.sampling import PHASE_ENCODE

Masks = Bool[np.ndarray, "#frame #height #width"]


def nonzero_mask(kspace: Complex[np.ndarray, "frame height width"]) -> Masks:
    """Return the lines, or where these are not whole the samples, that are not zero."""
    samples = kspace != 0
    rows = samples.any(axis=2, keepdims=True)
    columns = samples.any(axis=1, keepdims=True)
    in_rows = np.count_nonzero(rows) * kspace.shape[2]
    in_columns = np.count_nonzero(columns) * kspace.shape[1]
    lines = rows if in_rows <= in_columns else columns
    # An exact zero inside a measured line is chance; one sample in a thousand is not.
    whole = np.count_nonzero(samples) >= 0.999 * min(in_rows, in_columns)
    return lines if whole else samples


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
        InputError: the masks do not fit the frames, or are no masks of such data.
    """
    values, variable, place = given
    count, *size = shape
    where = f"{scan}: --mask={place}"
    if _is_image(values, size):
        if _may_be_list(values, variable):
            raise InputError(
                f"{where}: {values.shape} may be one mask [row, column] or a list of "
                f"masks [mask, line] for frames of {size[0]} x {size[1]}; store it as "
                "[1, row, column], or as [mask, row, 1] or [mask, 1, column]"
            )
        masks = sized_masks(np.fft.ifftshift(values), size, where)
    elif values.ndim == 3:
        masks = sized_masks(np.fft.ifftshift(values, (1, 2)), size, where)
    else:
        lines = np.fft.ifftshift(np.atleast_2d(values), 1)
        masks = line_masks(lines, size, present, phase_encode, where)
    require_centre(masks, where)
    return one_each(masks, count, where)


def _is_image(values: Bool[np.ndarray, "..."], size: Sequence[int]) -> bool:
    height, width = size
    return values.shape in ((height, width), (height, 1))


def _may_be_list(values: Bool[np.ndarray, "row column"], variable: str) -> bool:
    """Return whether a matrix may be a list of masks of lines.

    It may if its variable is called so, or if each row measures the zero frequency;
    but not if it is the same along an axis, which makes it one mask of lines.
    """
    if np.all(values == values[:1]) or np.all(values == values[:, :1]):
        return False
    return variable == "masks" or bool(values[:, values.shape[1] // 2].all())


def line_masks(
    lines: Bool[np.ndarray, "mask line"],
    size: Sequence[int],
    present: Masks | None,
    phase_encode: str,
    place: str,
) -> Masks:
    """Lay masks of lines along the axis whose size they have.

    In square frames along the axis whose missing lines they explain, and where that
    does not decide, along the network's.

    Args:
        lines: True where measured.
        size: height and width of the frames.
        present: where k-space is not zero, if that is known.
        phase_encode: the network's axis, `rows` or `columns`.
        place: where the mask comes from, for messages.

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
        raise InputError(
            f"{place}: has {lines.shape[1]} lines, and the frames are {size[0]} x "
            f"{size[1]}; give a mask of that size"
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
    height, width = size
    sizes = ((height, 1), (1, width), (height, width))
    if masks.ndim not in (2, 3) or masks.shape[-2:] not in sizes:
        raise InputError(
            f"{place}: found the shape {masks.shape} for frames of {height} x {width}; "
            f"expected ({height},) or ({width},), or for one or for every frame "
            f"{', '.join(map(str, sizes))}"
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
    if left == total:
        return []
    return [
        f"k-space is zero on {1 - left / total:.0%} of what the mask marks as "
        "measured; that counts as not measured"
    ]
