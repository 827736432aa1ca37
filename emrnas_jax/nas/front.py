"""The front of a search: for every time limit, the best architecture within it.

Where quality and time are sums over cells, the front needs no evolution: adding cell
after cell and dropping what another partial architecture beats in both finds every
architecture that no other one beats, and no others.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

# Times closer than this count as one. It bounds the number of partial architectures,
# and is far below what can be measured.
RESOLUTION_MS = 1e-3


class Point(NamedTuple):
    """An architecture of the front.

    Attributes:
        choices: the operation of each cell, from 0.
        loss: its predicted loss.
        ms: its predicted time, milliseconds.
    """

    choices: tuple[int, ...]
    loss: float
    ms: float


def pareto_front(
    losses: Float[np.ndarray, "cell op"], times: Float[np.ndarray, "cell op"]
) -> list[Point]:
    """Return every architecture that no other one beats in both loss and time.

    Args:
        losses: what each operation of each cell adds to the loss.
        times: what it adds to the time, milliseconds.

    Returns:
        the front, fastest first: time rises and loss falls from point to point.
    """
    # Rounded up, so that no time is longer than it seems; but not for rounding errors.
    ticks = np.ceil(times / RESOLUTION_MS - 1e-6).astype(np.int64)
    loss, tick = np.zeros(1), np.zeros(1, np.int64)
    chosen: Int[np.ndarray, "point cell"] = np.zeros((1, 0), np.int64)
    for own_losses, own_ticks in zip(losses, ticks, strict=True):
        loss = (loss[:, None] + own_losses).ravel()
        tick = (tick[:, None] + own_ticks).ravel()
        kept = _unbeaten(loss, tick)
        before, operation = np.divmod(kept, len(own_losses))
        chosen = np.concatenate([chosen[before], operation[:, None]], axis=1)
        loss, tick = loss[kept], tick[kept]
    return [
        Point(tuple(choices), float(own_loss), float(own_tick * RESOLUTION_MS))
        for choices, own_loss, own_tick in zip(chosen.tolist(), loss, tick, strict=True)
    ]


def _unbeaten(
    loss: Float[np.ndarray, " point"], tick: Int[np.ndarray, " point"]
) -> Int[np.ndarray, " kept"]:
    """Return the points that none beats, by time."""
    order = np.lexsort((loss, tick))
    lowest = np.minimum.accumulate(loss[order])
    # A point has to be better than all that are as fast or faster.
    better = np.concatenate([[True], loss[order][1:] < lowest[:-1]])
    return order[better]


def best_within(front: Sequence[Point], budget_ms: float) -> Point | None:
    """Return the best point of a front within a time; None if there is none."""
    within = [point for point in front if point.ms <= budget_ms]
    return within[-1] if within else None


def evenly_over_time(front: Sequence[Point], count: int) -> list[Point]:
    """Return at most `count` points of a front, evenly spread over its time."""
    times = np.array([point.ms for point in front])
    wanted = np.linspace(times[0], times[-1], count)
    nearest = {int(np.abs(times - ms).argmin()): None for ms in wanted}
    return [front[number] for number in sorted(nearest)]
