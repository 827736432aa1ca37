"""The calibration region: the fully measured block around the zero frequency."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int


def calibration_mask(
    mask: Bool[Array, "#batch #height #width"],
) -> Bool[Array, "#batch #height #width"]:
    """Return the largest measured block of frequencies -n .. n - 1.

    It is a square, or lines -n .. n - 1 if whole lines are more samples. Unlike
    `calibration_region` it is as large on both sides, so that a compiled program
    computes it. Where n would be 0 it is the zero frequency alone.

    Args:
        mask: True where k-space was measured, zero frequency first.

    Source: the lines that fastMRI's variational network estimates coil maps from.
    """
    rows, columns = (_smallest_block(size) for size in mask.shape[1:])
    rows, columns = (
        jnp.broadcast_to(own, mask.shape[1:]) for own in (rows[:, None], columns[None])
    )
    shapes = jnp.stack([jnp.maximum(rows, columns), rows, columns])[None]
    # Where a block first lacks a sample, the one before it is the largest.
    lacking = jnp.where(mask[:, None], sum(mask.shape[1:]), shapes)
    blocks = shapes < lacking.min((2, 3), keepdims=True)
    largest = jnp.argmax(blocks.sum((2, 3), keepdims=True), axis=1, keepdims=True)
    block = jnp.take_along_axis(blocks, largest, axis=1)[:, 0]
    origin = jnp.zeros(mask.shape[1:], bool).at[0, 0].set(True)
    return mask & (block | origin[None])


def _smallest_block(size: int) -> Int[Array, " {size}"]:
    """Return for each frequency the smallest n of -n .. n - 1 that has it."""
    # Along whole lines a mask has one sample, which every block has.
    index = jnp.arange(size)
    return jnp.minimum(index + 1, size - index) if size > 1 else jnp.zeros(1, int)


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
