"""MoDL: one denoising network and one weight, used again in every unrolled step.

A step denoises the image, z = x + D(x), and finds the image that agrees with the
samples and is near z: the least |A x - k|² + λ |x - z|², by conjugate gradients. D and
λ are the same in all steps, so that more steps add no parameters.

Source: Aggarwal et al., "MoDL: Model-based deep learning architecture for inverse
problems", IEEE TMI 38(2), 2019.
"""

from functools import partial

import flax.linen as nn
from jaxtyping import Array, Float

from emrnas_jax.models.cascade import Component
from emrnas_jax.models.dccnn import RELU, ConvolutionBlock
from emrnas_jax.models.layers import LayerSettings, keep_image
from emrnas_jax.mri.measurement import Measurement


def modl(
    components: int = 10,
    layers: int = 3,
    width: int = 64,
    consistency: str = "cg",
    precision: str = "float32",
) -> "Modl":
    """Return MoDL; by default it has 113,155 parameters.

    As published but for two things: there is no batch norm, because the steps would
    share its running statistics although their images differ; and all steps are
    trained at once, without a training of one step before.

    Args:
        components: unrolled steps, all with the same weights.
        layers: convolutions with ReLU between the first and the last of D.
        width: channels of the feature maps.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.
    """
    return Modl(components, layers, LayerSettings(width, precision), consistency)


class Modl(nn.Module):
    """The network of `modl`."""

    components: int
    layers: int
    settings: LayerSettings
    consistency: str

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
        train: bool = False,
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct; the arguments are those of `cascade.Component`."""
        # Made once and called in every step, so the steps share weights.
        step = Component(
            partial(ConvolutionBlock, self.layers, self.settings),
            self.settings,
            self.consistency,
            first_slope=RELU,
            name="step",
        )
        image = zero_filled
        for n in range(self.components):
            if n:
                keep_image(self, f"image_{n}", image)
            image, _ = step(image, train, measurement)
        return image
