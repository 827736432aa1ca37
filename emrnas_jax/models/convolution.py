"""The 3x3 convolution of every network here, with a gradient that is fast everywhere.

Arrays are `batch height width channel`, kernels `3 3 in out` ("HWIO"); stride 1, zero
padding that keeps the size, dilation d. The type of `x` is that of the result; kernels
and their gradients stay float32, see `models.precision`.

XLA's own weight gradient runs on a slow path of its CPU compiler inside `lax.switch`
and `lax.scan` (30 to 70 times slower than outside, JAX 0.10). So on the CPU it is
written as one matrix product; on GPU and TPU the library's gradient is kept.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.models.dilation import (
    convolution_of_library,
    kernel_gradient_of_library,
)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(
    x: Float[Array, "batch height width in"],
    kernel: Float[Array, "3 3 in out"],
    dilation: int,
    precision: str = "float32",
) -> Float[Array, "batch height width out"]:
    """Convolve with zero padding; the spatial size stays."""
    return convolution_of_library(x, kernel, dilation, precision)


def input_gradient(
    dy: Float[Array, "batch height width out"],
    kernel: Float[Array, "3 3 in out"],
    dilation: int,
    precision: str = "float32",
) -> Float[Array, "batch height width in"]:
    """Gradient of `convolve` with respect to its input: a convolution again."""
    return convolve(dy, kernel[::-1, ::-1].swapaxes(2, 3), dilation, precision)


def kernel_gradient(
    x: Float[Array, "batch height width in"],
    dy: Float[Array, "batch height width out"],
    dilation: int,
    precision: str = "float32",
) -> Float[Array, "3 3 in out"]:
    """Gradient of `convolve` with respect to its kernel, in float32."""
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


def _forward(
    x: Float[Array, "batch height width in"],
    kernel: Float[Array, "3 3 in out"],
    dilation: int,
    precision: str,
) -> tuple[Float[Array, "batch height width out"], tuple[Array, Array]]:
    return convolve(x, kernel, dilation, precision), (x, kernel)


def _backward(
    dilation: int,
    precision: str,
    saved: tuple[Array, Array],
    dy: Float[Array, "batch height width out"],
) -> tuple[Array, Array]:
    x, kernel = saved
    return (
        input_gradient(dy, kernel, dilation, precision),
        kernel_gradient(x, dy, dilation, precision),
    )


convolve.defvjp(_forward, _backward)
