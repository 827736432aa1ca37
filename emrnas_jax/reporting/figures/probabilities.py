"""The probability of every operation in every cell, over the epochs of a search.

An operation has the colour that it has in the diagrams.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emrnas_jax.nas.operation_tables import unnamed_operations
from emrnas_jax.nas.space import CELLS_PER_BLOCK, Operation
from emrnas_jax.reporting.colours import operation_colour
from emrnas_jax.reporting.figures.diagram import IN_A_ROW
from emrnas_jax.reporting.figures.picture import (
    FAINT,
    Picture,
    begins_with,
    name_of,
    picture,
)
from emrnas_jax.reporting.numbers import percent
from emrnas_jax.runs.run import FoldRun, Run


def probability_pictures(run: Run, search: str = "") -> list[Picture]:
    """For every fold that searched, p of each cell over the epochs.

    Args:
        run: a run, or a run as of another search of it.
        search: that search's name.
    """
    return [
        picture(
            run,
            f"{name_of('probabilities', search)}_fold_{fold.number}",
            draw_probabilities(fold),
            begins_with(run, search)
            + f"Fold {fold.number}: probability of each operation in "
            "every cell over the epochs of the search; the likeliest at the end is "
            "thick and named. The dotted line is a uniform choice, p = "
            f"{percent(1 / fold.search.probabilities.shape[2])}.",
            f"Operation probabilities per cell over epochs, fold {fold.number}.",
        )
        for fold in run.folds
        if fold.search is not None and fold.search.probabilities.size
    ]


def draw_probabilities(fold: FoldRun) -> Figure:
    """Draw a panel per cell of a fold that searched: components as columns.

    Components of one cell stand in rows, as in the diagrams.
    """
    assert fold.search is not None
    epoch, p = fold.search.search_epoch, fold.search.probabilities
    _, cells, operations = p.shape
    per_block, names = CELLS_PER_BLOCK, unnamed_operations(operations)
    if fold.searched:
        per_block = len(fold.searched.architecture.blocks[0])
        named = fold.searched.architecture.operations
        names = named if len(named) == operations else names
    figure, panels = _panels(cells, per_block)
    for cell, axes in enumerate(panels):
        _draw_cell(axes, epoch, p[:, cell], names)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    panels[0].set_ylim(0, min(1.0, 1.12 * float(np.nanmax(p))))
    is_narrow = figure.get_figwidth() < 6
    figure.legend(
        handles=[
            Line2D([], [], color=operation_colour(index), label=operation.name)
            for index, operation in enumerate(names)
        ],
        loc="outside lower center",
        ncols=min(operations, 4 if is_narrow else 8),  # as many as its width holds
    )
    return figure


def _panels(cells: int, per_block: int) -> tuple[Figure, list[Axes]]:
    """Return axes for every cell, in their order, with titles and labels."""
    rows, columns = per_block, -(-cells // per_block)
    if per_block == 1:
        rows = -(-cells // IN_A_ROW)
        columns = -(-cells // rows)
    figure = Figure(
        figsize=(max(2.1 * columns, 4.5), 1.45 * rows + 0.9), layout="constrained"
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    every = list(grid.flat if per_block == 1 else grid.T.flat)
    panels, spare = every[:cells], every[cells:]
    for axes in spare:
        axes.set_visible(False)  # the last component or row may be shorter
    titled = panels if per_block == 1 else grid[0]
    for block, axes in enumerate(titled):
        axes.set_title(f"Component {block + 1}")
    for position, axes in enumerate(grid[:, 0]):
        axes.set_ylabel("p" if per_block == 1 else f"Cell {position + 1}: p")
    for column in grid.T:
        lowest = [axes for axes in column if axes in panels][-1]
        lowest.set_xlabel("epoch")
        lowest.tick_params(labelbottom=True)
    return figure, panels


def _draw_cell(
    axes: Axes,
    epoch: Int[np.ndarray, " epoch"],
    p: Float[np.ndarray, "epoch operation"],
    operations: Sequence[Operation],
) -> None:
    """Draw p of every operation of one cell, and name the likeliest at the end."""
    best = int(np.argmax(p[-1]))
    axes.axhline(1 / len(operations), color=FAINT, linewidth=0.8, linestyle=":")
    for operation in range(len(operations)):
        axes.plot(
            epoch,
            p[:, operation],
            color=operation_colour(operation),
            linewidth=2.6 if operation == best else 1.1,
            zorder=3 if operation == best else 2,
            # A line through fewer points than these could not be seen.
            marker="." if len(epoch) < 3 else "",
        )
    axes.annotate(
        operations[best].name,
        (float(epoch[-1]), float(p[-1, best])),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        fontweight="bold",
    )
    room = 0.12 * max(float(epoch[-1] - epoch[0]), 1.0)  # for the winner's name
    axes.set_xlim(float(epoch[0]) - 0.1 * room, float(epoch[-1]) + 1.6 * room)
