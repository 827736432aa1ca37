"""The weights of all eight operations as the rows of one array.

A row holds the weights of one operation, one after another, and zeros up to the length
of the longest. So the weights of the active path are eight times smaller than those of
the search network, and so are their gradient and the work of the optimizer: a step
takes the active rows out, moves them and puts them back. Idle rows are not touched.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped

from emrnas_jax.models.operations import Weights, weight_shapes
from emrnas_jax.nas.space import OPERATIONS, Operation

ROWS = "operations"  # the name of these parameters in the tree of a search network


def row_length(width: int, batch_norm: bool) -> int:
    """Return how many values the longest operation has."""
    return max(
        sum(math.prod(shape) for own in shapes for shape in own.values())
        for shapes in (weight_shapes(o, width, batch_norm) for o in OPERATIONS)
    )


def padding(width: int, batch_norm: bool) -> int:
    """Return how many of a cell's values are no weights, but fill the shorter rows."""
    used = sum(
        math.prod(shape)
        for o in OPERATIONS
        for own in weight_shapes(o, width, batch_norm)
        for shape in own.values()
    )
    return len(OPERATIONS) * row_length(width, batch_norm) - used


def unpack(
    operation: Operation, row: Float[Array, " value"], width: int, batch_norm: bool
) -> list[dict[str, Array]]:
    """Return the weights that a row holds."""
    weights, start = [], 0
    for shapes in weight_shapes(operation, width, batch_norm):
        own = {}
        for name, shape in shapes.items():
            size = math.prod(shape)
            own[name] = row[start : start + size].reshape(shape)
            start += size
        weights.append(own)
    return weights


def pack(weights: Weights, length: int) -> Float[Array, " value"]:
    """Return weights as a row of `length` values; inverse of `unpack`."""
    order = ("kernel", "bias", "norm_scale", "norm_bias")
    values = [own[name].reshape(-1) for own in weights for name in order if name in own]
    row = jnp.concatenate(values)
    return jnp.pad(row, (0, length - row.shape[0]))


def initial_rows(
    key: Key[Array, ""], rows: int, width: int, batch_norm: bool
) -> Float[Array, "op value"]:
    """Draw the weights: kernels with variance 1 / (3 · fan in), biases zero.

    All come out of one draw, because a draw costs XLA:CPU 0.3 s of compilation.
    """
    length = row_length(width, batch_norm)
    scale = np.zeros((len(OPERATIONS), length), np.float32)
    constant = np.zeros_like(scale)
    for i, operation in enumerate(OPERATIONS):
        start = 0
        for shapes in weight_shapes(operation, width, batch_norm):
            for name, shape in shapes.items():
                end = start + math.prod(shape)
                if name == "kernel":
                    scale[i, start:end] = 1 / math.sqrt(math.prod(shape[:-1]))
                constant[i, start:end] = name == "norm_scale"
                start = end
    draw = jax.random.uniform(key, (rows, length), minval=-1.0, maxval=1.0)
    return draw * scale[:rows] + constant[:rows]


def take_rows(
    leaf: Shaped[Array, "component cell op *rest"],
    choices: Int[Array, "component cell"],
) -> Shaped[Array, "component cell 1 *rest"]:
    """Return the rows of the active operations."""
    index = choices.reshape(*choices.shape, *[1] * (leaf.ndim - 2))
    return jnp.take_along_axis(leaf, index, axis=2)


def put_rows(
    leaf: Shaped[Array, "component cell op *rest"],
    rows: Shaped[Array, "component cell 1 *rest"],
    choices: Int[Array, "component cell"],
) -> Shaped[Array, "component cell op *rest"]:
    """Return `leaf` with the active rows replaced; idle rows stay bit-identical."""
    component = jnp.arange(choices.shape[0])[:, None]
    cell = jnp.arange(choices.shape[1])[None, :]
    return leaf.at[component, cell, choices].set(rows[:, :, 0])


def take_active(params: PyTree, choices: Int[Array, "component cell"]) -> PyTree:
    """Return the weights of the active path: its rows, and what is always active."""
    return jax.tree.map_with_path(
        lambda path, leaf: take_rows(leaf, choices) if is_rows(path) else leaf, params
    )


def put_active(
    params: PyTree, active: PyTree, choices: Int[Array, "component cell"]
) -> PyTree:
    """Return all weights with those of the active path replaced."""
    return jax.tree.map_with_path(
        lambda path, leaf, own: put_rows(leaf, own, choices) if is_rows(path) else own,
        params,
        active,
    )


def is_rows(path: Sequence) -> bool:
    """Return whether the leaf at `path` holds rows of operations."""
    return any(getattr(part, "key", None) == ROWS for part in path)
