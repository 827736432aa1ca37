"""Curves of a report: p of every cell, loss and entropy of the search, retraining.

An operation has the colour that it has in the diagrams.
"""

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from emrnas_jax.nas.space import CELLS_PER_BLOCK
from emrnas_jax.reporting.names import (
    display_name,
    in_order,
    operation_colour,
    operation_name,
    series_colour,
)
from emrnas_jax.reporting.picture import FAINT, Picture, render
from emrnas_jax.reporting.run import FoldRun, Run


def probability_pictures(run: Run) -> list[Picture]:
    """For every fold that searched, p of each cell over the epochs."""
    return [
        Picture(
            name=f"probabilities_fold_{fold.number}",
            png=render(draw_probabilities(fold)),
            caption=(
                f"Fold {fold.number}: probability of each operation in every cell "
                "over the epochs of the search; the likeliest at the end is thick and "
                "named. The dotted line is a uniform choice."
            ),
            description=f"Operation probabilities per cell over epochs, fold "
            f"{fold.number}.",
        )
        for fold in run.folds
        if fold.search is not None and fold.search.probabilities.size
    ]


def draw_probabilities(fold: FoldRun) -> Figure:
    """Draw a panel per cell of a fold that searched: components as columns."""
    assert fold.search is not None
    epoch, p = fold.search.search_epoch, fold.search.probabilities
    _, cells, operations = p.shape
    per_block = (
        len(fold.searched.architecture.blocks[0]) if fold.searched else CELLS_PER_BLOCK
    )
    blocks = -(-cells // per_block)
    figure = Figure(
        figsize=(max(2.1 * blocks, 4.5), 1.45 * per_block + 0.9), layout="constrained"
    )
    grid = figure.subplots(per_block, blocks, sharex=True, sharey=True, squeeze=False)
    room = 0.12 * max(float(epoch[-1] - epoch[0]), 1.0)  # for the winner's name
    for cell, axes in enumerate(grid.T.flat):
        if cell >= cells:
            axes.set_visible(False)
            continue
        best = int(np.argmax(p[-1, cell]))
        axes.axhline(1 / operations, color=FAINT, linewidth=0.8, linestyle=":")
        for operation in range(operations):
            axes.plot(
                epoch,
                p[:, cell, operation],
                color=operation_colour(operation),
                linewidth=2.6 if operation == best else 1.1,
                zorder=3 if operation == best else 2,
                marker="." if len(epoch) < 3 else "",
            )
        axes.annotate(
            operation_name(best),
            (float(epoch[-1]), float(p[-1, cell, best])),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            fontweight="bold",
        )
        axes.set_xlim(float(epoch[0]) - 0.1 * room, float(epoch[-1]) + 1.6 * room)
    grid[0, 0].set_ylim(0, min(1.0, 1.12 * float(np.nanmax(p))))
    for block, axes in enumerate(grid[0]):
        axes.set_title(f"Component {block + 1}")
    for position, axes in enumerate(grid[:, 0]):
        axes.set_ylabel(f"Cell {position + 1}: p")
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    figure.legend(
        handles=[
            Line2D([], [], color=operation_colour(index), label=operation_name(index))
            for index in range(operations)
        ],
        loc="outside lower center",
        ncols=min(operations, 8),
    )
    return figure


def search_pictures(run: Run) -> list[Picture]:
    """Losses and the entropy of p over the epochs of every fold's search."""
    folds = [fold for fold in run.folds if fold.search and len(fold.search.epoch)]
    if not folds:
        return []
    figure = Figure(figsize=(8.6, 3.1), layout="constrained")
    losses, entropy = figure.subplots(1, 2)
    for index, fold in enumerate(folds):
        search = fold.search
        assert search is not None
        colour = series_colour(index)
        _curve(losses, search.epoch, search.train_loss, colour, f"Fold {fold.number}")
        _curve(losses, search.epoch, search.validation_loss, colour, "", "--")
        searching = np.isfinite(search.entropy)
        _curve(
            entropy,
            search.epoch[searching],
            search.entropy[searching],
            colour,
            f"Fold {fold.number}",
        )
    losses.plot([], [], color=FAINT, linestyle="--", label="validation")
    _logarithmic(losses)
    losses.set_title("Loss (mean squared error)", loc="left")
    entropy.set_title("Entropy of p, mean over cells (nats)", loc="left")
    choices = {f.search.probabilities.shape[2] for f in folds if f.search} - {0}
    for count in choices:
        entropy.axhline(np.log(count), color=FAINT, linewidth=0.8, linestyle=":")
        entropy.annotate(
            f"uniform over {count}: {np.log(count):.2f}",
            (0.99, np.log(count)),
            xycoords=("axes fraction", "data"),
            xytext=(0, -3),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=7.5,
            color=FAINT,
        )
    for axes in (losses, entropy):
        axes.set_xlabel("epoch")
    losses.legend()
    return [
        Picture(
            name="search",
            png=render(figure),
            caption=(
                "The search of every fold. Left: training loss, and validation loss "
                "from the end of the warm-up on (dashed). Right: how decided the "
                "cells are; 0 would be one certain operation in every cell."
            ),
            description="Losses and entropy of the search over epochs.",
        )
    ]


def retraining_pictures(run: Run) -> list[Picture]:
    """Loss and PSNR on training batches, over the epochs of every training."""
    names = in_order({name for fold in run.folds for name in fold.retraining})
    if not names:
        return []
    figure = Figure(figsize=(8.6, 3.1), layout="constrained")
    losses, psnr = figure.subplots(1, 2)
    styles = ("-", "--", ":", "-.")
    for index, name in enumerate(names):
        for position, fold in enumerate(run.folds):
            if name not in fold.retraining:
                continue
            curve, line = fold.retraining[name], styles[position % len(styles)]
            colour = series_colour(position if len(names) == 1 else index)
            label = f"{display_name(name)}, fold {fold.number}"
            _curve(losses, curve.epoch, curve.train_loss, colour, label, line)
            _curve(psnr, curve.epoch, curve.train_psnr_db, colour, label, line)
    _logarithmic(losses)
    losses.set_title("Training loss (mean squared error)", loc="left")
    psnr.set_title("PSNR on training batches (dB)", loc="left")
    for axes in (losses, psnr):
        axes.set_xlabel("epoch")
    # Matplotlib fills a legend column by column: one column per network.
    figure.legend(
        *losses.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(names) if len(names) > 1 else len(run.folds),
    )
    return [
        Picture(
            name="retraining",
            png=render(figure),
            caption="Training from scratch on the training and validation subjects.",
            description="Training loss and PSNR of every network over epochs.",
        )
    ]


def _curve(
    axes: Axes,
    epoch: Int[np.ndarray, " epoch"],
    values: Float[np.ndarray, " epoch"],
    colour: str,
    label: str,
    line: str = "-",
) -> None:
    axes.plot(
        epoch,
        values,
        color=colour,
        label=label or "_",  # matplotlib keeps such labels out of the legend
        linestyle=line,
        marker="." if np.isfinite(values).sum() < 3 else "",
    )


def _logarithmic(axes: Axes) -> None:
    """A logarithmic scale, unless some training left nothing that it can show."""
    values = np.concatenate([np.asarray(line.get_ydata()) for line in axes.lines])
    if np.any(values > 0):
        axes.set_yscale("log")
