"""Tests of whether a mask marks what was measured, in the order it is said to have.

Every useful mask measures the zero frequency, and most measure more around it than far
from it. A mask that does not is inverted, or stored in the other order.
"""

import numpy as np
from jaxtyping import Bool

from emrnas_jax.errors import InputError

# A mask is stored in the other order where so many times, and so many lines or samples,
# more are measured at the highest frequencies than around the zero frequency.
DENSER, MORE = 2.0, 3


def require_centre(masks: Bool[np.ndarray, "mask height width"], place: str) -> None:
    """Check that masks measure the zero frequency and what is around it.

    Args:
        masks: zero frequency first; one line wide where lines are measured.
        place: where the masks come from, for messages.

    Raises:
        InputError: they are inverted, in the other order or miss the zero frequency.
    """
    centre = masks[:, 0, 0]
    around = [_around(masks, offset) for offset in (0.0, 0.5)]
    near, far = (part.mean(axis=(1, 2)) for part in around)
    more = (far - near) * around[0][0].size
    average = masks.mean(axis=(1, 2))
    if centre.all() and not np.any((far > DENSER * near) & (more >= MORE)):
        return
    worst = int(np.argmin(centre)) if not centre.all() else int(np.argmax(more))
    which = f"{place}, mask {worst}" if len(masks) > 1 else place
    if far[worst] > 1.5 * average[worst]:
        raise InputError(
            f"{which}: measures most at the highest frequencies, so its zero frequency "
            "is at another place than expected; apply np.fft.fftshift to the mask and "
            "store it again"
        )
    if near[worst] < 0.5 or average[worst] > 0.5:
        raise InputError(
            f"{which}: the zero frequency is not measured, and the mask's complement "
            "measures it; 1 or True must mean measured, so store 1 - mask"
        )
    raise InputError(
        f"{which}: the zero frequency is not measured, so no image can be "
        "reconstructed; check the mask's order and axis"
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
