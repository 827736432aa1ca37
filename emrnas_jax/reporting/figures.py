"""All figures of a report: scores, reconstructions, architectures and curves.

A figure that the run has no data for is not made. An operation has the same colour in
the diagrams and in the curves of p.
"""

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

from emrnas_jax.nas.space import Architecture
from emrnas_jax.reporting.curves import (
    probability_pictures,
    retraining_pictures,
    search_pictures,
)
from emrnas_jax.reporting.diagram import (
    draw_architecture,
    draw_choices,
    draw_operations,
)
from emrnas_jax.reporting.names import display_name, in_order, series_colour
from emrnas_jax.reporting.picture import STYLE, Picture, render
from emrnas_jax.reporting.reconstructions import reconstruction_pictures
from emrnas_jax.reporting.run import Run
from emrnas_jax.reporting.tables import metrics_sentence

MARKERS = "os^DvPX*"


def all_pictures(run: Run) -> dict[str, list[Picture]]:
    """Every picture, by the section of the page that it belongs to."""
    with style.context(["default", STYLE]):
        return {
            "scores": score_pictures(run),
            "reconstructions": reconstruction_pictures(run),
            "architecture": architecture_pictures(run),
            "search": search_pictures(run),
            "probabilities": probability_pictures(run),
            "retraining": retraining_pictures(run),
        }


def score_pictures(run: Run) -> list[Picture]:
    """Fold means of every network; one fold's networks are joined by a line."""
    folds = [fold for fold in run.folds if fold.scores]
    names = in_order({name for fold in folds for name in fold.scores})
    if len(names) < 2:
        return []
    figure = Figure(figsize=(8.6, 3.1), layout="constrained")
    grid = figure.subplots(1, 2)
    for axes, measure, label in zip(
        grid, ("psnr_db", "ssim"), ("PSNR (dB)", "SSIM"), strict=True
    ):
        for index, fold in enumerate(folds):
            means = [
                float(np.mean(getattr(fold.scores[name], measure)))
                if name in fold.scores
                else np.nan
                for name in names
            ]
            axes.plot(
                range(len(names)),
                means,
                marker=MARKERS[index % len(MARKERS)],
                color=series_colour(index),
                linewidth=0.8,
                label=f"Fold {fold.number}",
            )
        axes.set_xticks(range(len(names)), [display_name(name) for name in names])
        axes.tick_params(axis="x", rotation=25 if len(names) > 4 else 0)
        axes.margins(x=0.12)
        axes.set_title(label, loc="left")
    grid[0].legend()
    return [
        Picture(
            name="scores",
            png=render(figure),
            caption=(
                f"Mean over the test {run.results.unit}s of each fold. Lines that run "
                "alike mean that the networks rank the same whichever subjects are "
                f"tested. {metrics_sentence(run)}"
            ),
            description="Fold means of PSNR and SSIM for every network.",
        )
    ]


def architecture_pictures(run: Run) -> list[Picture]:
    """The network, the folds' choices beside it, and the operations of Table 1."""
    if run.searched is None:
        return []
    architecture, p = run.searched.architecture, run.searched.probabilities
    percentages = (
        " The percentage is p of the chosen operation, the mean over folds."
        if p is not None
        else ""
    )
    pictures = [
        Picture(
            name="architecture",
            png=render(draw_architecture(architecture, p)),
            caption=(
                "Every cell shows its operation: four 3×3 convolutions, each with its "
                "dilation, and an arc for every feature map that is carried past the "
                f"next convolution.{percentages} The cells of a component form a "
                "residual-in-residual block."
            ),
            description=f"Architecture {architecture}.",
        )
    ]
    named = [
        (f"Fold {fold.number}", fold.searched.architecture)
        for fold in run.folds
        if fold.searched
    ]
    shape = [len(block) for block in architecture.blocks]
    if named and all([len(b) for b in a.blocks] == shape for _, a in named):
        total = len(architecture.cells)
        agreed = cells_agreed([a for _, a in named])
        pictures.append(
            Picture(
                name="fold_architectures",
                png=render(draw_choices([*named, ("Ensemble", architecture)])),
                caption=(
                    "What each fold's search chose, and the ensemble: the operation "
                    "with the largest sum of p over the folds. "
                    + (
                        f"The folds agree in {agreed} of {total} cells."
                        if len(named) > 1
                        else ""
                    )
                ).strip(),
                description="; ".join(f"{name}: {a}" for name, a in named),
            )
        )
    pictures.append(
        Picture(
            name="operations",
            png=render(draw_operations()),
            caption="The operations a cell can choose from (Table 1 of the paper).",
            description="The operations with their dilations and connections.",
        )
    )
    return pictures


def cells_agreed(architectures: list[Architecture]) -> int:
    """In how many cells all the architectures choose the same operation."""
    choices = zip(*(one.cells for one in architectures), strict=True)
    return sum(len(set(cell)) == 1 for cell in choices)
