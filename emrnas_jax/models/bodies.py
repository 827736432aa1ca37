"""Bodies of the half-resolution cascade: the operations of the wide space.

A body reads the features of a component's first convolution and finds what is added
to them: convolutions with LeakyReLU, at another resolution if the operation has one.
Weights are a dict per convolution, "kernel" and "bias".
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.kernels.convolution import Map, convolve, leaky_relu, per_channel
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.squares import SQUARE, double, halve
from emrnas_jax.nas.space import Operation

SLOPE = 0.2  # of LeakyReLU


def body_shapes(
    operation: Operation, settings: LayerSettings
) -> list[dict[str, tuple[int, ...]]]:
    """Return the shapes of a body's weights, a dict per convolution in their order.

    The one along the phase encoding, if there is one, comes first; its kernel has a
    column for each channel.
    """
    width, count = settings.width, len(operation.dilations)
    shapes: list[dict[str, tuple[int, ...]]] = []
    if operation.reach:
        shapes.append({"kernel": (operation.reach, width), "bias": (width,)})
    # A lower level has the pixels of a square as channels, a higher one shares them.
    outer = round(width * SQUARE**operation.level)
    inner = max(1, round(width * operation.expansion))
    for j in range(count):
        inputs = outer if j == 0 else inner
        outputs = outer if j == count - 1 else inner
        kernel = (3, 3, inputs, outputs)
        shapes.append({"kernel": kernel, "bias": (outputs,)})
    return shapes


def with_body(
    operation: Operation,
    weights: Sequence[dict[str, Array]],
    features: Map,
    settings: LayerSettings,
    is_along_rows: bool = True,
) -> Map:
    """Return features with what a body adds to them.

    Args:
        operation: the body; without convolutions it adds nothing.
        weights: its kernels and biases, of the shapes of `body_shapes`.
        features: features of the component, of half the image's height and width.
        settings: layers of the network, whose width is the number of features.
        is_along_rows: whether lines of k-space are its rows, so that the phase encoding
            runs along the height.
    """
    if not weights:
        return features
    height, width = features.shape[1:3]
    rest, x = list(weights), features
    if operation.reach:
        own = rest.pop(0)
        x = _along_lines(x, own["kernel"], own["bias"], is_along_rows)
    x = _to_level(x, operation.level)
    for own, dilation in zip(rest, operation.dilations, strict=True):
        kernel, bias = own["kernel"], own["bias"]
        x = convolve((x,), kernel, bias, dilation, SLOPE, settings.precision)
    x = _to_level(x, -operation.level)[:, :height, :width]
    return features + x


def _to_level(x: Map, levels: int) -> Float[Array, "batch _ _ _"]:
    for _ in range(abs(levels)):
        x = halve(x) if levels > 0 else double(x)
    return x


def _along_lines(
    x: Map,
    kernel: Float[Array, "reach channel"],
    bias: Float[Array, " channel"],
    is_along_rows: bool,
) -> Map:
    """Convolve every channel by itself along the phase encoding, and activate."""
    reach, axis = kernel.shape[0], 1 if is_along_rows else 2
    edges = [(0, 0)] * 4
    edges[axis] = (reach // 2, reach // 2)
    padded, length = jnp.pad(x, edges), x.shape[axis]
    taps = kernel.astype(x.dtype)
    total = per_channel(bias).astype(x.dtype)

    # A sum of shifted maps is one loop for XLA, where it has no fast convolution of
    # single channels.
    for tap in range(reach):
        start = [0, 0, 0, 0]
        start[axis] = tap
        end = list(padded.shape)
        end[axis] = tap + length
        shifted = padded[tuple(slice(*ends) for ends in zip(start, end, strict=True))]
        total = total + per_channel(taps[tap]) * shifted
    return leaky_relu(total, SLOPE)
