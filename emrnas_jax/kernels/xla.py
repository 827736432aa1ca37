"""The 3x3 convolutions of XLA, for GPU and TPU, and where there is no compiler.

A dilated convolution has two forms, which differ in speed alone:

- `direct` passes the dilation to XLA.
- `space_to_batch` cuts the image into d x d sub-images of every d-th row and column.
  The samples that a dilated kernel reads together lie side by side in one of them, so a
  plain convolution of the sub-images, stacked on the batch axis, gives the same result;
  and its kernel gradient is that of the plain convolution. Sides that d does not divide
  are filled with zeros, as a convolution reads zeros beyond the image anyway.

XLA's passes for cuDNN write a dilated kernel out with its zeros, 25 or 81 taps for 9,
and compute them all: 15 to 23 times slower than PyTorch by the report of
openxla/xla#32231 (2025), whose correction was not in the sources read for this
(`conv_padding_legalization.cc`). So GPUs use `space_to_batch`, which moves each map
twice more through memory; the compilers for CPU and TPU handle dilation well. This has
not been measured on a GPU yet: the benchmark there compares `FORMS`.

XLA's own weight gradient runs on a slow path of its CPU compiler inside `lax.switch`
and `lax.scan` (30 to 70 times slower than outside, JAX 0.10). So on the CPU it is
written as one matrix product; on GPU and TPU the library's gradient is kept.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.kernels.precision import PRECISIONS

LAYOUT = ("NHWC", "HWIO", "NHWC")
SPACE_TO_BATCH_ON = ("cuda", "rocm")  # to be revised by measurement

Map = Float[Array, "batch height width channel"]
Input = Float[Array, "batch height width in"]
Output = Float[Array, "batch height width out"]
Kernel = Float[Array, "3 3 in out"]


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
        cpu=_product_form(dilation),
        default=_library_form(dilation, precision),
    )


def kernel_gradient_as_product(
    x: Float[Array, "batch height width in"],
    dy: Float[Array, "batch height width out"],
    dilation: int,
) -> Float[Array, "3 3 in out"]:
    """Multiply the input with the nine shifted output gradients, as matrices."""
    _, height, width, channels_in = x.shape
    channels_out = dy.shape[-1]
    d = dilation
    padded = jnp.pad(dy, ((0, 0), (d, d), (d, d), (0, 0)))
    # A tap that reads the pixel t further on meets the output gradient t further back.
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
        # A sum over all pixels of a batch, for which bfloat16 has too few digits.
        preferred_element_type=jnp.float32,
    )
    return product.reshape(channels_in, 3, 3, channels_out).transpose(1, 2, 0, 3)


def convolution_of_library(
    x: Input, kernel: Kernel, dilation: int, precision: str
) -> Output:
    """Convolve in the form that is right for the platform."""
    return _by_platform("convolution", dilation, precision, x, kernel)


def kernel_gradient_of_library(
    x: Input, dy: Output, dilation: int, precision: str = "float32"
) -> Kernel:
    """Return the kernel's gradient in the form that is right for the platform."""
    return _by_platform("kernel_gradient", dilation, precision, x, dy)


def direct(x: Input, kernel: Kernel, dilation: int, precision: str) -> Output:
    """Convolve with zero padding; the dilation is left to XLA."""
    return jax.lax.conv_general_dilated(
        x,
        kernel.astype(x.dtype),  # weights are float32 in every precision
        window_strides=(1, 1),
        padding="SAME",
        rhs_dilation=(dilation, dilation),
        dimension_numbers=LAYOUT,
        precision=PRECISIONS[precision].products,
    )


def direct_kernel_gradient(
    x: Input, dy: Output, dilation: int, precision: str
) -> Kernel:
    """Return the kernel's gradient: batch and channels are exchanged."""
    # Asked for a float32 result of bfloat16 operands, cuDNN would get float32 copies.
    gradient = jax.lax.conv_general_dilated(
        x,
        dy,
        # The taps are `dilation` apart, so `dy` as the kernel moves by as much.
        window_strides=(dilation, dilation),
        padding=((dilation, dilation), (dilation, dilation)),
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
        precision=PRECISIONS[precision].products,
    )
    return gradient.astype(jnp.float32)


def space_to_batch(x: Input, kernel: Kernel, dilation: int, precision: str) -> Output:
    """Convolve the sub-images without dilation."""
    found = direct(split(x, dilation), kernel, 1, precision)
    return join(found, dilation, x.shape[1], x.shape[2])


def space_to_batch_kernel_gradient(
    x: Input, dy: Output, dilation: int, precision: str
) -> Kernel:
    """Return the kernel's gradient: the plain one, summed over the sub-images."""
    return direct_kernel_gradient(split(x, dilation), split(dy, dilation), 1, precision)


class Form(NamedTuple):
    """A form of the convolution, and of its kernel gradient.

    The input gradient is the convolution with the turned kernel.
    """

    convolution: Callable[[Input, Kernel, int, str], Output]
    kernel_gradient: Callable[[Input, Output, int, str], Kernel]


FORMS = {
    "direct": Form(direct, direct_kernel_gradient),
    "space_to_batch": Form(space_to_batch, space_to_batch_kernel_gradient),
}


def split(x: Map, d: int) -> Float[Array, "parts rows columns channel"]:
    """Return the d x d sub-images of every d-th row and column, on the batch axis."""
    batch, height, width, channels = x.shape
    rows, columns = -(-height // d), -(-width // d)
    filled = jnp.pad(
        x, ((0, 0), (0, rows * d - height), (0, columns * d - width), (0, 0))
    )
    parts = filled.reshape(batch, rows, d, columns, d, channels)
    return parts.transpose(2, 4, 0, 1, 3, 5).reshape(-1, rows, columns, channels)


def join(
    parts: Float[Array, "parts rows columns channel"], d: int, height: int, width: int
) -> Map:
    """Put sub-images together again: inverse of `split`."""
    _, rows, columns, channels = parts.shape
    parts = parts.reshape(d, d, -1, rows, columns, channels)
    whole = parts.transpose(2, 3, 0, 4, 1, 5)
    whole = whole.reshape(-1, rows * d, columns * d, channels)
    return whole[:, :height, :width]


def _by_platform(part: str, dilation: int, precision: str, *arrays: Array) -> Array:
    # Without dilation both forms are the same program.
    if dilation == 1:
        return _form("direct", part, dilation, precision)(*arrays)
    elsewhere = _form("space_to_batch", part, dilation, precision)
    return jax.lax.platform_dependent(
        *arrays,
        default=_form("direct", part, dilation, precision),
        **dict.fromkeys(SPACE_TO_BATCH_ON, elsewhere),
    )


# Cached because JAX traces a branch anew unless it is the same function object.
@cache
def _form(name: str, part: str, dilation: int, precision: str) -> Callable[..., Array]:
    function = getattr(FORMS[name], part)
    return partial(function, dilation=dilation, precision=precision)


@cache
def _product_form(dilation: int) -> Callable[[Input, Output], Kernel]:
    return partial(kernel_gradient_as_product, dilation=dilation)


@cache
def _library_form(dilation: int, precision: str) -> Callable[[Input, Output], Kernel]:
    return partial(kernel_gradient_of_library, dilation=dilation, precision=precision)
