"""Cells: the Flax modules that own the weights of operations, one or all eight.

All eight operations have inner maps of the same shapes, so the search needs the memory
of one path: the forward `switch` saves the three inner maps of whichever operation
ran, the backward `switch` uses them. (Default reverse mode through `switch` saves the
intermediates of all eight.)
"""

from collections.abc import Callable
from functools import cache, partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from emrnas_jax.kernels.convolution import per_channel
from emrnas_jax.machine.devices import mean_over_devices
from emrnas_jax.models.layers import LayerSettings, Parameters, batch_norm
from emrnas_jax.models.operations import (
    Map,
    make_operation,
    operation_gradient,
    plain_operation,
    weight_shapes,
)
from emrnas_jax.models.stacked_weights import STACKED, initial_stack, pack, unpack
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import OPERATIONS, Operation


class FixedCell(nn.Module):
    """One operation: `conv_1` .. `conv_4`, and `norm_1` .. `norm_3` with batch norm."""

    operation: Operation
    settings: LayerSettings

    @nn.compact
    def __call__(self, x: Map, train: bool) -> Map:
        """Return `operation(x)`; `train` chooses the statistics of batch norm."""
        weights = [
            Parameters(shapes, name=f"conv_{j + 1}")()
            for j, shapes in enumerate(weight_shapes(self.operation, self.settings))
        ]
        if not self.settings.batch_norm:
            if self.is_initializing():  # the parameters exist; compiling more is waste
                return x
            return make_operation(self.operation, self.settings)(weights, x)
        # The gradient by hand covers no batch norm, so JAX derives this one.
        norms = [batch_norm(x.dtype, train, f"norm_{j + 1}") for j in range(3)]

        def normalise(j: int, y: Map) -> Map:
            return norms[j](y)

        return plain_operation(self.operation, weights, x, self.settings, normalise)[0]


class MixedCell(nn.Module):
    """All eight operations of a cell, of which the gates' paths run.

    Attributes:
        settings: layers of the network; weights and gates are float32 in any precision.
        stored: number of operations whose weights are stored; with 1, the gates have
            one path and the weights are those of its operation (see
            `models.stacked_weights`).
    """

    settings: LayerSettings
    stored: int = len(OPERATIONS)

    @nn.compact
    def __call__(self, x: Map, gates: Gates) -> Map:
        """Return the sum over paths of `weight · operation(x)`.

        Args:
            x: the cell's input.
            gates: choices and weights of this cell's paths, both `[path]`.
        """
        shapes = [weight_shapes(own, self.settings) for own in OPERATIONS]
        stacked = self.param(STACKED, initial_stack, self.stored, shapes)
        if self.is_initializing():  # the parameters exist; compiling more is waste
            return x
        run = mixed_operation
        if self.settings.batch_norm:
            run = mixed_operation_with_batch_norm

        def evaluate(choice: Int[Array, ""]) -> Map:
            # With one stored operation, its vector was taken out before the step.
            vector = stacked[0 if self.stored == 1 else choice]
            return run(vector, choice, x, self.settings)

        def path(total: Map, gate: Gates) -> tuple[Map, None]:
            return total + gate.weights * evaluate(gate.choices), None

        # Weighted in float32, so that the gradient of alphas is summed in it.
        if gates.choices.shape[0] == 1:
            total = gates.weights[0] * evaluate(gates.choices[0])
        else:
            total = jax.lax.scan(path, jnp.zeros(x.shape), gates)[0]
        return total.astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def mixed_operation(
    vector: Float[Array, " value"],
    choice: Int[Array, ""],
    x: Map,
    settings: LayerSettings,
) -> Map:
    """Evaluate the chosen operation, and only that.

    Args:
        vector: weights of the chosen operation.
        choice: position of the operation in `OPERATIONS`.
        x: the cell's input.
        settings: layers of the network, without batch norm.
    """
    return _mixed_forward(vector, choice, x, settings)[0]


# The branches are made once: JAX traces a function anew for every cell unless it is the
# same function.
@cache
def _forward_branch(operation: Operation, settings: LayerSettings) -> Callable:
    def run(vector: Array, x: Map) -> tuple[Map, tuple[Map, Map, Map]]:
        weights = unpack(weight_shapes(operation, settings), vector)
        return plain_operation(operation, weights, x, settings)

    return run


@cache
def _backward_branch(operation: Operation, settings: LayerSettings) -> Callable:
    def run(vector: Array, x: Map, inner: tuple, dy: Map) -> tuple[Array, Map]:
        weights = unpack(weight_shapes(operation, settings), vector)
        gradients, dx = operation_gradient(operation, weights, x, inner, dy, settings)
        # All branches must return one shape, so shorter gradients end in zeros.
        return pack(gradients, vector.shape[0]), dx

    return run


def _mixed_forward(
    vector: Float[Array, " value"],
    choice: Int[Array, ""],
    x: Map,
    settings: LayerSettings,
) -> tuple[Map, tuple]:
    branches = [_forward_branch(operation, settings) for operation in OPERATIONS]
    # The choice is known only when the step runs. A switch evaluates one branch and
    # lets one compiled step serve every path.
    y, inner = jax.lax.switch(choice, branches, vector, x)
    return y, (vector, choice, x, inner)


def _mixed_backward(settings: LayerSettings, saved: tuple, dy: Map) -> tuple:
    vector, choice, x, inner = saved

    branches = [_backward_branch(operation, settings) for operation in OPERATIONS]
    gradient, dx = jax.lax.switch(choice, branches, vector, x, inner, dy)
    # A choice is an integer and has no gradient.
    return gradient, None, dx


mixed_operation.defvjp(_mixed_forward, _mixed_backward)


@partial(jax.checkpoint, static_argnums=3)
def mixed_operation_with_batch_norm(
    vector: Float[Array, " value"],
    choice: Int[Array, ""],
    x: Map,
    settings: LayerSettings,
) -> Map:
    """Evaluate the chosen operation with batch norm after its activations.

    The gradient runs the operation again instead of storing its intermediates.
    """

    def branch(operation: Operation) -> Callable[[Array, Map], Map]:
        # Without it, `switch` would keep the intermediates of all eight operations.
        @jax.checkpoint
        def run(vector: Array, x: Map) -> Map:
            weights = unpack(weight_shapes(operation, settings), vector)
            return plain_operation(
                operation,
                weights,
                x,
                settings,
                lambda j, y: batch_statistics_norm(weights[j], y),
            )[0]

        return run

    branches = [branch(operation) for operation in OPERATIONS]
    return jax.lax.switch(choice, branches, vector, x)


def batch_statistics_norm(weights: dict[str, Array], y: Map) -> Map:
    """Normalise by the statistics of this batch, as batch norm does in training."""
    # In float32, because bfloat16 keeps too few digits of a sum over a batch.
    values = y.astype(jnp.float32)
    mean = mean_over_devices(values.mean((0, 1, 2), keepdims=True))
    square = ((values - mean) ** 2).mean((0, 1, 2), keepdims=True)
    # Over the whole batch: each device has a part of it alone.
    variance = mean_over_devices(square)
    # The epsilon of `models.layers.batch_norm`, so that both networks agree.
    scale = per_channel(weights["norm_scale"]) * jax.lax.rsqrt(variance + 1e-5)
    normalised = (values - mean) * scale + per_channel(weights["norm_bias"])
    return normalised.astype(y.dtype)
