"""Gates: from architecture parameters to the operations that run in a step.

alphas: one row per cell, one column per operation; p = softmax(alphas) along a row.
A path is one evaluated operation of a cell. The value of the gates is exactly one-hot
for one and two paths; the gradient reaches alphas through p.

Sources: EMR-NAS, equations 1 and 2; Cai et al., ProxylessNAS, ICLR 2019, section 3.2.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from emrnas_jax.errors import InputError
from emrnas_jax.nas.space import OPERATIONS, Architecture, Operation


class Gates(NamedTuple):
    """Operations that each cell runs: `output = sum over path of weight · operation`.

    Attributes:
        choices: operations that run, one choice per cell, never per sample: a batched
            index would make XLA run all eight and select.
        weights: factor of each path, which carries the gradient to alphas.
    """

    choices: Int[Array, "*cell path"]
    weights: Float[Array, "*cell path"]


def sample_choices(
    key: PRNGKeyArray | Key[Array, ""], alphas: Float[Array, "cell op"]
) -> Int[Array, " cell"]:
    """Draw one operation per cell from p = softmax(alphas)."""
    return jax.random.categorical(key, alphas, axis=-1)


def argmax_choices(
    key: PRNGKeyArray | Key[Array, ""],  # noqa: ARG001 - one signature for both rules
    alphas: Float[Array, "cell op"],
) -> Int[Array, " cell"]:
    """Take the most probable operation of each cell: equation 2 to the letter."""
    return jnp.argmax(alphas, axis=-1)


def uniform_choices(
    key: PRNGKeyArray | Key[Array, ""], alphas: Float[Array, "cell op"]
) -> Int[Array, " cell"]:
    """Draw each cell's operation uniformly: the warm-up, and random search."""
    cells, operations = alphas.shape
    return jax.random.randint(key, (cells,), 0, operations)


def fair_choices(
    key: PRNGKeyArray | Key[Array, ""],
    step: Int[Array, ""],
    alphas: Float[Array, "cell op"],
) -> Int[Array, " cell"]:
    """Draw operations such that each runs once in as many steps as there are of them.

    Every cell visits its operations in an order of its own, drawn anew for each round,
    so none is trained more than another.

    Args:
        key: key of all steps.
        step: number of the step.
        alphas: architecture parameters, for their shape alone.

    Source: Chu et al., FairNAS, ICCV 2021.
    """
    cells, operations = alphas.shape
    turn, place = jnp.divmod(step, operations)
    keys = jax.random.split(jax.random.fold_in(key, turn), cells)
    orders = jax.vmap(lambda own: jax.random.permutation(own, operations))(keys)
    return orders[:, place]


def draw_choices(
    key: PRNGKeyArray | Key[Array, ""],
    alphas: Float[Array, "cell op"],
    absent: int | None = None,
    fair_at: tuple[PRNGKeyArray | Key[Array, ""], Int[Array, ""]] | None = None,
) -> Int[Array, " cell"]:
    """Draw the operation of each cell without regard to alphas.

    Where an operation leaves its component out, the number of components that are
    present is drawn first, from one to all, and then which they are: uniformly drawn
    operations would make nearly all networks equally long.

    Args:
        key: source of the draw.
        alphas: architecture parameters, for their shape alone.
        absent: position of the operation that leaves its component out; None without.
        fair_at: key and step of `fair_choices`, to draw the operations by it; uniformly
            unless given.
    """

    def draw(key: PRNGKeyArray | Key[Array, ""], alphas: Array) -> Array:
        return (
            fair_choices(*fair_at, alphas) if fair_at else uniform_choices(key, alphas)
        )

    if absent is None:
        return draw(key, alphas)
    operation_key, count_key, order_key = jax.random.split(key, 3)
    drawn = draw(operation_key, alphas[:, 1:])
    # All operations but this one.
    drawn = jnp.where(drawn < absent, drawn, drawn + 1)
    cells = alphas.shape[0]
    count = jax.random.randint(count_key, (), 1, cells + 1)
    is_present = jax.random.permutation(order_key, cells) < count
    return jnp.where(is_present, drawn, absent)


GATE_RULES: dict[str, Callable] = {
    "sample": sample_choices,
    "argmax": argmax_choices,
}


def straight_through(
    probabilities: Float[Array, "cell path"], value: Float[Array, "#cell path"]
) -> Float[Array, "cell path"]:
    """Return `value` exactly, with the gradient of `probabilities`."""
    value = jnp.broadcast_to(value, probabilities.shape)
    # p - p is exactly zero, so the value is not rounded.
    return value + (probabilities - jax.lax.stop_gradient(probabilities))


def fixed_gates(choices: Int[Array, " cell"]) -> Gates:
    """One path per cell, no gradient to alphas: a step of the weights."""
    return Gates(choices[:, None], jnp.ones((choices.shape[0], 1), jnp.float32))


def one_path_gates(
    key: PRNGKeyArray | Key[Array, ""], alphas: Float[Array, "cell op"], rule: str
) -> Gates:
    """Binarized gates (equation 2): one path per cell is active.

    The gradient of alpha_j is <dL/dy, O_c(x)> · p_c (δ_cj - p_j) for the active c. It
    does not compare operations: the last convolution of an operation, with kernel W
    and bias b, is linear, so <dL/dy, O_c(x)> is <dL/dW, W> + <dL/db, b>. Training has
    made that small for every operation, and what is left on S_val is the gradient of
    one scale. A search by it does not differ from drawing lots (docs/results.md).
    """
    choices = GATE_RULES[rule](key, alphas)[:, None]
    active = jnp.take_along_axis(jax.nn.softmax(alphas), choices, axis=-1)
    return Gates(choices, straight_through(active, jnp.ones((1, 1))))


def two_path_gates(
    key: PRNGKeyArray | Key[Array, ""], alphas: Float[Array, "cell op"], rule: str
) -> Gates:
    """ProxylessNAS's two sampled paths, p renormalised over the pair.

    Both operations run; the first is active (weight exactly 1), the second has weight
    exactly 0 and is there for its gradient. The gradients of the two alphas are equal
    and opposite, the other six are zero. The active path is the first one drawn, so
    that each is active with its p; ProxylessNAS draws it anew from the pair.
    """
    first_key, second_key = jax.random.split(key)
    first = GATE_RULES[rule](first_key, alphas)
    rows = jnp.arange(alphas.shape[0])
    # Without the first, so that the pair is of two different operations.
    others = alphas.at[rows, first].set(-jnp.inf)
    # A draw has no gradient, and the infinity must not enter one.
    second = GATE_RULES[rule](second_key, jax.lax.stop_gradient(others))
    choices = jnp.stack([first, second], axis=-1)
    pair = jax.nn.softmax(jnp.take_along_axis(alphas, choices, axis=-1))
    return Gates(choices, straight_through(pair, jnp.array([[1.0, 0.0]])))


def mixture_gates(
    key: PRNGKeyArray | Key[Array, ""],  # noqa: ARG001 - one signature for all gates
    alphas: Float[Array, "cell op"],
    rule: str,  # noqa: ARG001
) -> Gates:
    """The softmax mixture of equation 1 (DARTS): all eight operations run."""
    # All operations of every cell, in the order of alphas: no draw and no key.
    every = jnp.broadcast_to(jnp.arange(alphas.shape[-1]), alphas.shape)
    return Gates(every, jax.nn.softmax(alphas))


GATES: dict[int, Callable[..., Gates]] = {
    1: one_path_gates,
    2: two_path_gates,
    len(OPERATIONS): mixture_gates,
}


def entropy(alphas: Float[Array, "*cell op"]) -> Float[Array, "*cell"]:
    """Entropy of p in nats: ln 8 = 2.08 when undecided, 0 when decided."""
    # The logarithm of a p that underflows to 0 would turn the product into NaN.
    log_p = jax.nn.log_softmax(alphas)
    return -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)


def ensemble(
    probabilities: Sequence[Float[np.ndarray, "cell op"]],
    cells_per_block: int,
    operations: tuple[Operation, ...] | None = None,
) -> tuple[Architecture, Float[np.ndarray, "cell op"]]:
    """Sum p over folds and take the largest of each cell (section 3).

    Args:
        probabilities: p of each fold.
        cells_per_block: cells of each block of the network.
        operations: the candidates that p is of; `OPERATIONS` unless given.

    Returns:
        the architecture, and the mean p over folds.

    Raises:
        InputError: the folds' searches had different numbers of cells.
    """
    shapes = {np.shape(p) for p in probabilities}
    if len(shapes) != 1:
        raise InputError(f"the folds' searches differ in their cells: {shapes}")
    # The mean is largest where the sum is, and is a probability that reports can show.
    mean = np.mean(np.asarray(probabilities, float), axis=0)
    cells = mean.argmax(axis=-1).tolist()
    return Architecture.from_cells(cells, cells_per_block, operations), mean
