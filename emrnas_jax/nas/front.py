"""The front of a search: for every time limit, the best architecture within it.

Where quality and time are sums over cells, the front needs no evolution: adding cell
after cell and dropping what another partial architecture beats in both finds every
architecture that no other one beats, and no others. The same holds for each number of
components where some may be left out.
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
    losses: Float[np.ndarray, "cell op"],
    times: Float[np.ndarray, "cell op"],
    by_count: Float[np.ndarray, " count"] | None = None,
    absent: int | None = None,
) -> list[Point]:
    """Return every architecture that no other one beats in both loss and time.

    Args:
        losses: what each operation of each cell adds to the loss.
        times: what it adds to the time, milliseconds.
        by_count: what the number of present components adds to the loss; nothing
            unless given.
        absent: position of the operation that leaves a component out; None without. An
            architecture has at least one component.

    Returns:
        the front, fastest first: time rises and loss falls from point to point.
    """
    # Rounded up, so that no time is longer than it seems; but not for rounding errors.
    ticks = np.ceil(times / RESOLUTION_MS - 1e-6).astype(np.int64)
    operations = np.arange(losses.shape[1])
    # Partial architectures are compared with those of as many components: another
    # number may turn out to be worth more.
    is_more = operations != (-1 if absent is None else absent)
    parts = _Parts(np.zeros(1), np.zeros(1, np.int64), np.zeros((1, 0), np.int64))
    partial = {0: parts}
    for own_losses, own_ticks in zip(losses, ticks, strict=True):
        longer: dict[int, list[_Parts]] = {}
        for count, before in partial.items():
            for more in (False, True):
                chosen = operations[is_more == more]
                if len(chosen):
                    own = own_losses[chosen], own_ticks[chosen], chosen
                    longer.setdefault(count + more, []).append(before.with_cell(*own))
        partial = {n: _Parts.joined(found).unbeaten() for n, found in longer.items()}
    counted = [
        _Parts(own.loss + (0 if by_count is None else by_count[n]), *own[1:])
        for n, own in partial.items()
        if n or absent is None
    ]
    front = _Parts.joined(counted).unbeaten()
    return [
        Point(tuple(choices), float(loss), float(tick * RESOLUTION_MS))
        for loss, tick, choices in zip(
            front.loss, front.tick, front.chosen.tolist(), strict=True
        )
    ]


class _Parts(NamedTuple):
    """Architectures of the first cells."""

    loss: Float[np.ndarray, " point"]
    tick: Int[np.ndarray, " point"]
    chosen: Int[np.ndarray, "point cell"]

    def with_cell(
        self,
        losses: Float[np.ndarray, " op"],
        ticks: Int[np.ndarray, " op"],
        operations: Int[np.ndarray, " op"],
    ) -> "_Parts":
        """Return each with each of some operations as the next cell."""
        before, operation = np.divmod(
            np.arange(len(self.loss) * len(operations)), len(operations)
        )
        column = operations[operation][:, None]
        return _Parts(
            (self.loss[:, None] + losses).ravel(),
            (self.tick[:, None] + ticks).ravel(),
            np.concatenate([self.chosen[before], column], axis=1),
        )

    @staticmethod
    def joined(parts: Sequence["_Parts"]) -> "_Parts":
        """Return all of several."""
        return _Parts(*map(np.concatenate, zip(*parts, strict=True)))

    def unbeaten(self) -> "_Parts":
        """Return those that none beats, by time."""
        kept = _unbeaten(self.loss, self.tick)
        return _Parts(self.loss[kept], self.tick[kept], self.chosen[kept])


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
    """Return points of a front that are evenly spread over its time, fastest first.

    Args:
        front: points, fastest first.
        count: number of points to return, at least 1; all where there are no more.
    """
    if count >= len(front):
        return list(front)
    times = np.array([point.ms for point in front])
    ends = times[0], times[-1]
    nearest = []
    for ms in np.linspace(*ends, count) if count > 1 else [np.mean(ends)]:
        distance = np.abs(times - ms)
        distance[nearest] = np.inf  # each once
        nearest.append(int(distance.argmin()))
    return [front[number] for number in sorted(nearest)]
