"""The arithmetic of a cell: Figure 2 (right) as pure functions of arrays.

An operation is four 3x3 convolutions of the cell's width; LeakyReLU(0.2) after the
first three. Map 0 is the cell's input, map j the output of convolution j (1..4); which
maps a convolution reads is `nas.space.sources`. Weights are a dict per convolution,
"kernel" and "bias"; with batch norm also "norm_scale" and "norm_bias" of the first
three.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.models.convolution import convolve, input_gradient, kernel_gradient
from emrnas_jax.nas.space import Operation, sources

SLOPE = 0.2  # of LeakyReLU, as in ESRGAN

Weights = Sequence[dict[str, Array]]
Map = Float[Array, "batch height width channel"]


def weight_shapes(
    operation: Operation, width: int, batch_norm: bool = False
) -> list[dict[str, tuple[int, ...]]]:
    """Return the shapes of an operation's weights, a dict per convolution."""
    shapes: list[dict[str, tuple[int, ...]]] = []
    for j in range(4):
        channels = width * len(sources(operation, j))
        own: dict[str, tuple[int, ...]] = {
            "kernel": (3, 3, channels, width),
            "bias": (width,),
        }
        if batch_norm and j < 3:
            own |= {"norm_scale": (width,), "norm_bias": (width,)}
        shapes.append(own)
    return shapes


def per_channel(values: Float[Array, " channel"]) -> Float[Array, "1 1 1 channel"]:
    """Return values with the axes of a feature map."""
    return values[None, None, None]


def add_bias(y: Map, bias: Float[Array, " channel"]) -> Map:
    """Add in float32, so that the bias's gradient is summed in it; keep y's type."""
    return (y + per_channel(bias)).astype(y.dtype)


def _slices(operation: Operation, j: int, width: int) -> list[tuple[int, slice]]:
    """Source maps of convolution j, each with its slice of the kernel's inputs."""
    return [
        (s, slice(q * width, (q + 1) * width))
        for q, s in enumerate(sources(operation, j))
    ]


def _convolution(
    operation: Operation,
    j: int,
    weights: dict[str, Array],
    maps: Sequence[Map],
    precision: str,
) -> Map:
    # Convolving each map with its slice of the kernel avoids a concatenated copy of
    # the maps, which costs more than the convolutions save by being one.
    d = operation.dilations[j]
    y: Any = sum(
        convolve(maps[s], weights["kernel"][:, :, part], d, precision)
        for s, part in _slices(operation, j, maps[0].shape[-1])
    )
    return add_bias(y, weights["bias"])


def plain_operation(
    operation: Operation,
    weights: Weights,
    x: Map,
    normalise: Callable[[int, Map], Map] | None = None,
    precision: str = "float32",
) -> tuple[Map, tuple[Map, Map, Map]]:
    """Evaluate one operation.

    Args:
        operation: which one.
        weights: its four kernels and biases.
        x: the cell's input.
        normalise: what follows each of the three activations (ablation B).
        precision: of the convolutions; the type of `x` is that of all maps.

    Returns:
        the output, and the three inner maps, which are all its gradient needs.
    """
    maps = [x]
    for j in range(3):
        y = _convolution(operation, j, weights[j], maps, precision)
        y = nn.leaky_relu(y, SLOPE)
        maps.append(y if normalise is None else normalise(j, y))
    y = _convolution(operation, 3, weights[3], maps, precision)
    return y, (maps[1], maps[2], maps[3])


def operation_gradient(
    operation: Operation,
    weights: Weights,
    x: Map,
    inner: tuple[Map, Map, Map],
    dy: Map,
    precision: str = "float32",
) -> tuple[list[dict[str, Array]], Map]:
    """Return the gradients of one operation: of its weights, and of its input."""
    maps = (x, *inner)
    dmaps: list[Array | None] = [None, None, None, None, dy]
    grads: list[dict[str, Array]] = [{}, {}, {}, {}]
    for j in (3, 2, 1, 0):
        d = operation.dilations[j]
        g = dmaps[j + 1]
        assert g is not None  # convolution j + 1 reads map j + 1
        if j < 3:
            # The sign of the activation is that of its input.
            g = jnp.where(inner[j] >= 0, g, SLOPE * g)
        kernel_grads = []
        for s, part in _slices(operation, j, x.shape[-1]):
            kernel_grads.append(kernel_gradient(maps[s], g, d, precision))
            dx = input_gradient(g, weights[j]["kernel"][:, :, part], d, precision)
            old = dmaps[s]
            dmaps[s] = dx if old is None else old + dx
        grads[j] = {
            "kernel": jnp.concatenate(kernel_grads, axis=2),
            "bias": g.sum((0, 1, 2), dtype=weights[j]["bias"].dtype),
        }
    assert dmaps[0] is not None
    return grads, dmaps[0]


def make_operation(
    operation: Operation, precision: str = "float32"
) -> Callable[[Weights, Map], Map]:
    """Return the operation as a function whose gradient keeps only the inner maps."""

    @jax.custom_vjp
    def run(weights: Weights, x: Map) -> Map:
        return plain_operation(operation, weights, x, precision=precision)[0]

    def forward(weights: Weights, x: Map) -> tuple[Map, tuple]:
        y, inner = plain_operation(operation, weights, x, precision=precision)
        return y, (weights, x, inner)

    def backward(saved: tuple, dy: Map) -> tuple:
        weights, x, inner = saved
        return operation_gradient(operation, weights, x, inner, dy, precision)

    run.defvjp(forward, backward)
    return run
