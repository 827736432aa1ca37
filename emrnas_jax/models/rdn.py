"""RDN: dilated convolutions that run several times with the same weights.

Source: Sun et al., "Compressed sensing MRI using a recursive dilated network", AAAI
2018, in the form for complex images that the CDDNTDC authors trained. There data
consistency keeps 1e-7 of the network's own samples; here it is plain replacement.
"""

from functools import partial

import flax.linen as nn

from emrnas_jax.kernels.convolution import Map
from emrnas_jax.models.cascade import Cascade
from emrnas_jax.models.layers import Convolution, LayerSettings

SLOPE = 0.01  # of LeakyReLU, everywhere
DILATIONS = (1, 2, 3)


def rdn(
    components: int = 5,
    layers: int = 3,
    recursions: int = 3,
    width: int = 32,
    consistency: str = "single",
    precision: str = "float32",
) -> Cascade:
    """Return RDN; as published it has 144,650 parameters.

    Args:
        components: cascades, each followed by data consistency.
        layers: convolutions of a recursion, with dilations 1, 2, 3, 1, 2, ..; 7 give
            the 330 thousand parameters that EMR-NAS compares at.
        recursions: number of times that the layers run.
        width: channels of the feature maps.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.
    """
    settings = LayerSettings(width, precision)
    block = partial(RecursiveBlock, layers, recursions, settings)
    return Cascade((block,) * components, settings, consistency, SLOPE, SLOPE)


class RecursiveBlock(nn.Module):
    """`h ← h₀ + layers(h)`, several times with the same layers."""

    layers: int
    recursions: int
    settings: LayerSettings

    @nn.compact
    def __call__(
        self,
        x: Map,
        train: bool,  # noqa: ARG002 - there is no batch norm here
    ) -> Map:
        """Return the block's features; the shortcut always comes from `x`."""
        # Made once and called in every recursion, so the recursions share weights.
        convolutions = [
            Convolution(
                self.settings.width,
                DILATIONS[j % len(DILATIONS)],
                SLOPE,
                self.settings.precision,
                name=f"conv_{j + 1}",
            )
            for j in range(self.layers)
        ]
        h = x
        for _ in range(self.recursions):
            for convolution in convolutions:
                h = convolution(h)
            h = x + h
        return h
