"""CDDNTDC: cascaded dilated dense blocks with two-step data consistency.

Batch norm and ReLU come before each convolution but the first. Source: Zheng et al.,
"Cascaded dilated dense network with two-step data consistency for MRI reconstruction",
NeurIPS 2019.
"""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.kernels.convolution import Map
from emrnas_jax.models.cascade import Cascade
from emrnas_jax.models.layers import Convolution, LayerSettings, batch_norm, pointwise

DILATIONS = (1, 2, 4)


def cddntdc(
    components: int = 5,
    layers: int = 3,
    width: int = 16,
    consistency: str = "two_step",
    precision: str = "float32",
) -> Cascade:
    """Return CDDNTDC; as published it has 59,930 parameters.

    Args:
        components: cascades, each followed by data consistency.
        layers: dense layers of a cascade, with dilations 1, 2, 4, 1, 2, ..; 11 give
            the 331 thousand parameters that EMR-NAS compares at.
        width: channels of the first map, and of those that each layer adds.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.
    """
    settings = LayerSettings(width, precision)
    block = partial(DenseBlock, layers, settings)
    return Cascade((block,) * components, settings, consistency)


class DenseBlock(nn.Module):
    """Dense layers, and the transition to half of their channels."""

    layers: int
    settings: LayerSettings

    @nn.compact
    def __call__(self, x: Map, train: bool) -> Float[Array, "batch height width out"]:
        """Return features that are ready for the last convolution."""
        stack = x
        for j in range(self.layers):
            dilation = DILATIONS[j % len(DILATIONS)]
            layer = DenseLayer(self.settings, dilation, name=f"layer_{j + 1}")
            # Batch norm and the 1x1 convolution read all maps as one array, so this
            # copy cannot be spared as in a cell.
            stack = jnp.concatenate([stack, layer(stack, train)], axis=-1)
        y = nn.relu(batch_norm(x.dtype, train, "norm")(stack))
        half = stack.shape[-1] // 2
        y = pointwise(half, self.settings.precision, "transition")(y)
        # The published weights count this norm to the cascade's last convolution. That
        # layer is the same in all cascades, so here the block ends with the norm.
        return nn.relu(batch_norm(x.dtype, train, "last_norm")(y))


class DenseLayer(nn.Module):
    """Batch norm, ReLU and a 1x1 convolution; again with a dilated 3x3 convolution."""

    settings: LayerSettings
    dilation: int

    @nn.compact
    def __call__(
        self, stack: Map, train: bool
    ) -> Float[Array, "batch height width new"]:
        """Return the maps to add to `stack`."""
        width, precision = self.settings.width, self.settings.precision
        y = nn.relu(batch_norm(stack.dtype, train, "norm_1")(stack))
        y = pointwise(width, precision, "conv_1")(y)
        y = nn.relu(batch_norm(stack.dtype, train, "norm_2")(y))
        return Convolution(width, self.dilation, precision=precision, name="conv_2")(y)
