"""The calibration region: the fully measured block around the zero frequency."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool


def calibration_mask(
    mask: Bool[Array, "#batch #height #width"],
) -> Bool[Array, "#batch #height #width"]:
    """Return the samples of the largest measured block of frequencies -n .. n - 1.

    Unlike `calibration_region` it is as large on both sides and of every axis, so that
    a compiled program computes it. Of a mask of lines it is lines. Where n would be 0
    it is the zero frequency alone.

    Args:
        mask: True where k-space was measured, zero frequency first.

    Source: the block that fastMRI's variational network estimates coil maps from.
    """
    distance = jnp.zeros((1, 1), int)
    for axis, size in enumerate(mask.shape[1:]):
        if size > 1:  # along the whole lines of a mask there is no distance
            index = jnp.arange(size)
            # The smallest n of the blocks that have a frequency: k + 1, or -k below 0.
            own = jnp.minimum(index + 1, size - index)
            distance = jnp.maximum(distance, jnp.expand_dims(own, 1 - axis))
    beyond = jnp.where(mask, sum(mask.shape[1:]), distance[None])
    n = beyond.min((1, 2), keepdims=True) - 1
    origin = jnp.zeros(mask.shape[1:], bool).at[0, 0].set(True)
    return mask & ((distance[None] <= n) | origin[None])


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
