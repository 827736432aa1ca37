"""Search by the front: from judged candidates to the best architecture for every time.

The candidates of all folds give an additive predictor of quality (`nas.quality`), the
latency table gives the time, and the front follows from both (`nas.front`). The run
takes the best architecture within the budget of time.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emrnas_jax.models.search_networks import SearchNetwork
from emrnas_jax.nas.front import best_within, evenly_over_time, pareto_front
from emrnas_jax.nas.latency_table import LatencyTable, times_by_group
from emrnas_jax.nas.quality import fit_quality
from emrnas_jax.nas.space import Architecture, absent_in
from emrnas_jax.runs.front import Front, FrontPoint
from emrnas_jax.training.candidates import limit_ms, require_budget
from emrnas_jax.training.random_search import common_losses
from emrnas_jax.training.settings import SearchSettings

POINTS = 64  # of the front that are kept
DB = 10 / math.log(10)  # of a natural logarithm of the squared error


def front_of_folds(
    folders: Sequence[Path],
    network: SearchNetwork,
    settings: SearchSettings,
    table: LatencyTable,
) -> Front:
    """Return the front of the candidates that all folds have judged.

    Args:
        folders: folders of the folds' searches, which must have ended.
        network: the network that is searched.
        settings: settings of the searches.
        table: time of every operation.

    Raises:
        InputError: the folds have no candidate in common, or none is fast enough.
    """
    require_budget(settings, table)
    operations = network.operations
    losses = common_losses(folders, settings.loss)
    candidates = [Architecture.parse(text, operations) for text in losses]
    groups = np.asarray(network.cell_groups)
    # A group's choice is that of its first cell.
    firsts = np.array([groups.tolist().index(g) for g in sorted(set(groups.tolist()))])
    choices = np.array([own.cells for own in candidates])[:, firsts]
    measured = np.array(list(losses.values()))
    absent = absent_in(operations)
    quality = fit_quality(choices, measured, len(operations), absent)
    times = times_by_group(table, network.cell_groups, operations)
    front = pareto_front(quality.effects, times, quality.by_count, absent)
    limit = limit_ms(settings, table)
    chosen = best_within(front, limit)
    # The budget was checked with the fastest architecture, which the front has; only
    # the rounding of its time can be too much.
    chosen = front[0] if chosen is None else chosen

    def architecture(own: Sequence[int]) -> Architecture:
        cells = np.asarray(own)[groups].tolist()
        return Architecture.from_cells(cells, network.cells_per_block, operations)

    average = float(measured.mean())
    shown = sorted({*evenly_over_time(front, POINTS), chosen}, key=lambda own: own.ms)
    return Front(
        device=table.measured.device,
        budget_ms=limit if np.isfinite(limit) else 0.0,
        chosen=str(architecture(chosen.choices)),
        points=tuple(
            FrontPoint(
                architecture=str(architecture(own.choices)),
                ms=table.predict_ms(architecture(own.choices)),
                gain_db=DB * (average - quality.mean - own.loss),
            )
            for own in shown
        ),
        judged=tuple(
            FrontPoint(
                architecture=str(own),
                ms=table.predict_ms(own),
                gain_db=DB * (average - float(loss)),
            )
            for own, loss in zip(candidates, measured, strict=True)
        ),
        error_db=DB * quality.error,
    )
