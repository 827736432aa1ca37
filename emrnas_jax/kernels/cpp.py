"""The 3x3 convolutions of this folder's C++ files, called from programs on the CPU."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from emrnas_jax.kernels.library import has_matrix_units, targets

# Activations of a sum, as `After` in convolution.cpp numbers it.
NOTHING, LEAKY, LEAKY_GRADIENT = 0, 1, 2


def takes(
    maps: Sequence[Shaped[Array, "batch height width _"]],
    outputs: int,
    dilations: Sequence[int],
) -> bool:
    """Return whether `sum_of_convolutions` can be used for these maps."""
    if _are_halves(maps):
        return len(set(dilations)) == 1
    # The kernels compute channels by fours; few outputs of one map are the last
    # convolution of every component.
    few_from_one = len(maps) == 1 and maps[0].shape[-1] % 4 == 0 and outputs < 4
    return (outputs % 4 == 0 or few_from_one) and _are_floats(maps)


def takes_gradient(
    maps: Sequence[Shaped[Array, "batch height width _"]],
    dy: Shaped[Array, "batch height width out"],
) -> bool:
    """Return whether `kernel_gradient` can be used for these maps."""
    one_map = len(maps) == 1 and maps[0].shape[-1] % 4 == 0
    by_fours = dy.shape[-1] % 4 == 0 or one_map
    return (by_fours and _are_floats([*maps, dy])) or _are_halves([*maps, dy])


def _are_floats(maps: Sequence[Shaped[Array, "batch height width _"]]) -> bool:
    return all(x.dtype == jnp.float32 for x in maps) and targets() is not None


def _are_halves(maps: Sequence[Shaped[Array, "batch height width _"]]) -> bool:
    # Blocks of 32 pixels need rows of that length.
    large = maps[0].shape[2] >= 32 and all(x.dtype == jnp.bfloat16 for x in maps)
    return large and has_matrix_units()


def sum_of_convolutions(
    maps: Sequence[Float[Array, "batch height width _"]],
    kernel: Float[Array, "3 3 in out"],
    bias: Float[Array, " out"] | None,
    dilations: Sequence[int],
    after: int = NOTHING,
    slope: float = 1.0,
    activated: Float[Array, "batch height width out"] | None = None,
) -> Float[Array, "batch height width out"]:
    """Convolve each map with its part of the kernel's inputs, and add.

    Args:
        maps: their channels make up the kernel's inputs.
        kernel: weights for the channels of all maps.
        bias: one value for every output channel, or None to add nothing.
        dilations: dilation of the taps for each map, pixels.
        after: activation of the sum: `NOTHING`, `LEAKY` or `LEAKY_GRADIENT`.
        slope: slope of the LeakyReLU.
        activated: output of the activation, for `LEAKY_GRADIENT`.
    """
    names = targets()
    assert names is not None, "ask `takes` first"
    kind = maps[0].dtype
    y = jax.ShapeDtypeStruct((*maps[0].shape[:3], kernel.shape[-1]), kind)
    name = names["emrnas_convolve" if kind == jnp.float32 else "emrnas_convolve_bf16"]
    # Under `vmap` the calls run one by one: a kernel knows these four axes and no more.
    call = jax.ffi.ffi_call(name, y, vmap_method="sequential")
    # A foreign function takes no missing arguments: an empty array stands for one.
    return call(
        kernel,
        jnp.zeros(0, jnp.float32) if bias is None else bias,
        jnp.zeros(0, kind) if activated is None else activated,
        *maps,
        # XLA converts no attributes: the types are those that the C++ side declares.
        dilations=np.asarray(dilations, np.int64),
        after=np.int64(after),
        slope=np.float32(slope),
    )


def kernel_gradient(
    maps: Sequence[Float[Array, "batch height width _"]],
    dy: Float[Array, "batch height width out"],
    dilation: int,
) -> tuple[Float[Array, "3 3 in out"], Float[Array, " out"]]:
    """Return the gradients of kernel and bias."""
    floats, outputs = dy.dtype == jnp.float32, dy.shape[-1]
    inputs = sum(x.shape[-1] for x in maps)
    many = len(maps) == 1 and inputs % 4 == 0 and inputs > outputs
    if floats and (outputs % 4 or (outputs == 4 and many)):
        # The kernel wants many output channels: exchange input and output.
        turned, _ = kernel_gradient([dy], maps[0], dilation)
        return turned[::-1, ::-1].swapaxes(2, 3), dy.sum((0, 1, 2))
    names = targets()
    assert names is not None, "ask `takes` first"
    results = (
        jax.ShapeDtypeStruct((3, 3, inputs, outputs), jnp.float32),
        jax.ShapeDtypeStruct((outputs,), jnp.float32),
    )
    name = "emrnas_kernel_gradient" if floats else "emrnas_kernel_gradient_bf16"
    call = jax.ffi.ffi_call(names[name], results, vmap_method="sequential")
    kernel, bias = call(dy, *maps, dilation=np.int64(dilation))
    return kernel, bias
