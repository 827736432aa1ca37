"""Squares of 2 x 2 pixels as the channels of one pixel, and back.

Source: Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient
Sub-Pixel Convolutional Neural Network, CVPR 2016.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.kernels.convolution import Map

SQUARE = 4  # pixels that become the channels of one


def halve(x: Map) -> Float[Array, "batch _ _ _"]:
    """Return each square of 2 x 2 pixels as the channels of one pixel.

    Odd sides get a row or column of zeros.
    """
    x = jnp.pad(x, [(0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)])
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    rows = squares.transpose(0, 1, 3, 2, 4, 5)
    return rows.reshape(batch, height // 2, width // 2, SQUARE * channels)


def double(x: Map) -> Float[Array, "batch _ _ _"]:
    """Return the channels of each pixel as a square of 2 x 2 pixels."""
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height, width, 2, 2, channels // SQUARE)
    rows = squares.transpose(0, 1, 3, 2, 4, 5)
    return rows.reshape(batch, 2 * height, 2 * width, channels // SQUARE)
