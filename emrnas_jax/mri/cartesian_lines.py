"""Random lines with the density of the masks published for the York cardiac images."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from emrnas_jax.errors import InputError

# Drawn at once. About one in six has the right number of lines at the
# published rate, so a second round is needed once in 400 masks.
MASKS_AT_ONCE = 32


def draw_lines(rate: float, key: PRNGKeyArray, count: int) -> Bool[Array, " line"]:
    """Draw lines independently, again and again until their total fits the rate.

    Args:
        rate: fraction of the lines that is measured, in (0, 1].
        key: the only source of randomness.
        count: number of lines.

    Returns:
        True on measured lines, zero frequency at `count // 2`.

    Raises:
        InputError: the rate leaves fewer lines than the two that are always measured.
    """
    fewest, most = _allowed_totals(rate, count)
    probability = jnp.asarray(line_probability(rate, count), jnp.float32)

    def draw(
        state: tuple[PRNGKeyArray, Bool[Array, " line"], Bool[Array, ""]],
    ) -> tuple[PRNGKeyArray, Bool[Array, " line"], Bool[Array, ""]]:
        key, used = jax.random.split(state[0])
        uniform = jax.random.uniform(used, (MASKS_AT_ONCE, count))
        candidates = uniform < probability[None, :]
        totals = candidates.sum(axis=1)
        fits = (fewest <= totals) & (totals <= most)
        # The first that fits: the law is that of drawing one after another.
        first = jnp.argmax(fits)
        return key, candidates[first], fits[first]

    start = (key, jnp.zeros(count, bool), jnp.array(False))
    return jax.lax.while_loop(lambda state: ~state[2], draw, start)[1]


def line_probability(rate: float, count: int) -> Float[np.ndarray, " line"]:
    """Return how often each line of a `cartesian` mask is drawn, before redrawing.

    The density was fitted to 10 000 published masks of 256 lines and 15 %. It is
    symmetric about the middle of the frequencies -1 and 0, which are always measured.
    Other numbers of lines stretch it; other rates scale it, at most to 1, so that the
    expected total is rate * count.

    Source: masks of Zheng et al., NeurIPS 2019 (root mean square error 0.003).
    """
    distance = np.abs(np.arange(count) - (count // 2 - 0.5)) * 256 / count
    density = (
        0.8034 * np.exp(-distance / 11.36)
        + 0.2184 * np.exp(-(distance**2) / (2 * 26.85**2))
        + 0.022
    )
    always = np.isin(np.arange(count), (count // 2 - 1, count // 2))

    def scaled(factor: float) -> Float[np.ndarray, " line"]:
        return np.where(always, 1.0, np.minimum(factor * density, 1.0))

    # The total grows with the factor, so halve the interval that holds the answer.
    low, high = 0.0, 1 / density.min()
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if scaled(middle).sum() < rate * count else (low, middle)
        )
    return scaled(high)


def _allowed_totals(rate: float, count: int) -> tuple[int, int]:
    """Return the fewest and the most lines a `cartesian` mask may have."""
    total = rate * count
    if abs(total - round(total)) < 1e-6:
        fewest = most = round(total)
    else:
        fewest, most = math.floor(total), math.floor(total) + 1
    if most < min(2, count):
        raise InputError(
            f"sampling.rate: {rate} of {count} lines is {total:.3g}, fewer than the "
            "two centre lines that are always measured; raise the rate or the image "
            "size"
        )
    return fewest, most
