"""The arithmetic of a cell: Figure 2 (right) as pure functions of arrays.

An operation is four 3x3 convolutions of the cell's width; LeakyReLU(0.2) after the
first three. Map 0 is the cell's input, map j the output of convolution j (1..4); which
maps a convolution reads is `nas.space.sources`. Weights are a dict per convolution,
"kernel" and "bias"; with batch norm also "norm_scale" and "norm_bias" of the first
three.
"""

from collections.abc import Callable, Sequence

import jax
from jaxtyping import Array

from emrnas_jax.kernels.convolution import (
    Map,
    Reader,
    convolve,
    input_gradient,
    kernel_gradient,
)
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.nas.space import Operation, sources

SLOPE = 0.2  # of LeakyReLU, as in ESRGAN

Weights = Sequence[dict[str, Array]]


def weight_shapes(
    operation: Operation, settings: LayerSettings
) -> list[dict[str, tuple[int, ...]]]:
    """Return the shapes of an operation's weights, a dict per convolution."""
    width = settings.width
    shapes: list[dict[str, tuple[int, ...]]] = []
    for j in range(4):
        channels = width * len(sources(operation, j))
        own: dict[str, tuple[int, ...]] = {
            "kernel": (3, 3, channels, width),
            "bias": (width,),
        }
        if settings.batch_norm and j < 3:
            own |= {"norm_scale": (width,), "norm_bias": (width,)}
        shapes.append(own)
    return shapes


def plain_operation(
    operation: Operation,
    weights: Weights,
    x: Map,
    settings: LayerSettings,
    normalise: Callable[[int, Map], Map] | None = None,
) -> tuple[Map, tuple[Map, Map, Map]]:
    """Evaluate one operation.

    Args:
        operation: candidate to evaluate.
        weights: its four kernels and biases.
        x: the cell's input; all maps are of its type.
        settings: layers of the network.
        normalise: function of the position and the result of each of the three
            activations (ablation B).

    Returns:
        the output, and the three inner maps, which are all its gradient needs.
    """
    maps = [x]
    for j in range(3):
        y = _convolution(operation, j, weights[j], maps, SLOPE, settings)
        maps.append(y if normalise is None else normalise(j, y))
    # The fourth has no activation, like the last convolution of ESRGAN's blocks.
    y = _convolution(operation, 3, weights[3], maps, 1.0, settings)
    return y, (maps[1], maps[2], maps[3])


def _convolution(
    operation: Operation,
    j: int,
    weights: dict[str, Array],
    maps: Sequence[Map],
    slope: float,
    settings: LayerSettings,
) -> Map:
    read = tuple(maps[s] for s in sources(operation, j))
    dilation = operation.dilations[j]
    kernel, bias = weights["kernel"], weights["bias"]
    return convolve(read, kernel, bias, dilation, slope, settings.precision)


def operation_gradient(
    operation: Operation,
    weights: Weights,
    x: Map,
    inner: tuple[Map, Map, Map],
    dy: Map,
    settings: LayerSettings,
) -> tuple[list[dict[str, Array]], Map]:
    """Return the gradients of one operation: of its weights, and of its input."""
    maps, width, precision = (x, *inner), settings.width, settings.precision
    dsums = {3: dy}  # gradients of the convolutions' sums

    def readers(s: int) -> list[Reader]:
        """Return the convolutions that read map s, which are from s on."""
        found = []
        for j in range(s, 4):
            if s in sources(operation, j):
                start = sources(operation, j).index(s) * width
                kernel = weights[j]["kernel"][:, :, start : start + width]
                found.append(Reader(dsums[j], kernel, operation.dilations[j]))
        return found

    # From the last map to the first: a map needs the gradients of all its readers. They
    # are passed together, so that one call sums them.
    for s in (3, 2, 1):
        dsums[s - 1] = input_gradient(readers(s), inner[s - 1], SLOPE, precision)
    grads = []
    for j in range(4):
        read = [maps[s] for s in sources(operation, j)]
        kernel, bias = kernel_gradient(
            read, dsums[j], operation.dilations[j], precision
        )
        grads.append({"kernel": kernel, "bias": bias})
    return grads, input_gradient(readers(0), precision=precision)


def make_operation(
    operation: Operation, settings: LayerSettings
) -> Callable[[Weights, Map], Map]:
    """Return the operation as a function whose gradient keeps only the inner maps."""

    # By default each convolution would have a gradient call for every map that it
    # reads, and the results of the calls would be added in memory.
    @jax.custom_vjp
    def run(weights: Weights, x: Map) -> Map:
        return plain_operation(operation, weights, x, settings)[0]

    def forward(weights: Weights, x: Map) -> tuple[Map, tuple]:
        y, inner = plain_operation(operation, weights, x, settings)
        return y, (weights, x, inner)

    def backward(saved: tuple, dy: Map) -> tuple:
        weights, x, inner = saved
        return operation_gradient(operation, weights, x, inner, dy, settings)

    run.defvjp(forward, backward)
    return run
