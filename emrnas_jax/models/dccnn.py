"""DC-CNN: cascaded plain convolutions with ReLU, in its form for single frames.

Source: Schlemper et al., "A deep cascade of convolutional neural networks for dynamic
MR image reconstruction", IEEE TMI 37(2), 2018; layers as in the CDDNTDC authors' code.
"""

from functools import partial

import flax.linen as nn

from emrnas_jax.kernels.convolution import Map
from emrnas_jax.models.cascade import Cascade
from emrnas_jax.models.layers import Convolution, LayerSettings

RELU = 0.0  # as a slope of LeakyReLU


def dccnn(
    components: int = 5,
    layers: int = 3,
    width: int = 32,
    consistency: str = "single",
    precision: str = "float32",
) -> Cascade:
    """Return DC-CNN; as published it has 144,650 parameters.

    Args:
        components: cascades, each followed by data consistency.
        layers: convolutions between the first and the last of a cascade; 7 give the
            330 thousand parameters that EMR-NAS compares at.
        width: channels of the feature maps.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.
    """
    settings = LayerSettings(width, precision)
    block = partial(ConvolutionBlock, layers, settings)
    return Cascade((block,) * components, settings, consistency, first_slope=RELU)


class ConvolutionBlock(nn.Module):
    """Convolutions in sequence, each with ReLU."""

    layers: int
    settings: LayerSettings

    @nn.compact
    def __call__(
        self,
        x: Map,
        train: bool,  # noqa: ARG002 - there is no batch norm here
    ) -> Map:
        """Return the block's features."""
        width, precision = self.settings.width, self.settings.precision
        for j in range(1, self.layers + 1):
            name = f"conv_{j}"
            x = Convolution(width, slope=RELU, precision=precision, name=name)(x)
        return x
