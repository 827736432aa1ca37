"""Layers that several networks are made of, with the paper's initialisation.

Maps are `batch height width channel`; a layer's result has the type of its input,
its weights and statistics are float32.
"""

import math
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from emrnas_jax.kernels.convolution import convolve
from emrnas_jax.kernels.precision import PRECISIONS
from emrnas_jax.machine.devices import batch_axis
from emrnas_jax.mri.consistency import WEIGHTS

# Collection of the images after all components but the last one: `keep_image`.
EARLIER_IMAGES = "earlier_images"


@dataclass(frozen=True)
class LayerSettings:
    """What all layers of a network have in common.

    Frozen and hashable, so that it can be a static attribute of a Flax module and an
    argument that a custom gradient does not differentiate.

    Attributes:
        width: channels of the feature maps.
        precision: a name in `kernels.precision.PRECISIONS`.
        batch_norm: whether batch norm follows the activations of a cell (ablation B).
        residual: whether cells and blocks add what they read (without: ablation C).
    """

    width: int
    precision: str = "float32"
    batch_norm: bool = False
    residual: bool = True

    @property
    def maps(self) -> DTypeLike:
        """The type of the feature maps."""
        return PRECISIONS[self.precision].maps


def uniform_kernel(
    key: Key[Array, ""], shape: tuple[int, ...], dtype: DTypeLike = "float32"
) -> Float[Array, "*taps in out"]:
    """Draw a kernel with variance 1 / (3 · fan in), the paper's framework's default."""
    # A uniform draw from [-b, b] has the variance b² / 3.
    bound = 1 / math.sqrt(math.prod(shape[:-1]))
    return jax.random.uniform(key, shape, dtype, minval=-bound, maxval=bound)


class Parameters(nn.Module):
    """Kernel and bias of one convolution, for functions that take them as arrays."""

    shapes: dict[str, tuple[int, ...]]

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        """Return them."""
        return {
            "kernel": self.param("kernel", uniform_kernel, self.shapes["kernel"]),
            # The paper's framework would draw it from the kernel's range by default.
            "bias": self.param("bias", nn.initializers.zeros, self.shapes["bias"]),
        }


class Convolution(nn.Module):
    """A 3x3 convolution and LeakyReLU; `nn.Conv` with a faster gradient.

    Attributes:
        features: output channels.
        dilation: distance of the kernel's taps, pixels.
        slope: slope of LeakyReLU; 0 is ReLU, 1 no activation.
        precision: a name in `kernels.precision.PRECISIONS`.
        has_bias: whether each output channel has a bias.
    """

    features: int
    dilation: int = 1
    slope: float = 1.0
    precision: str = "float32"
    has_bias: bool = True

    @nn.compact
    def __call__(
        self, *maps: Float[Array, "batch height width _"]
    ) -> Float[Array, "batch height width out"]:
        """Convolve `maps`, as if they were concatenated, and activate."""
        shape = (3, 3, sum(x.shape[-1] for x in maps), self.features)
        kernel = self.param("kernel", uniform_kernel, shape)
        zeros = nn.initializers.zeros
        if self.has_bias:
            bias = self.param("bias", zeros, (self.features,))
        else:
            bias = jnp.zeros(self.features)
        return convolve(maps, kernel, bias, self.dilation, self.slope, self.precision)


def keep_image(
    module: nn.Module, name: str, image: Float[Array, "batch height width 2"]
) -> None:
    """Leave the image after a component for deep supervision.

    It is kept only where a program asks for the collection `EARLIER_IMAGES`.
    """
    if not module.is_initializing():  # an image is no variable of the network
        module.sow(EARLIER_IMAGES, name, image)


def learned_weight(module: nn.Module, consistency: str) -> tuple[Float[Array, ""], ...]:
    """Return the weight of a data consistency as a parameter of `module`.

    The parameter is the logarithm of its ratio to `mri.consistency.WEIGHTS`, so that
    the weight stays positive and weight decay draws it to its value before training.

    Args:
        module: a component, within its compact method.
        consistency: a name in `mri.consistency.CONSISTENCY`.

    Returns:
        the last arguments of the consistency: its weight, or nothing if it has none.
    """
    if consistency not in WEIGHTS:
        return ()
    ratio = module.param("log_weight", nn.initializers.zeros, ())
    return (WEIGHTS[consistency] * jnp.exp(ratio),)


def pointwise(
    features: int, precision: str, name: str, *, bias: bool = True
) -> nn.Dense:
    """Return a 1x1 convolution: a matrix product over channels."""
    return nn.Dense(
        features,
        use_bias=bias,
        dtype=PRECISIONS[precision].maps,
        precision=PRECISIONS[precision].products,
        kernel_init=uniform_kernel,
        name=name,
    )


def batch_norm(dtype: DTypeLike, train: bool, name: str) -> nn.BatchNorm:
    """Return batch normalisation with the statistics of the whole batch.

    The paper's framework feeds running variances with n / (n - 1) times the batch's, n
    its pixels, and Flax does not: a factor of 1.000002 at 256 x 256 and batch 8.

    Args:
        dtype: type of the result.
        train: whether to take the batch's statistics and move the running ones.
        name: name of the layer in the tree of weights.
    """
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=0.9,  # the framework's 0.1 is the weight of the new value
        epsilon=1e-5,
        dtype=dtype,  # statistics are float32
        # Devices share their statistics: a divided batch gives the same result.
        axis_name=batch_axis(),
        name=name,
    )
