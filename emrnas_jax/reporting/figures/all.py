"""All figures of a report by section, and those of the scores.

A figure that the run has no data for is not made. An operation has the same colour in
the diagrams and in the curves of p.
"""

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from emrnas_jax.reporting.colours import series_colour
from emrnas_jax.reporting.figures.architectures import (
    architecture_pictures,
    searched_pictures,
)
from emrnas_jax.reporting.figures.curves import retraining_pictures, search_pictures
from emrnas_jax.reporting.figures.front import front_pictures, share_pictures
from emrnas_jax.reporting.figures.front_checks import (
    order_pictures,
    time_check_pictures,
)
from emrnas_jax.reporting.figures.picture import STYLE, Picture, picture
from emrnas_jax.reporting.figures.probabilities import probability_pictures
from emrnas_jax.reporting.figures.reconstructions import reconstruction_pictures
from emrnas_jax.reporting.figures.trained_front import quality_pictures
from emrnas_jax.reporting.networks import in_order, title_of
from emrnas_jax.reporting.studies.ablations import ablation_pictures
from emrnas_jax.runs.run import Run

MARKERS = "os^DvPX*"


def all_pictures(run: Run) -> dict[str, list[Picture]]:
    """Draw every picture, by the section of the page that it belongs to.

    Those of the run's first search have sections of their own.
    """
    with style.context(["default", STYLE]):
        others = {name: run.of_search(name) for name in run.other_searched}
        return {
            "ablations": ablation_pictures(run),
            "scores": score_pictures(run),
            "reconstructions": reconstruction_pictures(run),
            "architecture": architecture_pictures(run),
            "other architectures": [
                one
                for name, other in others.items()
                for one in searched_pictures(other, name)
            ],
            "search": [
                *quality_pictures(run),
                *found_pictures(run),
                *search_pictures(run),
            ],
            "probabilities": probability_pictures(run),
            "other searches": [
                one
                for name, other in others.items()
                for one in (
                    *found_pictures(run, name),
                    *search_pictures(other, name),
                    *probability_pictures(other, name),
                )
            ],
            "retraining": retraining_pictures(run),
        }


def found_pictures(run: Run, search: str = "") -> list[Picture]:
    """Draw the front of a search that made one, and whether the search was right.

    Args:
        run: the run.
        search: name of the search; "" for the run's first.
    """
    found = run.other_searched.get(search) if search else run.searched
    return [
        *front_pictures(run, search),
        *(share_pictures(run, found.architecture, search) if found else []),
        *order_pictures(run, search),
        *time_check_pictures(run, search),
    ]


def score_pictures(run: Run) -> list[Picture]:
    """Fold means of every network; one fold's networks are joined by a line."""
    folds = [fold for fold in run.folds if fold.scores]
    names = in_order(run.results, dict.fromkeys(n for f in folds for n in f.scores))
    if len(names) < 2:
        return []
    # Names stand beside the rows, where many of them can still be read.
    rows = np.arange(len(names))
    figure = Figure(figsize=(8.6, 0.26 * len(names) + 1.3), layout="constrained")
    grid = figure.subplots(1, 2, sharey=True)
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
                means,
                rows,
                marker=MARKERS[index % len(MARKERS)],
                color=series_colour(index),
                linewidth=0.8,
                label=f"Fold {fold.number}",
            )
        axes.set_title(label, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(6))
    grid[0].set_yticks(rows, [title_of(run.results, name) for name in names])
    grid[0].set_ylim(len(names) - 0.5, -0.5)
    figure.legend(
        handles=grid[0].get_lines(),
        loc="outside lower center",
        ncols=min(len(folds), 8),
    )
    return [
        picture(
            run,
            "scores",
            figure,
            f"{run.results.label}: mean over the test {run.results.unit}s of each "
            "fold. Lines that run alike mean that the networks rank the same whichever "
            "subjects are tested.",
            "Fold means of PSNR and SSIM for every network.",
        )
    ]
