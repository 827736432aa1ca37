"""The 3x3 convolutions of every network here, with gradients that are fast everywhere.

Maps are `batch height width channel`, kernels `3 3 in out` ("HWIO"); stride 1, zero
padding that keeps the size, dilation d. A convolution reads one or several maps, whose
channels in turn are the kernel's inputs. This is the concatenation of the field's
papers without its copy. The type of the maps is that of the result; kernels, biases
and their gradients stay float32, see `kernels.precision`.

On the CPU convolutions run in the C++ kernels of `kernels.cpp`, those of bfloat16 maps
where it has matrix units; elsewhere in XLA.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.kernels import cpp, xla

WHOLE = 16  # channels of the widest vectors

Map = Float[Array, "batch height width channel"]
Maps = Sequence[Float[Array, "batch height width _"]]
Kernel = Float[Array, "3 3 in out"]
Bias = Float[Array, " out"]


def per_channel(values: Float[Array, " channel"]) -> Float[Array, "1 1 1 channel"]:
    """Return values with the axes of a feature map."""
    return values[None, None, None]


def parts(maps: Maps, kernel: Kernel) -> list[Float[Array, "3 3 _ out"]]:
    """Return the part of the kernel's inputs that belongs to each map."""
    ends = itertools.accumulate(x.shape[-1] for x in maps)
    return [
        kernel[:, :, end - x.shape[-1] : end] for x, end in zip(maps, ends, strict=True)
    ]


def convolve(
    maps: Maps,
    kernel: Kernel,
    bias: Bias,
    dilation: int = 1,
    slope: float = 1.0,
    precision: str = "float32",
) -> Map:
    """Convolve maps, add the bias, and apply LeakyReLU.

    Args:
        maps: their channels make up the kernel's inputs.
        kernel: weights for the channels of all maps.
        bias: one value for every output channel.
        dilation: distance of the kernel's taps, pixels.
        slope: slope of LeakyReLU; 0 is ReLU, 1 leaves the sum as it is.
        precision: a name in `kernels.precision.PRECISIONS`.
    """
    # JAX's decorator hides the type of the result from type checkers.
    result: Any = _convolve(tuple(maps), kernel, bias, dilation, slope, precision)
    return result


def leaky_relu(y: Map, slope: float) -> Map:
    """Multiply negative values by `slope`."""
    # Slope 1 changes nothing, and the program is spared a pass over the map.
    return y if slope == 1 else jnp.where(y >= 0, y, slope * y)


def leaky_gradient(activated: Map, dy: Map, slope: float) -> Map:
    """Return the gradient before a LeakyReLU from that after it.

    The activation is above 0 where its input is, for every slope down to 0; at exactly
    0 the gradient is that of negative values, as in the paper's framework.
    """
    return jnp.where(activated > 0, dy, slope * dy)


class Reader(NamedTuple):
    """A convolution that reads a map, as the map's gradient sees it.

    Attributes:
        dy: gradient of the convolution's sum.
        kernel: part of its kernel that reads the map.
        dilation: distance of its taps, pixels.
    """

    dy: Map
    kernel: Float[Array, "3 3 _ _"]
    dilation: int


def input_gradient(
    readers: Sequence[Reader],
    activated: Map | None = None,
    slope: float = 1.0,
    precision: str = "float32",
) -> Map:
    """Return the gradient of a map that several convolutions read.

    Args:
        readers: the convolutions.
        activated: the map itself where it is the output of a LeakyReLU; the gradient
            returned is then that of the activation's input.
        slope: slope of this LeakyReLU.
        precision: precision of the convolutions, as for `convolve`.
    """
    # The gradient of a convolution is one with the kernel turned by half a turn.
    turned = [r.kernel[::-1, ::-1].swapaxes(2, 3) for r in readers]
    kernel = turned[0] if len(turned) == 1 else jnp.concatenate(turned, axis=2)
    maps, dilations = tuple(r.dy for r in readers), tuple(r.dilation for r in readers)
    forms = _input_gradient_forms(dilations, slope, precision)
    more = () if activated is None else (activated,)
    usable = cpp.takes(maps, kernel.shape[-1], dilations)
    return _by_platform(usable, forms, maps, kernel, *more)


def kernel_gradient(
    maps: Maps, dy: Map, dilation: int, precision: str = "float32"
) -> tuple[Kernel, Bias]:
    """Return the gradients of a convolution's kernel and bias, in float32.

    Args:
        maps: maps that the convolution read.
        dy: gradient of its sum.
        dilation: distance of its taps, pixels.
        precision: precision of the convolution, as for `convolve`.
    """
    usable = cpp.takes_gradient(maps, dy)
    return _by_platform(
        usable, _kernel_gradient_forms(dilation, precision), tuple(maps), dy
    )


class Forms(NamedTuple):
    """One computation in its two forms, which take the same arrays."""

    on_cpu: Callable
    elsewhere: Callable


# JAX traces a branch anew unless it is the same function object. Networks repeat a
# few convolutions many times, so one object for each setting saves most of the tracing.
@cache
def _convolution_forms(dilation: int, slope: float, precision: str) -> Forms:
    def on_cpu(maps: Maps, kernel: Kernel, bias: Bias) -> Map:
        after = cpp.NOTHING if slope == 1 else cpp.LEAKY
        dilations = [dilation] * len(maps)
        return cpp.sum_of_convolutions(maps, kernel, bias, dilations, after, slope)

    def elsewhere(maps: Maps, kernel: Kernel, bias: Bias) -> Map:
        y = xla.sum_of_convolutions(maps, kernel, [dilation] * len(maps), precision)
        return leaky_relu(y + per_channel(bias), slope).astype(y.dtype)

    return Forms(on_cpu, elsewhere)


@cache
def _input_gradient_forms(
    dilations: tuple[int, ...], slope: float, precision: str
) -> Forms:
    def on_cpu(maps: Maps, kernel: Kernel, *activated: Map) -> Map:
        after = cpp.LEAKY_GRADIENT if activated else cpp.NOTHING
        return cpp.sum_of_convolutions(
            maps, kernel, None, dilations, after, slope, *activated
        )

    def elsewhere(maps: Maps, kernel: Kernel, *activated: Map) -> Map:
        dx = xla.sum_of_convolutions(maps, kernel, dilations, precision)
        return leaky_gradient(activated[0], dx, slope) if activated else dx

    return Forms(on_cpu, elsewhere)


@cache
def _kernel_gradient_forms(dilation: int, precision: str) -> Forms:
    def on_cpu(maps: Maps, dy: Map) -> tuple[Kernel, Bias]:
        return cpp.kernel_gradient(maps, dy, dilation)

    def elsewhere(maps: Maps, dy: Map) -> tuple[Kernel, Bias]:
        parts = [xla.kernel_gradient(x, dy, dilation, precision) for x in maps]
        return jnp.concatenate(parts, axis=2), dy.sum((0, 1, 2), dtype=jnp.float32)

    return Forms(on_cpu, elsewhere)


def _by_platform(usable: bool, forms: Forms, *arrays: Any) -> Any:
    # Chosen when the program is compiled: one traced for export serves any platform.
    if not usable:
        return forms.elsewhere(*arrays)
    return jax.lax.platform_dependent(
        *arrays, cpu=forms.on_cpu, default=forms.elsewhere
    )


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def _convolve(
    maps: Maps,
    kernel: Kernel,
    bias: Bias,
    dilation: int,
    slope: float,
    precision: str,
) -> Map:
    forms = _convolution_forms(dilation, slope, precision)
    usable = cpp.takes(maps, kernel.shape[-1], [dilation])
    return _by_platform(usable, forms, maps, kernel, bias)


def _forward(
    maps: Maps,
    kernel: Kernel,
    bias: Bias,
    dilation: int,
    slope: float,
    precision: str,
) -> tuple[Map, tuple]:
    y = convolve(maps, kernel, bias, dilation, slope, precision)
    # LeakyReLU keeps the sign, so its output gives its gradient and no sum is stored.
    return y, (maps, kernel, None if slope == 1 else y)


def _backward(
    dilation: int, slope: float, precision: str, saved: tuple, dy: Map
) -> tuple:
    maps, kernel, y = saved
    if y is not None:
        dy = leaky_gradient(y, dy, slope)
    # Maps of few channels together, because alone they would not fill a vector. Others
    # one at a time: each may have other readers, which JAX adds up.
    few = any(x.shape[-1] % WHOLE for x in maps)
    own = [kernel] if few else parts(maps, kernel)
    gradients = [
        input_gradient([Reader(dy, part, dilation)], precision=precision)
        for part in own
    ]
    if few:
        ends = itertools.accumulate(x.shape[-1] for x in maps[:-1])
        gradients = jnp.split(gradients[0], list(ends), axis=-1)
    return (tuple(gradients), *kernel_gradient(maps, dy, dilation, precision))


_convolve.defvjp(_forward, _backward)
