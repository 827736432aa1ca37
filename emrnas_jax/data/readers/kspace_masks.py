"""The masks of the frames of a scan, from their k-space or from stored masks.

Here masks have three axes, [frame, row, column], one line wide where whole lines are
measured, with the zero frequency first.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Shaped

from emrnas_jax.errors import InputError
from emrnas_jax.mri.sampling import PHASE_ENCODE

WHOLE = 0.95  # least part of the samples of measured lines that is not zero

Masks = Bool[np.ndarray, "#frame #height #width"]


def nonzero_mask(kspace: Shaped[np.ndarray, "frame *coil height width"]) -> Masks:
    """Return the lines that are not zero, or the samples where lines are not whole.

    A sample is not zero if that of any coil is not.
    """
    samples = kspace != 0
    if samples.ndim == 4:
        samples = samples.any(axis=1)
    rows = samples.any(axis=2, keepdims=True)
    columns = samples.any(axis=1, keepdims=True)
    in_rows = np.count_nonzero(rows) * samples.shape[2]
    in_columns = np.count_nonzero(columns) * samples.shape[1]
    # The axis along which fewer samples are needed to hold all that is not zero.
    lines = rows if in_rows <= in_columns else columns
    # Exact zeros inside measured lines are chance, or rounding to integers.
    whole = np.count_nonzero(samples) >= WHOLE * min(in_rows, in_columns)
    return lines if whole else samples


def sample_warnings(present: Masks) -> list[str]:
    """Warn where zeros may be no missing lines, and no header says what they are.

    Args:
        present: the mask that `nonzero_mask` found.
    """
    # One line wide: whole lines are missing, as Cartesian sampling leaves them.
    for axis, name in ((1, "rows"), (2, "columns")):
        if present.shape[3 - axis] == 1 < present.shape[axis]:
            lines = np.fft.fftshift(np.any(present, axis=(0, 3 - axis)))
            return _window_warnings(lines, name)
    return [
        f"{1 - present.mean():.0%} of the samples are zero, scattered over k-space, "
        "and count as not measured; if they were measured and rounded to zero, use "
        "--fully_sampled or give the mask"
    ]


def _window_warnings(lines: Bool[np.ndarray, " line"], name: str) -> list[str]:
    """Warn where all lines but those at the ends are there, as padding leaves them.

    Args:
        lines: True where lines are not zero, zero frequency in the middle.
        name: `rows` or `columns`.
    """
    first, after = int(lines.argmax()), int(lines[::-1].argmax())
    count = len(lines)
    inside = lines[first : count - after]
    # A few lines in the centre are a mask.
    if lines.all() or not inside.all() or len(inside) < count / 2:
        return []
    return [
        f"the zeros are the first {first} and the last {after} of {count} {name}, as "
        "padding or partial Fourier leaves them, and count as missing; if they shall "
        "not be restored, use --fully_sampled"
    ]


def line_masks(
    lines: Bool[np.ndarray, "mask line"],
    size: Sequence[int],
    present: Masks | None,
    phase_encode: str,
    where: str,
) -> Bool[np.ndarray, "..."]:
    """Lay masks of lines along the axis that has as many lines.

    In square frames that is the axis whose missing lines they explain, or the network's
    where they explain both.

    Args:
        lines: True where measured.
        size: height and width of the frames, pixels.
        present: True where k-space is not zero, None if that is not known.
        phase_encode: the network's axis, `rows` or `columns`.
        where: source of the mask, for messages.

    Returns:
        Masks [mask, row, 1] or [mask, 1, column].

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
            f"{where}: masks of {lines.shape[1]} lines, and the frames are {size[0]} x "
            f"{size[1]}; give a mask of that size{turn}"
        )
    if len(fitting) == 2 and present is not None:
        # A mask explains k-space that is zero wherever the mask is False.
        explaining = [axis for axis in fitting if not np.any(present & ~laid[axis])]
        fitting = explaining if len(explaining) == 1 else fitting
    return laid[fitting[0] if len(fitting) == 1 else phase_encode]


def sized_masks(
    masks: Bool[np.ndarray, "..."], size: Sequence[int], where: str
) -> Masks:
    """Return masks of two or three axes with three.

    Raises:
        InputError: their size is not that of the frames.
    """
    sizes = mask_sizes(size)
    if masks.ndim not in (2, 3) or masks.shape[-2:] not in sizes:
        turn = "; transpose it" if masks.shape[-2:][::-1] in sizes else ""
        lines = " or ".join(dict.fromkeys(f"({length},)" for length in size))
        raise InputError(
            f"{where}: found the shape {masks.shape} for frames of {size[0]} x "
            f"{size[1]}; expected {lines}, or for one or for every frame "
            f"{', '.join(map(str, sizes))}{turn}"
        )
    return narrow(masks.reshape(-1, *masks.shape[-2:]))


def mask_sizes(size: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the shapes that one mask may have: rows, columns or samples."""
    height, width = size
    return (height, 1), (1, width), (height, width)


def one_each(masks: Masks, count: int, where: str) -> Masks:
    """Return one mask for each of `count` frames.

    Raises:
        InputError: their number is neither one nor that of the frames.
    """
    if len(masks) not in (1, count):
        raise InputError(
            f"{where}: found {len(masks)} masks for {count} frames; give one mask, or "
            "one for every frame"
        )
    return np.broadcast_to(masks, (count, *masks.shape[1:]))


def narrow(masks: Masks) -> Masks:
    """Return masks of whole lines one line wide."""
    if np.all(masks == masks[:, :, :1]):
        return masks[:, :, :1]
    return masks[:, :1] if np.all(masks == masks[:, :1]) else masks


def measured_mask(mask: Masks, present: Masks, where: str) -> Masks:
    """Return where `mask` is True and k-space is not zero.

    Some files mark lines outside the acquired window, which hold zeros; fastMRI's own
    network leaves them out as well.

    Raises:
        InputError: less than half of what the mask marks is left.
    """
    # Of lines, those that are wholly zero: a single zero sample is a measurement.
    for axis in (1, 2):
        if mask.shape[axis] == 1:
            present = np.any(present, axis=axis, keepdims=True)
    both = mask & present
    # A mask of the other axis or inverted leaves far less, padding far more.
    if both.mean() < mask.mean() / 2:
        raise InputError(
            f"{where}: k-space is zero on most of what the mask marks as measured; "
            "check the mask's axis and order, and that 1 means measured"
        )
    return narrow(both)


def zero_warnings(marked: Masks, measured: Masks) -> list[str]:
    """Warn where k-space is zero on a part of what a mask marks.

    Args:
        marked: the stored mask.
        measured: the mask that `measured_mask` left of it.
    """
    shape = np.broadcast_shapes(marked.shape, measured.shape)
    total, left = (
        np.count_nonzero(np.broadcast_to(mask, shape)) for mask in (marked, measured)
    )
    if left > 0.995 * total:  # a line of padding among hundreds is not worth a word
        return []
    return [
        f"k-space is zero on {1 - left / total:.0%} of what the mask marks as "
        "measured; that counts as not measured"
    ]
