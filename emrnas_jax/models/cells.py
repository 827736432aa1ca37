"""Cells: Figure 2 (right) as pure functions, and the Flax modules that own the weights.

A cell operation is four 3x3 convolutions of the cell's width; LeakyReLU(0.2) after the
first three. Map 0 is the cell's input, map j the output of convolution j (1..4); which
maps a convolution reads is `nas.space.sources`.

All eight operations have inner maps of the same shapes, so the search needs the memory
of one path: the forward `switch` saves the three inner maps of whichever operation
ran, the backward `switch` uses them. (Default reverse mode through `switch` saves the
intermediates of all eight.)
"""

import itertools
import math
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from emrnas_jax.models.convolution import convolve, input_gradient, kernel_gradient
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import OPERATIONS, Operation, sources

SLOPE = 0.2  # of LeakyReLU, as in ESRGAN

# The weights of one operation: kernel and bias of its four convolutions.
Weights = Sequence[dict[str, Array]]
Map = Float[Array, "batch height width channel"]


def uniform_kernels(
    key: Key[Array, ""], shapes: Sequence[tuple[int, ...]]
) -> list[Float[Array, "3 3 _in _out"]]:
    """Draw kernels with variance 1 / (3 · fan in), the paper's framework's default.

    All come out of one draw: a draw costs XLA:CPU 0.3 s of compilation.
    """
    sizes = [math.prod(shape) for shape in shapes]
    draws = jax.random.uniform(key, (sum(sizes),), minval=-1.0, maxval=1.0)
    parts = jnp.split(draws, list(itertools.accumulate(sizes[:-1])))
    return [
        part.reshape(shape) / math.sqrt(math.prod(shape[:-1]))
        for part, shape in zip(parts, shapes, strict=True)
    ]


class Convolution(nn.Module):
    """Kernel and bias of one 3x3 convolution; `nn.Conv` with a faster gradient."""

    features: int
    dilation: int = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width in"]
    ) -> Float[Array, "batch height width out"]:
        """Convolve `x` and add the bias."""
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", lambda key: uniform_kernels(key, [shape])[0])
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return convolve(x, kernel, self.dilation) + _broadcast(bias)


class OperationWeights(nn.Module):
    """The parameters of one operation: `conv_1` .. `conv_4`, kernel and bias each.

    With batch norm also `norm_1` .. `norm_3`, scale and bias.
    """

    operation: Operation
    width: int
    batch_norm: bool = False

    @nn.compact
    def __call__(self) -> list[dict[str, Array]]:
        """Return the parameters, a dict per convolution."""
        channels = [self.width * len(sources(self.operation, j)) for j in range(4)]
        shapes = [(3, 3, c, self.width) for c in channels]
        if self.is_initializing():
            kernels = uniform_kernels(self.make_rng("params"), shapes)
        else:
            kernels = [None] * 4  # never used: the parameters exist
        weights = [
            _Parameters(shape, kernel, name=f"conv_{j + 1}")()
            for j, (shape, kernel) in enumerate(zip(shapes, kernels, strict=True))
        ]
        if self.batch_norm:
            for j in range(3):
                weights[j] |= _NormParameters(self.width, name=f"norm_{j + 1}")()
        return weights


class _Parameters(nn.Module):
    shape: tuple[int, ...]
    initial_kernel: Array | None

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        width = self.shape[-1]
        return {
            "kernel": self.param("kernel", lambda _: self.initial_kernel),
            "bias": self.param("bias", nn.initializers.zeros, (width,)),
        }


class _NormParameters(nn.Module):
    width: int

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        return {
            "norm_scale": self.param("scale", nn.initializers.ones, (self.width,)),
            "norm_bias": self.param("bias", nn.initializers.zeros, (self.width,)),
        }


def _broadcast(channels: Float[Array, " channel"]) -> Float[Array, "1 1 1 channel"]:
    return channels[None, None, None]


def _slices(operation: Operation, j: int, width: int) -> list[tuple[int, slice]]:
    """Source maps of convolution j, each with its slice of the kernel's inputs."""
    return [
        (s, slice(q * width, (q + 1) * width))
        for q, s in enumerate(sources(operation, j))
    ]


def _convolution(
    operation: Operation, j: int, weights: dict[str, Array], maps: Sequence[Map]
) -> Map:
    # Convolving each map with its slice of the kernel avoids a concatenated copy of
    # the maps, which costs more than the convolutions save by being one.
    return _broadcast(weights["bias"]) + sum(
        convolve(maps[s], weights["kernel"][:, :, part], operation.dilations[j])
        for s, part in _slices(operation, j, maps[0].shape[-1])
    )


def plain_operation(
    operation: Operation,
    weights: Weights,
    x: Map,
    normalise: Callable[[int, Map], Map] | None = None,
) -> tuple[Map, tuple[Map, Map, Map]]:
    """Evaluate one operation.

    Args:
        operation: which one.
        weights: its four kernels and biases.
        x: the cell's input.
        normalise: what follows each of the three activations (ablation B).

    Returns:
        the output, and the three inner maps, which are all its gradient needs.
    """
    maps = [x]
    for j in range(3):
        y = nn.leaky_relu(_convolution(operation, j, weights[j], maps), SLOPE)
        maps.append(y if normalise is None else normalise(j, y))
    return _convolution(operation, 3, weights[3], maps), (maps[1], maps[2], maps[3])


def operation_gradient(
    operation: Operation,
    weights: Weights,
    x: Map,
    inner: tuple[Map, Map, Map],
    dy: Map,
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
            kernel_grads.append(kernel_gradient(maps[s], g, d))
            dx = input_gradient(g, weights[j]["kernel"][:, :, part], d)
            old = dmaps[s]
            dmaps[s] = dx if old is None else old + dx
        grads[j] = {
            "kernel": jnp.concatenate(kernel_grads, axis=2),
            "bias": g.sum((0, 1, 2)),
        }
    assert dmaps[0] is not None
    return grads, dmaps[0]


def make_operation(operation: Operation) -> Callable[[Weights, Map], Map]:
    """Return the operation as a function whose gradient keeps only the inner maps."""

    @jax.custom_vjp
    def run(weights: Weights, x: Map) -> Map:
        return plain_operation(operation, weights, x)[0]

    def forward(weights: Weights, x: Map) -> tuple[Map, tuple]:
        y, inner = plain_operation(operation, weights, x)
        return y, (weights, x, inner)

    def backward(saved: tuple, dy: Map) -> tuple:
        weights, x, inner = saved
        return operation_gradient(operation, weights, x, inner, dy)

    run.defvjp(forward, backward)
    return run


@jax.custom_vjp
def mixed_operation(weights: Sequence[Weights], choice: Int[Array, ""], x: Map) -> Map:
    """Evaluate the chosen operation, and only that.

    Args:
        weights: of all eight operations.
        choice: 0..7.
        x: the cell's input.
    """
    return _mixed_forward(weights, choice, x)[0]


def _mixed_forward(
    weights: Sequence[Weights], choice: Int[Array, ""], x: Map
) -> tuple[Map, tuple]:
    branches = [
        lambda weights, x, i=i, o=o: plain_operation(o, weights[i], x)
        for i, o in enumerate(OPERATIONS)
    ]
    y, inner = jax.lax.switch(choice, branches, weights, x)
    return y, (weights, choice, x, inner)


def _mixed_backward(saved: tuple, dy: Map) -> tuple:
    weights, choice, x, inner = saved

    def branch(i: int) -> Callable:
        def run(weights: list, x: Map, inner: tuple, dy: Map) -> tuple:
            own, dx = operation_gradient(OPERATIONS[i], weights[i], x, inner, dy)
            grads = jax.tree.map(jnp.zeros_like, weights)
            grads[i] = own
            return grads, dx

        return run

    branches = [branch(i) for i in range(len(OPERATIONS))]
    grads, dx = jax.lax.switch(choice, branches, weights, x, inner, dy)
    return grads, None, dx


mixed_operation.defvjp(_mixed_forward, _mixed_backward)


def batch_statistics_norm(weights: dict[str, Array], y: Map) -> Map:
    """Normalise by the statistics of this batch, as batch norm does in training."""
    mean = y.mean((0, 1, 2), keepdims=True)
    variance = y.var((0, 1, 2), keepdims=True)
    scale = _broadcast(weights["norm_scale"]) * jax.lax.rsqrt(variance + 1e-5)
    return (y - mean) * scale + _broadcast(weights["norm_bias"])


@jax.checkpoint
def mixed_operation_with_batch_norm(
    weights: Sequence[Weights], choice: Int[Array, ""], x: Map
) -> Map:
    """Evaluate the chosen operation with batch norm after its activations.

    The gradient runs the operation again instead of storing its intermediates.
    """

    def branch(i: int) -> Callable[[Sequence[Weights], Map], Map]:
        @jax.checkpoint
        def run(weights: Sequence[Weights], x: Map) -> Map:
            own = weights[i]
            return plain_operation(
                OPERATIONS[i], own, x, lambda j, y: batch_statistics_norm(own[j], y)
            )[0]

        return run

    branches = [branch(i) for i in range(len(OPERATIONS))]
    return jax.lax.switch(choice, branches, weights, x)


class MixedCell(nn.Module):
    """All eight operations of a cell, of which the gates' paths run."""

    width: int
    batch_norm: bool = False

    @nn.compact
    def __call__(self, x: Map, gates: Gates) -> Map:
        """Return the sum over paths of `weight · operation(x)`.

        Args:
            x: the cell's input.
            gates: choices and weights of this cell's paths, both `[path]`.
        """
        weights = [
            OperationWeights(o, self.width, self.batch_norm, name=o.name)()
            for o in OPERATIONS
        ]
        if self.is_initializing():  # the parameters exist; compiling more is waste
            return x
        run = mixed_operation_with_batch_norm if self.batch_norm else mixed_operation

        def path(total: Map, gate: Gates) -> tuple[Map, None]:
            return total + gate.weights * run(weights, gate.choices, x), None

        if gates.choices.shape[0] == 1:
            return gates.weights[0] * run(weights, gates.choices[0], x)
        return jax.lax.scan(path, jnp.zeros_like(x), gates)[0]


class FixedCell(nn.Module):
    """One operation."""

    operation: Operation
    width: int
    batch_norm: bool = False

    @nn.compact
    def __call__(self, x: Map, train: bool) -> Map:
        """Return `operation(x)`; `train` chooses the statistics of batch norm."""
        weights = OperationWeights(self.operation, self.width, name="operation")()
        if self.is_initializing() and not self.batch_norm:
            return x  # the parameters exist; running more is waste
        if not self.batch_norm:
            return make_operation(self.operation)(weights, x)
        norms = [
            nn.BatchNorm(
                use_running_average=not train, momentum=0.9, name=f"norm_{j + 1}"
            )
            for j in range(3)
        ]
        return plain_operation(self.operation, weights, x, lambda j, y: norms[j](y))[0]
