"""Search by the front: from judged candidates to the best architecture for every time.

The candidates of all folds give an additive predictor of quality (`nas.quality`), the
latency table gives the time, and the front follows from both (`nas.front`). The run
takes the best architecture within the budget of time.

A predictor is most optimistic where it predicts the best values. A search can therefore
have several rounds: candidates of the first are random, and those of the others lie on
the front that the ones before predict, so that they put it right.

Source: the rounds follow Lu et al., NSGANetV2, ECCV 2020, section 3.2.
"""

import math
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.nas.front import Point, best_within, evenly_over_time, pareto_front
from emrnas_jax.nas.latency_table import LatencyTable, times_by_group
from emrnas_jax.nas.quality import Quality, fit_quality
from emrnas_jax.nas.space import Architecture, absent_in
from emrnas_jax.runs.front import Front, FrontPoint
from emrnas_jax.runs.judged import Judged, all_losses, logarithms
from emrnas_jax.training.candidates import (
    limit_ms,
    require_budget,
    times_of_candidates,
)
from emrnas_jax.training.search_settings import SearchSettings

POINTS = 64  # of the front that are kept
DB = 10 / math.log(10)  # of a natural logarithm of the squared error


def front_of_folds(
    folders: Sequence[Path],
    network: SearchNetwork,
    settings: SearchSettings,
    table: LatencyTable,
) -> Front:
    """Return the front of the candidates that the folds have judged.

    Args:
        folders: folders of the folds' searches, which must have ended.
        network: the network that is searched.
        settings: settings of the searches.
        table: time of every operation.

    Raises:
        InputError: the folds have no candidate in common, or none is fast enough.
    """
    losses = all_losses(folders, network.operations, settings.loss)
    return front_of(losses, network, settings, table)


def front_of(
    losses: Judged,
    network: SearchNetwork,
    settings: SearchSettings,
    table: LatencyTable,
) -> Front:
    """Return the front of some candidates.

    Args:
        losses: natural logarithm of the squared error of each candidate.
        network: the network that is searched.
        settings: settings of the search.
        table: time of every operation.

    Raises:
        InputError: no architecture is fast enough.
    """
    require_budget(settings, table)
    quality, front = _predicted_front(losses, network, table)
    limit = limit_ms(settings, table)
    chosen = best_within(front, limit)
    # The budget was checked with the fastest architecture, which the front has; only
    # the rounding of its time can be too much.
    chosen = front[0] if chosen is None else chosen
    average = float(np.mean(list(losses.values())))

    def described(architecture: Architecture, loss: float) -> FrontPoint:
        return FrontPoint(
            architecture=str(architecture),
            ms=table.predict_ms(architecture),
            gain_db=DB * (average - loss),
        )

    shown = sorted({*evenly_over_time(front, POINTS), chosen}, key=lambda own: own.ms)
    return Front(
        device=table.measured.device,
        budget_ms=limit if np.isfinite(limit) else 0.0,
        chosen=str(_architecture(chosen, network)),
        points=tuple(
            described(_architecture(own, network), quality.mean + own.loss)
            for own in shown
        ),
        judged=tuple(described(own, loss) for own, loss in losses.items()),
        error_db=DB * quality.error,
        slowest_ms=table.slowest_ms,
    )


def rounds_of_candidates(
    every: Sequence[Architecture],
    network: SearchNetwork,
    settings: SearchSettings,
    table: LatencyTable | None,
) -> Callable[[Judged], list[Architecture]]:
    """Return a function that chooses the next candidates from those judged so far.

    The first round has half of them, the others share the rest. Each call returns what
    is left of a round, so that a search that was stopped in one goes on with it.

    Args:
        every: as many random architectures as there are candidates. They are the first
            round, and whatever a front has too few new architectures for.
        network: the network that is searched.
        settings: settings of the search, with the number of rounds.
        table: time of every operation; a search of one round needs none.
    """
    starts = _starts(len(every), settings.rounds)

    def next_of_round(judged: Judged) -> list[Architecture]:
        number = bisect(starts, len(judged)) - 1
        start, end = starts[number : number + 2]
        known = logarithms(dict(islice(judged.items(), start)), settings.loss)
        promising = []
        if known:
            assert table is not None  # methods with rounds need times
            _, front = _predicted_front(known, network, table)
            shortest, longest = times_of_candidates(settings, table)
            new = [
                point
                for point in front
                if shortest <= point.ms <= longest
                and _architecture(point, network) not in known
            ]
            if new:
                promising = evenly_over_time(new, end - start)
        chosen = [*(_architecture(own, network) for own in promising), *every]
        # A dict keeps the first of equal architectures.
        chosen = list(dict.fromkeys(own for own in chosen if own not in known))
        left = [own for own in chosen[: end - start] if own not in judged]
        # Of a round that was begun with other numbers, no more than is left of it.
        return left[: end - len(judged)]

    return next_of_round


def _starts(count: int, rounds: int) -> list[int]:
    """Return how many candidates come before each round, and how many there are."""
    if rounds == 1:
        return [0, count]
    return [0, *np.linspace((count + 1) // 2, count, rounds).astype(int).tolist()]


def _predicted_front(
    losses: Judged, network: SearchNetwork, table: LatencyTable
) -> tuple[Quality, list[Point]]:
    """Return the predictor of some candidates, and the front that it predicts.

    Args:
        losses: natural logarithm of the squared error of each candidate.
        network: the network that is searched.
        table: time of every operation.

    Returns:
        the predictor, and the front, fastest first, with the operation of each group of
        cells in place of each cell.
    """
    operations = network.operations
    groups = np.asarray(network.cell_groups)
    # A group's choice is that of its first cell.
    firsts = np.array([groups.tolist().index(g) for g in sorted(set(groups.tolist()))])
    choices = np.array([own.cells for own in losses])[:, firsts]
    measured = np.array(list(losses.values()))
    absent = absent_in(operations)
    quality = fit_quality(choices, measured, len(operations), absent)
    times = times_by_group(table, network.cell_groups, operations)
    return quality, pareto_front(quality.effects, times, quality.by_count, absent)


def _architecture(point: Point, network: SearchNetwork) -> Architecture:
    cells = np.asarray(point.choices)[np.asarray(network.cell_groups)].tolist()
    return Architecture.from_cells(cells, network.cells_per_block, network.operations)
