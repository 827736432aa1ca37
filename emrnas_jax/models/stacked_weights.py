"""Stacked weights: those of all candidate operations of a cell, in one array.

Each operation's weights are one vector, one kernel and bias after another, with zeros
up to the length of the longest; the vectors of all operations are stacked. So the
weights of the active path are eight times smaller than those of the search network, and
so are their gradient and the work of the optimizer: a step takes the active vectors
out, moves them and puts them back. Idle vectors are not touched.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped

from emrnas_jax.models.operations import Weights

# The shapes of an operation's weights, a dict per convolution.
Shapes = Sequence[dict[str, tuple[int, ...]]]

# The name of stacked weights in the tree of a search network; checkpoints have it.
STACKED = "operations"


def vector_length(candidates: Sequence[Shapes]) -> int:
    """Return how many values the longest operation has."""
    return max(map(_value_count, candidates))


def padding(candidates: Sequence[Shapes]) -> int:
    """Return how many of a cell's stacked values fill the shorter vectors up."""
    used = sum(map(_value_count, candidates))
    return len(candidates) * vector_length(candidates) - used


def _value_count(shapes: Shapes) -> int:
    return sum(math.prod(shape) for own in shapes for shape in own.values())


def unpack(shapes: Shapes, vector: Float[Array, " value"]) -> list[dict[str, Array]]:
    """Return the weights of these shapes that a vector holds."""
    weights, start = [], 0
    for of_convolution in shapes:
        own = {}
        for name, shape in of_convolution.items():
            size = math.prod(shape)
            own[name] = vector[start : start + size].reshape(shape)
            start += size
        weights.append(own)
    return weights


def pack(weights: Weights, length: int) -> Float[Array, " value"]:
    """Return weights as a vector of `length` values; inverse of `unpack`."""
    # The order of the shapes: a gradient's dicts may come in another one.
    order = ("kernel", "bias", "norm_scale", "norm_bias")
    values = [own[name].reshape(-1) for own in weights for name in order if name in own]
    vector = jnp.concatenate(values or [jnp.zeros(0)])
    return jnp.pad(vector, (0, length - vector.shape[0]))


def initial_stack(
    key: Key[Array, ""], stored: int, candidates: Sequence[Shapes]
) -> Float[Array, "op value"]:
    """Draw stacked weights: kernels with variance 1 / (3 · fan in), biases zero.

    Args:
        key: source of the draw.
        stored: number of operations whose weights are stored.
        candidates: the shapes of the weights of every candidate.
    """
    length = vector_length(candidates)
    # Padding has scale 0 and starts at 0. Without gradients, decay keeps it there.
    scale = np.zeros((len(candidates), length), np.float32)
    constant = np.zeros_like(scale)
    for i, own in enumerate(candidates):
        start = 0
        for shapes in own:
            for name, shape in shapes.items():
                end = start + math.prod(shape)
                if name == "kernel":
                    scale[i, start:end] = 1 / math.sqrt(math.prod(shape[:-1]))
                constant[i, start:end] = name == "norm_scale"
                start = end
    # One draw for all of them, because a draw costs XLA:CPU 0.3 s of compilation.
    draw = jax.random.uniform(key, (stored, length), minval=-1.0, maxval=1.0)
    return draw * scale[:stored] + constant[:stored]


def take_vectors(
    leaf: Shaped[Array, "component cell op *rest"],
    choices: Int[Array, "component cell"],
) -> Shaped[Array, "component cell 1 *rest"]:
    """Return the entries of the active operations."""
    index = choices.reshape(*choices.shape, *[1] * (leaf.ndim - 2))
    return jnp.take_along_axis(leaf, index, axis=2)


def put_vectors(
    leaf: Shaped[Array, "component cell op *rest"],
    active: Shaped[Array, "component cell 1 *rest"],
    choices: Int[Array, "component cell"],
) -> Shaped[Array, "component cell op *rest"]:
    """Return `leaf` with the active operations replaced; idle ones stay to the bit."""
    component = jnp.arange(choices.shape[0])[:, None]
    cell = jnp.arange(choices.shape[1])[None, :]
    return leaf.at[component, cell, choices].set(active[:, :, 0])


def take_active(params: PyTree, choices: Int[Array, "component cell"]) -> PyTree:
    """Return the weights of the active path: its vectors, and what is always active."""
    return jax.tree.map_with_path(
        lambda path, leaf: take_vectors(leaf, choices) if is_stacked(path) else leaf,
        params,
    )


def put_active(
    params: PyTree, active: PyTree, choices: Int[Array, "component cell"]
) -> PyTree:
    """Return all weights with those of the active path replaced."""
    return jax.tree.map_with_path(
        lambda path, leaf, own: (
            put_vectors(leaf, own, choices) if is_stacked(path) else own
        ),
        params,
        active,
    )


def is_stacked(path: Sequence) -> bool:
    """Return whether the leaf at `path` of a tree holds stacked weights."""
    return any(getattr(part, "key", None) == STACKED for part in path)
