"""The 3x3 convolutions as XLA has them: on GPU, on TPU, and where no compiler is.

XLA's own weight gradient runs on a slow path of its CPU compiler inside `lax.switch`
and `lax.scan` (30 to 70 times slower than outside, JAX 0.10). So on the CPU it is
written as one matrix product; on GPU and TPU the library's gradient is kept.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.models.dilation import (
    convolution_of_library,
    kernel_gradient_of_library,
)


def sum_of_convolutions(
    maps: Sequence[Float[Array, "batch height width _"]],
    kernel: Float[Array, "3 3 in out"],
    dilations: Sequence[int],
    precision: str,
) -> Float[Array, "batch height width out"]:
    """Convolve each map with its part of the kernel's inputs, and add."""
    # Adding costs less than a concatenated copy of the maps.
    total, start = None, 0
    for x, dilation in zip(maps, dilations, strict=True):
        end = start + x.shape[-1]
        y = convolution_of_library(x, kernel[:, :, start:end], dilation, precision)
        total, start = y if total is None else total + y, end
    assert total is not None, "a convolution reads at least one map"
    return total


def kernel_gradient(
    x: Float[Array, "batch height width in"],
    dy: Float[Array, "batch height width out"],
    dilation: int,
    precision: str,
) -> Float[Array, "3 3 in out"]:
    """Return the gradient of one map's part of the kernel, in float32."""
    return jax.lax.platform_dependent(
        x,
        dy,
        cpu=partial(kernel_gradient_as_product, dilation=dilation),
        default=partial(
            kernel_gradient_of_library, dilation=dilation, precision=precision
        ),
    )


def kernel_gradient_as_product(
    x: Float[Array, "batch height width in"],
    dy: Float[Array, "batch height width out"],
    dilation: int,
) -> Float[Array, "3 3 in out"]:
    """One matrix product of the input with the nine shifted output gradients."""
    _, height, width, channels_in = x.shape
    channels_out = dy.shape[-1]
    d = dilation
    padded = jnp.pad(dy, ((0, 0), (d, d), (d, d), (0, 0)))
    taps = jnp.concatenate(
        [
            padded[:, i : i + height, j : j + width]
            for i in (2 * d, d, 0)
            for j in (2 * d, d, 0)
        ],
        axis=-1,
    )
    product = jnp.matmul(
        x.reshape(-1, channels_in).T,
        taps.reshape(-1, 9 * channels_out),
        preferred_element_type=jnp.float32,
    )
    return product.reshape(channels_in, 3, 3, channels_out).transpose(1, 2, 0, 3)
