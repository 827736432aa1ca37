"""REINFORCE: the gradient of an expected loss from the losses of drawn architectures.

alphas: one row per group of cells, one column per operation; p = softmax(alphas) along
a row. An architecture is one draw from p in every group. Its loss is a number that no
gradient passes through, so that it may be anything: an error, and a time beside it.

Sources: Williams, Simple statistical gradient-following algorithms for connectionist
reinforcement learning, Machine Learning 1992; Kool et al., Buy 4 REINFORCE samples, get
a baseline for free!, ICLR workshop 2019; times as in Tan et al., MnasNet, CVPR 2019.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray


def leave_one_out_gradient(
    choices: Int[Array, "draw group"], losses: Float[Array, " draw"], operations: int
) -> Float[Array, "group op"]:
    """Estimate the gradient of the expected loss with respect to alphas, unbiased.

    With k draws it is 1 / (k - 1) Σ (lᵢ - mean l) ∇ log p(aᵢ), which compares each loss
    with the mean of the others. What all losses have in common, such as the difficulty
    of the frames, drops out, and so does p. What is left for an operation of a group
    are the differences between the draws that have it and those that have not.

    Args:
        choices: operation of each group in every draw; at least two draws.
        losses: loss of every draw.
        operations: number of candidates of a group.
    """
    draws = losses.shape[0]
    chosen = jax.nn.one_hot(choices, operations, dtype=losses.dtype)
    # Pair by pair, so that an operation that all draws have or none gets exactly 0:
    # Adam would make a whole step of what rounding leaves.
    differences = losses[:, None] - losses[None, :]
    total = jnp.einsum("ij,igo,jgo->go", differences, chosen, 1 - chosen)
    return total / (draws * (draws - 1))


def draw_architectures(
    key: PRNGKeyArray | Key[Array, ""], alphas: Float[Array, "group op"], count: int
) -> Int[Array, "draw group"]:
    """Draw `count` architectures from p, independently of each other."""
    shape = (count, alphas.shape[0])
    return jax.random.categorical(key, alphas, axis=-1, shape=shape)


def log_relative_time(
    times: Float[Array, "group op"], choices: Int[Array, "draw group"]
) -> Float[Array, " draw"]:
    """Return ln(T / T_ref) of every draw; T_ref is the mean of uniform draws.

    Args:
        times: times whose sum over groups is that of an architecture, in any unit.
        choices: operation of each group in every draw.
    """
    own = jnp.take_along_axis(times, choices.T, axis=-1).sum(0)
    return jnp.log(own / times.mean(-1).sum())
