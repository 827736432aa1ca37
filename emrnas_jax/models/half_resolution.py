"""The half-resolution cascade: convolutions on quarter-size maps, many consistencies.

A component sees the image, what the last data consistency has corrected, and a few
features of the component before, each square of 2 x 2 pixels as the channels of one. A
convolution thus costs a quarter of one at full resolution and reaches twice as far, and
the same milliseconds hold more components with data consistency after each.

Not published: this package's own network. Its parts are known: cascades with data
consistency (Schlemper et al., IEEE TMI 2018), squares of pixels as channels (Shi et
al., CVPR 2016), features handed from component to component (as in Putzky and Welling,
2017).
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.errors import InputError
from emrnas_jax.kernels.convolution import Map
from emrnas_jax.models.layers import (
    Convolution,
    LayerSettings,
    keep_image,
    learned_weight,
)
from emrnas_jax.mri.line_consistency import channels_of, prepared_consistency
from emrnas_jax.mri.measurement import Measurement

SLOPE = 0.2  # of LeakyReLU
SQUARE = 4  # pixels that become the channels of one


def half_resolution(
    components: int = 11,
    layers: int = 2,
    width: int = 32,
    memory: int = 24,
    consistency: str = "real",
    precision: str = "float32",
) -> "HalfResolution":
    """Return the half-resolution cascade; by default it has 310,988 parameters.

    Args:
        components: components, each followed by data consistency.
        layers: convolutions of a component between its first and its last one.
        width: channels of the feature maps.
        memory: channels that a component hands to the next one, at most `width`.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.

    Raises:
        InputError: there are fewer channels than are handed on.
    """
    if memory > width:
        raise InputError(
            f"half_resolution: found memory={memory} of width={width} channels; use at "
            "most the width"
        )
    settings = LayerSettings(width, precision)
    return HalfResolution(components, layers, memory, settings, consistency)


class Component(nn.Module):
    """The convolutions of one component."""

    channels: int
    layers: int
    settings: LayerSettings
    consistency: str

    @nn.compact
    def __call__(
        self, *maps: Float[Array, "batch height width _"]
    ) -> tuple[
        Float[Array, "batch height width out"],
        Float[Array, "batch height width kept"],
        tuple[Float[Array, ""], ...],
    ]:
        """Return the change of the image, squares as channels, and the features.

        The third is the weight of its data consistency, empty if it has none.
        """

        def convolution(features: int, slope: float, name: str) -> Convolution:
            precision = self.settings.precision
            return Convolution(features, slope=slope, precision=precision, name=name)

        width = self.settings.width
        features = convolution(width, SLOPE, "first")(*maps)
        change = features
        for j in range(1, self.layers + 1):
            change = convolution(width, SLOPE, f"conv_{j}")(change)
        features = features + change
        change = convolution(SQUARE * self.channels, 1.0, "last")(features)
        return change, features, learned_weight(self, self.consistency)


class HalfResolution(nn.Module):
    """The network of `half_resolution`."""

    components: int
    layers: int
    memory: int
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
            zero_filled: real and imaginary channels, intensity in [0, 1].
            measurement: k-space, mask and coil maps of the frames.
            train: ignored, because there is no batch norm.
        """
        agree = prepared_consistency(self.consistency, measurement)
        channels = channels_of(self.consistency)
        height, width = zero_filled.shape[1:3]
        # A real image gains the samples that mirror measured ones; others gain nothing.
        image = agree(zero_filled[..., :channels])
        correction, features = jnp.zeros_like(image), None
        for n in range(1, self.components + 1):
            # Deep supervision and shorter prefixes use the images in between.
            if n > 1:
                keep_image(self, f"image_{n - 1}", _both(image))
            maps = [halve(x).astype(self.settings.maps) for x in (image, correction)]
            if features is not None:
                maps.append(features[..., : self.memory])
            component = Component(
                channels,
                self.layers,
                self.settings,
                self.consistency,
                name=f"component_{n}",
            )
            # Maps apart, not joined: the kernels read each where it lies.
            change, features, weight = component(*maps)
            change = double(change.astype(image.dtype))[:, :height, :width]
            agreed = agree(image + change, *weight)
            image, correction = agreed, agreed - (image + change)
        return _both(image)


def _both(
    image: Float[Array, "batch height width channel"],
) -> Float[Array, "batch height width 2"]:
    """Return the image with an imaginary channel, zero if it has none."""
    if image.shape[-1] == 2:
        return image
    return jnp.concatenate([image, jnp.zeros_like(image)], axis=-1)


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
