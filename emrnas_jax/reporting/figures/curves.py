"""Curves of a report: loss and entropy of the search, loss and PSNR of trainings."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emrnas_jax.reporting.colours import series_colour
from emrnas_jax.reporting.figures.picture import (
    FAINT,
    Picture,
    begins_with,
    name_of,
    picture,
)
from emrnas_jax.reporting.networks import in_order, title_of, titles_of
from emrnas_jax.runs.run import FoldRun, Run

LOSSES = {
    "mse": "mean squared error",
    "log_mse": "logarithm of each frame's squared error",
}
NETWORKS_IN_A_FIGURE = 5  # more colours than these are hard to tell apart


def search_pictures(run: Run, search: str = "") -> list[Picture]:
    """Losses and the entropy of p over the epochs of every fold's search.

    Args:
        run: a run, or a run as of another search of it.
        search: that search's name.
    """
    folds = [fold for fold in run.folds if fold.search and len(fold.search.epoch)]
    if not folds:
        return []
    # A search that compares whole architectures moves no p.
    has_p = any(np.isfinite(fold.search.entropy).any() for fold in folds if fold.search)
    figure = Figure(figsize=(8.6 if has_p else 5.0, 3.1), layout="constrained")
    losses, *right = figure.subplots(1, 2 if has_p else 1, squeeze=False)[0]
    has_validation = False
    for index, fold in enumerate(folds):
        curves = fold.search
        assert curves is not None
        colour = series_colour(index)
        _curve(losses, curves.epoch, curves.train_loss, colour, f"Fold {fold.number}")
        _curve(losses, curves.epoch, curves.validation_loss, colour, "", "--")
        has_validation |= bool(np.isfinite(curves.validation_loss).any())
    if has_validation:
        losses.plot([], [], color=FAINT, linestyle="--", label="validation")
    _logarithmic(losses)
    names = run.results.searches[search].networks if search else ()
    losses.set_title(f"Loss{_loss(run, 'search', names)}", loc="left")
    losses.legend()
    for axes in right:
        _draw_entropy(axes, folds)
    for axes in (losses, *right):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    shown = ["training loss"]
    if has_validation:
        shown.append("validation loss from the end of the warm-up on (dashed)")
    decided = (
        " Right: how decided the cells are; 0 would be one certain operation in every "
        "cell."
    )
    return [
        picture(
            run,
            name_of("search", search),
            figure,
            begins_with(run, search)
            + f"The search of every fold. {'Left: ' if has_p else 'Shown is the '}"
            f"{', and '.join(shown)}.{decided if has_p else ''}",
            f"Losses{' and entropy' if has_p else ''} of the search over epochs.",
        )
    ]


def _draw_entropy(axes: Axes, folds: Sequence[FoldRun]) -> None:
    """Draw the entropy of p of every fold, and that of a uniform choice."""
    for index, fold in enumerate(folds):
        assert fold.search is not None
        searching = np.isfinite(fold.search.entropy)
        _curve(
            axes,
            fold.search.epoch[searching],
            fold.search.entropy[searching],
            series_colour(index),
            f"Fold {fold.number}",
        )
    axes.set_title("Entropy of p, mean over cells (nats)", loc="left")
    for count in {f.search.probabilities.shape[2] for f in folds if f.search} - {0}:
        axes.axhline(np.log(count), color=FAINT, linewidth=0.8, linestyle=":")
        axes.annotate(
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


def _loss(run: Run, section: str, names: Sequence[str] = ()) -> str:
    """Return the loss of a section of the config in brackets, "" if networks differ.

    Args:
        run: the run.
        section: "search" or "retrain".
        names: networks that are asked about; all unless given.
    """
    common = run.config.get(section) or {}
    networks = run.config.get("networks") or {}
    own = [
        common | (settings.get(section) or {})
        for name, settings in networks.items()
        if name in names or not names
    ] or [common]
    found = {settings.get("loss", "mse") for settings in own}
    if any(settings.get("method") == "reinforce" for settings in own):
        found.add("log_mse")  # which it judges by, whatever the weights' loss is
    words = LOSSES.get(found.pop()) if len(found) == 1 else None
    return f" ({words})" if words else ""


def retraining_pictures(run: Run) -> list[Picture]:
    """Loss and PSNR on training batches, over the epochs of every training.

    Networks have colours and folds have lines, a few networks in each figure; all
    figures have the same axes. The folds of a single network have colours.
    """
    trained = {name: None for fold in run.folds for name in fold.retraining}
    names = in_order(run.results, trained)
    if not names:
        return []
    count = -(-len(names) // -(-len(names) // NETWORKS_IN_A_FIGURE))
    groups = [names[start : start + count] for start in range(0, len(names), count)]
    drawn = [_retraining(run, group, len(names) == 1) for group in groups]
    for panel in range(2):
        limits = np.asarray([figure.axes[panel].get_ylim() for figure in drawn])
        # Two figures can be compared if their axes are alike; a logarithmic one is not
        # like the one whose losses it cannot show.
        if len({figure.axes[panel].get_yscale() for figure in drawn}) == 1:
            for figure in drawn:
                figure.axes[panel].set_ylim(limits[:, 0].min(), limits[:, 1].max())
    return [
        picture(
            run,
            "retraining" if index == 1 else f"retraining_{index}",
            figure,
            "Training from scratch on the training and validation subjects"
            + (f": {titles_of(run.results, group)}." if len(groups) > 1 else "."),
            f"Training loss and PSNR over epochs of {titles_of(run.results, group)}.",
        )
        for index, (figure, group) in enumerate(zip(drawn, groups, strict=True), 1)
    ]


def _retraining(run: Run, names: list[str], alone: bool) -> Figure:
    figure = Figure(figsize=(8.6, 3.2), layout="constrained")
    losses, psnr = figure.subplots(1, 2)
    styles = ("-", "--", ":", "-.")
    for index, name in enumerate(names):
        for position, fold in enumerate(run.folds):
            if name not in fold.retraining:
                continue
            curve = fold.retraining[name]
            line = "-" if alone else styles[position % len(styles)]
            colour = series_colour(position if alone else index)
            _curve(losses, curve.epoch, curve.train_loss, colour, "", line)
            _curve(psnr, curve.epoch, curve.train_psnr_db, colour, "", line)
    _logarithmic(losses)
    losses.set_title(f"Training loss{_loss(run, 'retrain', names)}", loc="left")
    psnr.set_title("PSNR on training batches (dB)", loc="left")
    for axes in (losses, psnr):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    folds = [
        Line2D(
            [],
            [],
            color=series_colour(position) if alone else FAINT,
            linestyle="-" if alone else styles[position % len(styles)],
            label=f"Fold {fold.number}",
        )
        for position, fold in enumerate(run.folds)
    ]
    networks = [
        Line2D([], [], color=series_colour(index), label=title_of(run.results, name))
        for index, name in enumerate(names)
    ]
    handles = folds if alone else [*networks, *folds]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 4)
    )
    return figure


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
    """Set a logarithmic scale, unless no value can be shown on one."""
    values = np.concatenate([np.asarray(line.get_ydata()) for line in axes.lines])
    if np.any(values > 0):
        axes.set_yscale("log")
