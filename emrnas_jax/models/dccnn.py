"""DC-CNN: cascaded plain convolutions with ReLU, in its form for single frames.

Source: Schlemper et al., "A deep cascade of convolutional neural networks for dynamic
MR image reconstruction", IEEE TMI 37(2), 2018; layers as in the CDDNTDC authors' code.
"""

from functools import partial

import flax.linen as nn

from emrnas_jax.kernels.convolution import Map
from emrnas_jax.models.cascade import Cascade
from emrnas_jax.models.layers import Convolution

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
    block = partial(ConvolutionBlock, layers, width, precision)
    blocks = (block,) * components
    return Cascade(blocks, width, consistency, precision, first_slope=RELU)


class ConvolutionBlock(nn.Module):
    """Convolutions in sequence, each with ReLU."""

    layers: int
    width: int
    precision: str = "float32"

    @nn.compact
    def __call__(
        self,
        x: Map,
        train: bool,  # noqa: ARG002 - there is no batch norm here
    ) -> Map:
        """Return the block's features."""
        for j in range(1, self.layers + 1):
            x = Convolution(
                self.width, slope=RELU, precision=self.precision, name=f"conv_{j}"
            )(x)
        return x
