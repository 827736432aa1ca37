"""The calibration region: the fully measured block around the zero frequency."""

import numpy as np
from jaxtyping import Bool


def calibration_region(
    mask: Bool[np.ndarray, "#height #width"], shape: tuple[int, int]
) -> tuple[slice, slice]:
    """Return the fully measured block around the zero frequency, in centred order.

    It grows in turn at each of its four sides as long as all of its samples are
    measured.

    Args:
        mask: True where k-space was measured, zero frequency first.
        shape: height and width of k-space.

    Returns:
        rows and columns, empty slices where the zero frequency was not measured.
    """
    full = np.fft.fftshift(np.broadcast_to(mask, shape))
    # Number of unmeasured samples above and left of a position: any block is a lookup.
    missing = np.pad(np.cumsum(np.cumsum(~full, 0), 1), ((1, 0), (1, 0)))
    low = [size // 2 for size in shape]
    high = [start + 1 for start in low]
    if full[low[0], low[1]]:
        # Each side: the list of its edge, the axis, and the direction of growth.
        sides = [(low, 0, -1), (high, 0, 1), (low, 1, -1), (high, 1, 1)]
    else:
        high, sides = low, []
    while sides:
        for edge, axis, by in tuple(sides):
            edge[axis] += by
            (top, left), (bottom, right) = low, high
            inside = low[axis] >= 0 and high[axis] <= shape[axis]
            if not inside or (
                missing[bottom, right]
                - missing[top, right]
                - missing[bottom, left]
                + missing[top, left]
            ):
                edge[axis] -= by
                sides.remove((edge, axis, by))
    return slice(low[0], high[0]), slice(low[1], high[1])
