"""The U-Net of fastMRI on images whose parts are brought to mean 0 and deviation 1.

The real and the imaginary part of each image are normalised, go through the U-Net
together, and get their mean and deviation back. Whatever the scale of an image, the
convolutions see the same.

Source: Sriram et al., MICCAI 2020, and the program of Zbontar et al., arXiv:1811.08839,
whose images it gives (`tests/models/test_varnet.py`).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.errors import InputError
from emrnas_jax.kernels.convolution import Map
from emrnas_jax.models.layers import Convolution, LayerSettings, pointwise
from emrnas_jax.models.unet import Doubling

SLOPE = 0.2  # of LeakyReLU
MULTIPLE = 16  # of both sides, after padding
MOST_POOLS = 4  # that many halvings leave whole pixels of MULTIPLE
EPSILON = 1e-5  # added to a variance

Images = Float[Array, "batch height width 2"]


def require_pools(pools: int, setting: str) -> None:
    """Check the number of poolings.

    Raises:
        InputError: there are none, or more than the padding allows.
    """
    if not 1 <= pools <= MOST_POOLS:
        raise InputError(
            f"{setting}: found {pools} poolings; use 1 to {MOST_POOLS}, because images "
            f"are padded to multiples of {MULTIPLE} pixels"
        )


class NormUNet(nn.Module):
    """The U-Net with instance norm, and the normalisation around it.

    Attributes:
        pools: halvings of the resolution, each with twice the channels.
        settings: layers of the U-Net; the width is that of full resolution.
    """

    pools: int
    settings: LayerSettings

    @nn.compact
    def __call__(self, image: Images) -> Images:
        """Return an image of the same size; a constant one comes back as it is."""
        mean, deviation = _statistics(image)
        height, width = image.shape[1:3]
        # fastMRI pads alike on both sides, the odd pixel behind.
        before = [(-side % MULTIPLE) // 2 for side in (height, width)]
        edges = [
            (low, -side % MULTIPLE - low)
            for low, side in zip(before, (height, width), strict=True)
        ]
        flat = deviation == 0
        x = jnp.pad(
            (image - mean) / jnp.where(flat, 1, deviation), [(0, 0), *edges, (0, 0)]
        )
        y = self._unet(x.astype(self.settings.maps)).astype(image.dtype)
        top, left = before
        return y[:, top : top + height, left : left + width] * deviation + mean

    def _unet(self, x: Images) -> Images:
        width, precision = self.settings.width, self.settings.precision
        skips = []
        for j in range(self.pools):
            x = self._convolve_twice(width * 2**j, f"down_{j + 1}", x)
            skips.append(x)
            x = halve(x)
        x = self._convolve_twice(width * 2**self.pools, "bottom", x)
        for j in range(self.pools, 0, -1):
            channels, name = width * 2 ** (j - 1), f"doubling_{j}"
            doubling = Doubling(channels, precision, has_bias=False, name=name)
            x = activated(doubling(x))
            x = self._convolve_twice(channels, f"up_{j}", x, skips[j - 1])
        return pointwise(2, precision, "last")(x)

    def _convolve_twice(
        self, channels: int, name: str, *maps: Float[Array, "batch height width _"]
    ) -> Float[Array, "batch height width out"]:
        for j in (1, 2):
            # Instance norm would take away what a bias adds.
            convolution = Convolution(
                channels,
                precision=self.settings.precision,
                has_bias=False,
                name=f"{name}_conv_{j}",
            )
            maps = (activated(convolution(*maps)),)
        return maps[0]


def _statistics(
    image: Images,
) -> tuple[Float[Array, "batch 1 1 2"], Float[Array, "batch 1 1 2"]]:
    """Return mean and standard deviation of the parts, of n pixels with n - 1."""
    mean = image.mean((1, 2), keepdims=True)
    pixels = image.shape[1] * image.shape[2]
    variance = ((image - mean) ** 2).sum((1, 2), keepdims=True) / max(pixels - 1, 1)
    # Both choices are needed: the gradient of the unused root must be finite too.
    flat = variance == 0
    return mean, jnp.where(flat, 0, jnp.sqrt(jnp.where(flat, 1, variance)))


def activated(x: Map) -> Map:
    """Return a map after instance norm, without scale and bias, and LeakyReLU.

    Each channel of each image gets the mean 0 and the variance 1, in float32.
    """
    wide = x.astype(jnp.float32)
    centred = wide - wide.mean((1, 2), keepdims=True)
    variance = (centred**2).mean((1, 2), keepdims=True)
    y = centred * jax.lax.rsqrt(variance + EPSILON)
    return jnp.where(y >= 0, y, SLOPE * y).astype(x.dtype)


def halve(x: Map) -> Float[Array, "batch _ _ channel"]:
    """Return the means of squares of 2 x 2 pixels."""
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return squares.mean((2, 4))
