"""The candidates of a search: how many, which, and how long a frame may take.

What the steps of alphas would cost is spent on candidates instead. These are random
architectures, the same for all folds, or take their places in later rounds
(`training.front_search`). The steps themselves are spent on candidates that are trained
alone.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from emrnas_jax.errors import InputError
from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.nas.gates import draw_choices
from emrnas_jax.nas.latency_table import LatencyTable
from emrnas_jax.nas.space import Architecture, absent_in
from emrnas_jax.randomness import key_for
from emrnas_jax.training.search_settings import CANDIDATES, SearchSettings

# Cost of a step of alphas with one path: the forward pass and the gradients of the
# maps; it needs none of the kernels. Measured: 1.7 to 2.0 forward passes (`python -m
# emrnas_jax.benchmark memory --size 128 --batch 4`, two CPU cores, 2026-11).
FORWARD_PASSES_PER_STEP = 2
FEWEST_BATCHES = 4  # that a candidate of a front is judged on, if there are as many
ROUNDS = 32  # of draws, where candidates have to fit a budget of time


def limit_ms(settings: SearchSettings, table: LatencyTable) -> float:
    """Return the longest time of a frame that a search may choose, ms; or infinity."""
    if settings.budget_share:
        return settings.budget_share * table.slowest_ms
    return settings.budget_ms or math.inf


def require_budget(settings: SearchSettings, table: LatencyTable) -> None:
    """Raise InputError if the budget of time is below the fastest architecture."""
    limit = limit_ms(settings, table)
    if limit < table.fastest_ms:
        share = settings.budget_share
        found = f"{share:g}, which is {limit:.2f} ms," if share else f"{limit:g},"
        raise InputError(
            f"search.{settings.budget_name}: found {found} and the fastest "
            f"architecture takes {table.fastest_ms:.2f} ms on "
            f"{table.measured.device}; allow at least that, or make the network smaller"
        )


def candidates_of(
    network: SearchNetwork,
    settings: SearchSettings,
    steps: int,
    validation_steps: int,
    seed: int,
    table: LatencyTable | None,
) -> tuple[list[Architecture], int]:
    """Return the candidates of a search, and on how many batches each is judged.

    Args:
        network: searched network.
        settings: settings of the search, whose method judges candidates.
        steps: number of steps of alphas that were saved, which pay for them; or of the
            weights, which they share out (`steps_of_each`).
        validation_steps: batches of S_val.
        seed: the run's seed.
        table: time of every operation, where the settings need times.

    Raises:
        InputError: no architecture that was drawn is fast enough.
    """
    if settings.method == "front":
        # Many on few batches: all see the same frames, and the predictor averages over
        # the candidates. They cost half a forward pass for each step of the weights,
        # and of whole frames, even where these steps see strips.
        count = _number_of(settings)
        batches = max(FEWEST_BATCHES, steps // (2 * count))
        return draw_candidates(network, count, seed), min(validation_steps, batches)
    if settings.trains_candidates:
        count = _number_of(settings)
        batches = max(FEWEST_BATCHES, steps_of_each(settings, steps) // 4)
        batches = min(validation_steps, batches)
    else:
        count = settings.candidates or paid_for(steps, validation_steps)
        batches = validation_steps
    if table is None or not settings.has_budget:
        return draw_candidates(network, count, seed), batches
    fastest, limit = times_of_candidates(settings, table)
    found = draw_candidates(
        network, count, seed, lambda own: fastest <= table.predict_ms(own) <= limit
    )
    if not found:
        raise InputError(
            f"search.{settings.budget_name}: none of {ROUNDS * count} random "
            f"architectures takes {fastest:.2f} to {limit:.2f} ms; allow more, or use "
            "search.method=front"
        )
    return found, batches


def steps_of_each(settings: SearchSettings, steps: int) -> int:
    """Return how many steps each candidate is trained for, where each is trained alone.

    Args:
        settings: settings of the search.
        steps: number of steps of the search, which all candidates share.

    Raises:
        InputError: there are fewer steps than candidates.
    """
    count = _number_of(settings)
    if steps < count:
        raise InputError(
            f"search.candidates: found {count}, and the search has {steps} steps to "
            "train them with; set fewer candidates, or more search.search_epochs"
        )
    return steps // count


def _number_of(settings: SearchSettings) -> int:
    return settings.candidates or CANDIDATES[settings.method]


def times_of_candidates(
    settings: SearchSettings, table: LatencyTable
) -> tuple[float, float]:
    """Return the shortest and the longest time of a candidate, ms; or infinity."""
    limit = limit_ms(settings, table)
    if not settings.trains_candidates or not settings.has_budget:
        return 0.0, limit
    # Few are trained, so none of them is far faster than what the budget allows.
    limit = min(limit, table.slowest_ms)
    return max(limit / 2, table.fastest_ms), limit


def paid_for(steps: int, validation_steps: int) -> int:
    """Return how many candidates cost as much as steps of alphas, at least one.

    Args:
        steps: number of steps of alphas that were saved.
        validation_steps: number of batches on which each candidate is judged.
    """
    # A candidate costs a forward pass for each batch of validation.
    return max(1, FORWARD_PASSES_PER_STEP * steps // validation_steps)


def draw_candidates(
    network: SearchNetwork,
    count: int,
    seed: int,
    fits: Callable[[Architecture], bool] | None = None,
) -> list[Architecture]:
    """Draw architectures uniformly.

    A smaller number draws the first of a larger. Each is there once, however often it
    was drawn.

    Args:
        network: searched network, whose cells may share their choice.
        count: number of architectures to draw.
        seed: the run's seed.
        fits: whether an architecture is wanted; those that are not are drawn again, at
            most `ROUNDS` times as many in all. None wants every one.
    """
    drawn: list[Architecture] = []
    for turn in range(ROUNDS):
        every = _drawn(network, range(turn * count, (turn + 1) * count), seed)
        drawn += [own for own in every if fits is None or fits(own)]
        if len(drawn) >= count:
            break
    # A dict keeps the first of equal architectures, in the order of the draw.
    return list(dict.fromkeys(drawn[:count]))


def _drawn(network: SearchNetwork, numbers: range, seed: int) -> list[Architecture]:
    # The key has no fold: folds vote on candidates that all of them drew.
    key, groups = key_for(seed, "candidates"), np.array(network.cell_groups)
    undecided = jnp.zeros((len(set(groups.tolist())), len(network.operations)))
    # A key for each number, so that fewer candidates are the first of more.
    keys = jax.vmap(lambda n: jax.random.fold_in(key, n))(jnp.array(numbers))
    absent = absent_in(network.operations)
    drawn = jax.vmap(lambda k: draw_choices(k, undecided, absent))(keys)
    cells = np.asarray(drawn)[:, groups].tolist()
    among = network.cells_per_block, network.operations
    return [Architecture.from_cells(own, *among) for own in cells]
