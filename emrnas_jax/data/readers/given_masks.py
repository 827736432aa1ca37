"""Masks that the user gives for a scan in a file of their own.

Which axes a matrix has depends on the frames, so it is decided here, scan by scan.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from emrnas_jax.data.readers.kspace_masks import (
    Masks,
    line_masks,
    mask_sizes,
    one_each,
    sized_masks,
)
from emrnas_jax.data.readers.mask_files import StoredMask
from emrnas_jax.errors import InputError


def given_masks(
    given: StoredMask,
    shape: Sequence[int],
    present: Masks | None,
    phase_encode: str,
    scan: str,
) -> Masks:
    """Return a mask for each frame of a scan, from a file of masks.

    Two axes are [row, column] where they have the size of the frames, otherwise
    [mask, line]. What could be both is refused: as many frames as rows are a
    coincidence.

    Args:
        given: masks as they are stored.
        shape: number, height and width of the frames.
        present: True where k-space is not zero, None if that is not known.
        phase_encode: the network's axis, `rows` or `columns`.
        scan: file of the scan, for messages.

    Returns:
        Masks [frame, row, column], one line wide where lines are measured, zero
        frequency first.

    Raises:
        InputError: the masks do not fit the frames.
    """
    values, variable, stored_in = given
    count, *size = shape
    where = f"{scan}: --mask={stored_in}"
    # A single line of `masks` is one mask for all frames, never one row of samples.
    is_list = variable != "mask" and len(values) == 1
    if values.ndim == 2 and not is_list and values.shape in mask_sizes(size):
        if _may_be_list(values, variable, count):
            raise InputError(
                f"{where}: {values.shape} may be one mask [row, column] or a list of "
                f"masks [mask, line] for frames of {size[0]} x {size[1]}; store it as "
                "[1, row, column], or as [mask, row, 1] or [mask, 1, column]"
            )
        masks = sized_masks(np.fft.ifftshift(values), size, where)
    # Neither one per frame nor one for all, but the size of a frame on its side.
    elif 1 < len(values) != count and values.shape[::-1] in mask_sizes(size):
        masks = sized_masks(values, size, where)  # refuses it as transposed
    elif values.ndim == 3:
        masks = sized_masks(np.fft.ifftshift(values, (1, 2)), size, where)
    else:
        lines = np.fft.ifftshift(np.atleast_2d(values), 1)
        masks = line_masks(lines, size, present, phase_encode, where)
    return one_each(masks, count, where)


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
    # Whole lines: a list of equal masks is unlikely, a mask of lines usual.
    if np.all(values == values[:1]) or np.all(values == values[:, :1]):
        return False
    height, width = values.shape
    # Four fifths, because a few masks of a list may miss the zero frequency.
    full = [line.mean() > 0.8 for line in (values[:, width // 2], values[height // 2])]
    return bool(full[0] != full[1])
