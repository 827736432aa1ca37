"""Tests of whether a mask marks what was measured, in the order it is said to have.

Every useful mask measures the zero frequency, and most measure more near it than far
from it. A mask that does not is inverted, or stored in the other order.
"""

import numpy as np
from jaxtyping import Bool, Float

from emrnas_jax.errors import InputError

# How far the samples of a mask lie from the zero frequency, beside evenly drawn ones,
# in standard deviations. Masks in the order that is said have negative values; evenly
# drawn ones exceed the lower number in one of forty, the higher in one of 30,000.
DOUBTFUL, CERTAIN = 2.0, 4.0
# A calibration region lies at the highest frequencies where so many times, and so many
# lines or samples, more are measured there than at the zero frequency.
DENSER, MORE = 2.0, 3

ORDER = (
    "its zero frequency must be where that of k-space is, in files of masks in the "
    "middle; np.fft.fftshift, or np.fft.ifftshift, moves it"
)


def require_centre(
    masks: Bool[np.ndarray, "mask height width"], place: str
) -> list[str]:
    """Check that masks measure the zero frequency, and more near it than far from it.

    Args:
        masks: zero frequency first; one line wide where lines are measured.
        place: where the masks come from, for messages.

    Returns:
        a sentence where they are perhaps in the other order.

    Raises:
        InputError: they miss the zero frequency, or are in the other order.
    """
    centre = masks[:, 0, 0]
    excess = _excess(masks)
    near, far = (_around(masks, offset) for offset in (0.0, 0.5))
    if not centre.all():
        worst = int(np.argmin(centre))
        average = masks[worst].mean()
        dense = excess[worst] > DOUBTFUL or far[worst].mean() > 1.5 * average
        which = f"{place}, mask {worst}" if len(masks) > 1 else place
        if average > 0.5:
            hint = "its complement measures it, so if 1 marks what is left out, store "
            hint += "1 - mask"
        elif dense:
            hint = f"the highest frequencies are; {ORDER}"
        else:
            hint = "so check its order and axis, and that 1 or True means measured"
        raise InputError(f"{which}: the zero frequency is not measured; {hint}")
    together = excess.sum() / np.sqrt(len(masks))
    if together > CERTAIN:
        raise InputError(f"{place}: the highest frequencies are measured most; {ORDER}")
    more = (far.mean() - near.mean()) * near[0].size
    if together > DOUBTFUL or (far.mean() > DENSER * near.mean() and more >= MORE):
        return [f"the mask measures high frequencies most; perhaps {ORDER}"]
    return []


def _excess(
    masks: Bool[np.ndarray, "mask height width"],
) -> Float[np.ndarray, " mask"]:
    """Return how far the samples lie from the zero frequency, beside evenly drawn ones.

    Args:
        masks: zero frequency first.

    Returns:
        the difference of their mean distance, in standard deviations of the mean of as
        many samples that are drawn evenly without repetition; 0 for full masks.
    """
    rows, columns = (np.fft.fftfreq(size) for size in masks.shape[1:])
    distance = np.hypot(rows[:, None], columns)
    count = masks.sum(axis=(1, 2))
    total = distance.size
    mean = (masks * distance).sum(axis=(1, 2)) / np.maximum(count, 1)
    left = (total - count) / max(total - 1, 1)
    deviation = distance.std() * np.sqrt(left / np.maximum(count, 1))
    missing = (count == 0) | (deviation == 0)
    return np.where(
        missing, 0, (mean - distance.mean()) / np.where(missing, 1, deviation)
    )


def _around(
    masks: Bool[np.ndarray, "mask height width"], offset: float
) -> Bool[np.ndarray, "mask near_height near_width"]:
    """Return the part of each mask around a frequency, a sixteenth of each axis.

    Args:
        masks: zero frequency first.
        offset: of the frequency, 0 for zero and 0.5 for the highest.
    """
    for axis in (1, 2):
        size = masks.shape[axis]
        if size > 1:
            beside = max(1, size // 32)
            lines = int(offset * size) + np.arange(-beside, beside + 1)
            masks = masks.take(lines % size, axis=axis)
    return masks
