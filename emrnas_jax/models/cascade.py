"""The cascade of Figure 1: Conv - BasicBlock - Conv - data consistency, N times.

The block is an argument, so every cascaded network of the field is this module with
another block. Images are `batch height width 2`, k-space is orthonormal with the zero
frequency first.
"""

from collections.abc import Callable

import flax.linen as nn
from jaxtyping import Array, Float

from emrnas_jax.models.layers import (
    Convolution,
    LayerSettings,
    keep_image,
    learned_weight,
)
from emrnas_jax.mri.consistency import CONSISTENCY
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.nas.gates import Gates


class Component(nn.Module):
    """One stage: features, block, image, plus the stage's input, then consistency."""

    make_block: Callable[..., nn.Module]
    settings: LayerSettings
    consistency: str
    # No activation: EMR-NAS and CDDNTDC have theirs inside of the block.
    first_slope: float = 1.0
    last_slope: float = 1.0

    @nn.compact
    def __call__(
        self,
        image: Float[Array, "batch height width 2"],
        control: Gates | bool,
        measurement: Measurement,
    ) -> tuple[Float[Array, "batch height width 2"], None]:
        """Return the improved image, and None (the form `nn.scan` asks for).

        Args:
            image: real and imaginary channels, intensity in [0, 1].
            control: second argument of the block: the gates of a search, or whether
                batch norm is training.
            measurement: k-space, mask and coil maps of the frames.
        """

        def convolution(features: int, slope: float, name: str) -> Convolution:
            precision = self.settings.precision
            return Convolution(features, slope=slope, precision=precision, name=name)

        # The features alone take the chosen precision. Images stay float32, so
        # that the sum and the data consistency do not round measured samples.
        start = image.astype(self.settings.maps)
        features = convolution(self.settings.width, self.first_slope, "first")(start)
        features = self.make_block(name="block")(features, control)
        change = convolution(2, self.last_slope, "last")(features).astype(image.dtype)
        weight = learned_weight(self, self.consistency)
        agree = CONSISTENCY[self.consistency]
        return agree(image + change, measurement, *weight), None


class Cascade(nn.Module):
    """Components in sequence, each with its own block and weights.

    Attributes:
        make_blocks: one constructor per component, taking `name`; the block maps
            features and `train` to features.
        settings: layers of the components; their blocks have them too.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        first_slope: slope of LeakyReLU after each component's first convolution; 1 for
            no activation.
        last_slope: slope of LeakyReLU after each component's last convolution.
    """

    make_blocks: tuple[Callable[..., nn.Module], ...]
    settings: LayerSettings
    consistency: str
    first_slope: float = 1.0
    last_slope: float = 1.0

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
        train: bool = False,
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct; the arguments are those of `Component`."""
        image = zero_filled
        for n, make_block in enumerate(self.make_blocks, 1):
            component = Component(
                make_block,
                self.settings,
                self.consistency,
                self.first_slope,
                self.last_slope,
                name=f"component_{n}",
            )
            if n > 1:
                keep_image(self, f"image_{n - 1}", image)
            image, _ = component(image, train, measurement)
        return image
