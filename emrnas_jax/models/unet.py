"""U-Net on the zero-filled image, followed by data consistency.

Source: Ronneberger et al., MICCAI 2015. EMR-NAS compares with a U-Net of 1.57 million
parameters "combined with DC layers" and says no more of it; see `unet`.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.kernels.convolution import Map, per_channel
from emrnas_jax.models.layers import (
    Convolution,
    LayerSettings,
    learned_weight,
    pointwise,
)
from emrnas_jax.mri.consistency import CONSISTENCY
from emrnas_jax.mri.measurement import Measurement

LEVELS = (1, 2, 4, 6)  # channels of each resolution, in widths


def unet(
    width: int = 32, consistency: str = "single", precision: str = "float32"
) -> "UNet":
    """Return U-Net; with the default width it has 1,560,674 parameters.

    The paper does not give its levels, channels, up-sampling, activation or batch norm,
    nor where its data consistency is. Here: four resolutions of `width` times 1, 2, 4
    and 6 channels, which is near its parameters; two 3x3 convolutions with ReLU at each
    resolution on the way down and up, no batch norm; 2x2 maxima down, transposed 2x2
    convolutions up, skips concatenated; a 1x1 convolution whose result is added to the
    zero-filled image; data consistency once, at the end.

    Args:
        width: channels at full resolution.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.
    """
    return UNet(LayerSettings(width, precision), consistency)


class UNet(nn.Module):
    """The network of `unet`."""

    settings: LayerSettings
    consistency: str

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
        train: bool = False,  # noqa: ARG002 - there is no batch norm here
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct.

        Args:
            zero_filled: real and imaginary channels, intensity in [0, 1]; sides that 8
                does not divide are padded with zeros.
            measurement: k-space, mask and coil maps of the frames.
            train: ignored, because there is no batch norm.
        """
        *down, bottom = (self.settings.width * level for level in LEVELS)
        height, width = zero_filled.shape[1:3]
        x = _pad(zero_filled, 2 ** len(down)).astype(self.settings.maps)
        skips = []
        for j, channels in enumerate(down, 1):
            x = self._convolve_twice(channels, f"down_{j}", x)
            skips.append(x)
            x = halve(x)
        x = self._convolve_twice(bottom, "bottom", x)
        for j in range(len(down), 0, -1):
            doubling = Doubling(
                down[j - 1], self.settings.precision, name=f"doubling_{j}"
            )
            x = doubling(x)
            x = self._convolve_twice(down[j - 1], f"up_{j}", skips[j - 1], x)
        # What was padded is cut off again before the change is added.
        change = pointwise(2, self.settings.precision, "last")(x)[:, :height, :width]
        image = zero_filled + change.astype(zero_filled.dtype)
        weight = learned_weight(self, self.consistency)
        return CONSISTENCY[self.consistency](image, measurement, *weight)

    def _convolve_twice(
        self, channels: int, name: str, *maps: Float[Array, "batch height width _"]
    ) -> Float[Array, "batch height width out"]:
        for j in (1, 2):
            convolution = Convolution(
                channels,
                slope=0.0,
                precision=self.settings.precision,
                name=f"{name}_conv_{j}",
            )
            maps = (convolution(*maps),)
        return maps[0]


def _pad(
    image: Float[Array, "batch height width 2"], multiple: int
) -> Float[Array, "batch _ _ 2"]:
    """Add zeros below and at the right until `multiple` divides both sides."""
    more = [(0, -side % multiple) for side in image.shape[1:3]]
    return jnp.pad(image, [(0, 0), *more, (0, 0)])


def halve(x: Map) -> Float[Array, "batch _ _ channel"]:
    """Return the maxima of squares of 2 x 2 pixels.

    Of equal ones each takes its part of the gradient; after ReLU that is zeros only.
    """
    # The gradient of XLA's own pooling is slow on the CPU.
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return squares.max((2, 4))


class Doubling(nn.Module):
    """The transposed convolution with a kernel of 2 x 2 and stride 2."""

    features: int
    precision: str = "float32"
    has_bias: bool = True

    @nn.compact
    def __call__(self, x: Map) -> Float[Array, "batch _ _ out"]:
        """Return a map of twice the height and width."""
        # Squares do not overlap, so one matrix product gives the four pixels of each.
        batch, height, width, _ = x.shape
        # The bias has a value for each channel, not one for each of the four pixels.
        product = pointwise(4 * self.features, self.precision, "squares", bias=False)
        squares = product(x).reshape(batch, height, width, 2, 2, self.features)
        rows = squares.transpose(0, 1, 3, 2, 4, 5)
        y = rows.reshape(batch, 2 * height, 2 * width, self.features)
        if not self.has_bias:
            return y
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return y + per_channel(bias).astype(y.dtype)
