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
from emrnas_jax.models.bodies import SLOPE, body_shapes, with_body
from emrnas_jax.models.layers import (
    Convolution,
    LayerSettings,
    Parameters,
    keep_image,
    learned_weight,
)
from emrnas_jax.models.squares import SQUARE, double, halve
from emrnas_jax.mri.line_consistency import channels_of, prepared_consistency
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.nas.space import Operation


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
    body = Operation("plain", (1,) * layers, ())
    settings = LayerSettings(width, precision)
    require_memory("half_resolution", memory, width)
    return HalfResolution((body,) * components, memory, settings, consistency)


def require_memory(kind: str, memory: int, width: int) -> None:
    """Raise InputError if more channels are handed on than there are."""
    if memory > width:
        raise InputError(
            f"{kind}: found memory={memory} of width={width} channels; use at most the "
            "width"
        )


class Component(nn.Module):
    """The convolutions of one component."""

    channels: int
    body: Operation
    settings: LayerSettings
    consistency: str
    is_along_rows: bool

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

        features = convolution(self.settings.width, SLOPE, "first")(*maps)
        weights = [
            Parameters(shapes, name=f"conv_{j}")()
            for j, shapes in enumerate(body_shapes(self.body, self.settings), 1)
        ]
        own = self.body, weights, features, self.settings, self.is_along_rows
        features = with_body(*own)
        change = convolution(SQUARE * self.channels, 1.0, "last")(features)
        return change, features, learned_weight(self, self.consistency)


class HalfResolution(nn.Module):
    """Components in sequence, each with its own body and weights.

    Attributes:
        bodies: the body of each component; one that is absent leaves its component out.
        memory: channels that a component hands to the next one.
        settings: layers of the network.
        consistency: a name in `mri.consistency.CONSISTENCY`.
    """

    bodies: tuple[Operation, ...]
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
        is_along_rows = measurement.mask.shape[2] == 1
        present = [n for n, body in enumerate(self.bodies, 1) if body.is_present]
        for n in present:
            # Deep supervision and shorter prefixes use the images in between.
            if n != present[0]:
                keep_image(self, f"image_{n - 1}", both_channels(image))
            maps = [halve(x).astype(self.settings.maps) for x in (image, correction)]
            if features is not None:
                maps.append(features[..., : self.memory])
            component = Component(
                channels,
                self.bodies[n - 1],
                self.settings,
                self.consistency,
                is_along_rows,
                name=f"component_{n}",
            )
            # Maps apart, not joined: the kernels read each where it lies.
            change, features, weight = component(*maps)
            change = double(change.astype(image.dtype))[:, :height, :width]
            agreed = agree(image + change, *weight)
            image, correction = agreed, agreed - (image + change)
        return both_channels(image)


def both_channels(
    image: Float[Array, "batch height width channel"],
) -> Float[Array, "batch height width 2"]:
    """Return the image with an imaginary channel, zero if it has none."""
    if image.shape[-1] == 2:
        return image
    return jnp.concatenate([image, jnp.zeros_like(image)], axis=-1)
