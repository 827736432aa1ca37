"""Checks of whether a mask marks measured samples with 1, in the right order.

Every useful mask measures the zero frequency, and most measure more near it than far
from it. A mask that does not is inverted, or stored in the other order.
"""

import numpy as np
from jaxtyping import Bool, Float

from emrnas_jax.errors import InputError

# Distance of a mask's samples from the zero frequency, less that of evenly drawn ones,
# in standard deviations. Masks in the right order have negative values; evenly drawn
# ones exceed the lower number in one of forty, the higher in one of 30,000.
UNCERTAIN, CERTAIN = 2.0, 4.0
# A calibration region lies at the highest frequencies where so many times, and so many
# lines or samples, more are measured there than at the zero frequency.
DENSER, MORE = 2.0, 3

ORDER = (
    "its zero frequency must be where that of k-space is, in files of masks in the "
    "middle; np.fft.fftshift, or np.fft.ifftshift, moves it"
)


def require_mask_values(mask: np.ndarray, where: str) -> None:
    """Check that an array holds 0 and 1 alone, and some 1.

    Args:
        mask: stored values of any type.
        where: file and variable, for messages.

    Raises:
        InputError: the array holds other values, marks nothing, or is a single number.
    """
    if mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
        raise InputError(
            f"{where}: expected only 0 and 1, found other values; store mask > 0.5"
        )
    if not mask.ndim:
        raise InputError(f"{where}: expected an array, found one number")
    if not mask.any():
        raise InputError(f"{where}: marks nothing as measured; remove or correct it")


def require_centre(
    masks: Bool[np.ndarray, "mask height width"], where: str
) -> list[str]:
    """Check that masks measure the zero frequency, and more near it than far from it.

    Args:
        masks: True where measured, zero frequency first; one line wide where lines
            are measured.
        where: source of the masks, for messages.

    Returns:
        A warning where the masks may be in the other order.

    Raises:
        InputError: a mask misses the zero frequency, or is in the other order.
    """
    centre = masks[:, 0, 0]
    excess = _excess(masks)
    near, far = (_around(masks, offset) for offset in (0.0, 0.5))
    if not centre.all():
        worst = int(np.argmin(centre))
        average = masks[worst].mean()
        dense = excess[worst] > UNCERTAIN or far[worst].mean() > 1.5 * average
        which = f"{where}, mask {worst}" if len(masks) > 1 else where
        if average > 0.5:
            hint = "its complement measures it, so if 1 marks what is left out, store "
            hint += "1 - mask"
        elif dense:
            hint = f"the highest frequencies are; {ORDER}"
        else:
            hint = "so check its order and axis, and that 1 or True means measured"
        raise InputError(f"{which}: the zero frequency is not measured; {hint}")
    # Many masks together show an order that each alone leaves uncertain.
    together = excess.sum() / np.sqrt(len(masks))
    if together > CERTAIN:
        raise InputError(f"{where}: the highest frequencies are measured most; {ORDER}")
    more = (far.mean() - near.mean()) * near[0].size
    if together > UNCERTAIN or (far.mean() > DENSER * near.mean() and more >= MORE):
        return [f"the mask measures high frequencies most; perhaps {ORDER}"]
    return []


def _excess(
    masks: Bool[np.ndarray, "mask height width"],
) -> Float[np.ndarray, " mask"]:
    """Return by how much samples lie farther from the zero frequency than by chance.

    Args:
        masks: True where measured, zero frequency first.

    Returns:
        Difference of the mean distance, in standard deviations of the mean of as many
        samples that are drawn evenly without repetition; 0 for full masks.
    """
    rows, columns = (np.fft.fftfreq(size) for size in masks.shape[1:])
    distance = np.hypot(rows[:, None], columns)
    count = masks.sum(axis=(1, 2))
    total = distance.size
    mean = (masks * distance).sum(axis=(1, 2)) / np.maximum(count, 1)
    # Without repetition the variance of a mean falls to zero for a full mask.
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
        masks: True where measured, zero frequency first.
        offset: position of the frequency on its axis, 0 for the zero frequency and 0.5
            for the highest.
    """
    for axis in (1, 2):
        size = masks.shape[axis]
        if size > 1:
            beside = max(1, size // 32)
            lines = int(offset * size) + np.arange(-beside, beside + 1)
            masks = masks.take(lines % size, axis=axis)
    return masks
