"""XLA's 3x3 convolution in two forms, which differ in what they do about dilation.

- `native` tells XLA the dilation.
- `space_to_batch` cuts the image into d x d sub-images of every d-th row and column.
  What a dilated kernel reads together lies in one of them side by side, so a plain
  convolution of the sub-images, stacked on the batch axis, is the same; and its kernel
  gradient is that of the plain convolution. Sides that d does not divide are filled
  with zeros, which is what a convolution sees beyond the image anyway.

The form decides nothing but speed. XLA's passes for cuDNN write a dilated kernel out
with its zeros, 25 or 81 taps for 9, and compute them all: 15 to 23 times slower than
PyTorch by the report of openxla/xla#32231 (2025), whose correction was not in the
sources read for this (`conv_padding_legalization.cc`). So GPUs use `space_to_batch`,
which moves each map twice more through memory; the compilers for CPU and TPU know
dilation. Not measured on a GPU yet: the benchmark there compares `FORMS`.

Arrays are as in `models.convolution`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.models.precision import PRECISIONS

LAYOUT = ("NHWC", "HWIO", "NHWC")
SPACE_TO_BATCH_ON = ("cuda", "rocm")  # to be revised by measurement

Map = Float[Array, "batch height width channel"]
Input = Float[Array, "batch height width in"]
Output = Float[Array, "batch height width out"]
Kernel = Float[Array, "3 3 in out"]


def convolution_of_library(
    x: Input, kernel: Kernel, dilation: int, precision: str
) -> Output:
    """Convolve in the form that is right for the platform."""
    return _by_platform("convolution", dilation, precision, x, kernel)


def kernel_gradient_of_library(
    x: Input, dy: Output, dilation: int, precision: str = "float32"
) -> Kernel:
    """Gradient of the convolution with respect to its kernel, likewise."""
    return _by_platform("kernel_gradient", dilation, precision, x, dy)


def native(x: Input, kernel: Kernel, dilation: int, precision: str) -> Output:
    """Convolve with zero padding; the dilation is left to XLA."""
    return jax.lax.conv_general_dilated(
        x,
        kernel.astype(x.dtype),
        window_strides=(1, 1),
        padding="SAME",
        rhs_dilation=(dilation, dilation),
        dimension_numbers=LAYOUT,
        precision=PRECISIONS[precision].products,
    )


def native_kernel_gradient(
    x: Input, dy: Output, dilation: int, precision: str
) -> Kernel:
    """Gradient of the kernel: batch and channels change places."""
    # Asked for a float32 result of bfloat16 operands, cuDNN would get float32 copies.
    gradient = jax.lax.conv_general_dilated(
        x,
        dy,
        window_strides=(dilation, dilation),
        padding=((dilation, dilation), (dilation, dilation)),
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
        precision=PRECISIONS[precision].products,
    )
    return gradient.astype(jnp.float32)


def space_to_batch(x: Input, kernel: Kernel, dilation: int, precision: str) -> Output:
    """Convolve the sub-images without dilation."""
    found = native(split(x, dilation), kernel, 1, precision)
    return join(found, dilation, x.shape[1], x.shape[2])


def space_to_batch_kernel_gradient(
    x: Input, dy: Output, dilation: int, precision: str
) -> Kernel:
    """Gradient of the kernel: the plain one, summed over the sub-images."""
    return native_kernel_gradient(split(x, dilation), split(dy, dilation), 1, precision)


class Form(NamedTuple):
    """A form of the convolution, and of its kernel gradient.

    The input gradient is the convolution with the turned kernel.
    """

    convolution: Callable[[Input, Kernel, int, str], Output]
    kernel_gradient: Callable[[Input, Output, int, str], Kernel]


FORMS = {
    "native": Form(native, native_kernel_gradient),
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
    def form(name: str) -> Callable[..., Array]:
        function = getattr(FORMS[name], part)
        return partial(function, dilation=dilation, precision=precision)

    if dilation == 1:
        return form("native")(*arrays)
    elsewhere = form("space_to_batch")
    return jax.lax.platform_dependent(
        *arrays,
        default=form("native"),
        **dict.fromkeys(SPACE_TO_BATCH_ON, elsewhere),
    )
