"""Table 3 and Figure 5 of the paper: what each component of the network contributes.

What an ablation changes is read from its settings, so the table says what was trained.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emrnas_jax.models.catalogue import ABLATION
from emrnas_jax.reporting.figures.picture import FAINT, INK, Picture, picture
from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.reporting.networks import SEARCHED, in_order, shown, title_of
from emrnas_jax.reporting.numbers import MEASURES, number
from emrnas_jax.reporting.studies.pairs import difference, narrow_text
from emrnas_jax.runs.results import Comparison, NetworkScore
from emrnas_jax.runs.run import Run

REFERENCE_COLOUR, COLOUR = "#0072b2", "#9db7c9"


class Components(NamedTuple):
    """One network's column of Table 3; the names of the fields are its rows."""

    batch_norm: str
    residual: str
    search: str
    ensemble: str
    deeper: str
    homogeneous: str


HEADER = Components(
    "Batch norm?", "RIR?", "Search?", "Ensemble?", "Deeper?", "Homogeneous?"
)
CELLS = 3  # of the paper's blocks
_HOMOGENEOUS = {"none": "No", "block": "Yes", "network": "One operation"}


def components(line: NetworkScore) -> Components:
    """Read from its settings what a network is made of; a dash where they lack it."""
    settings, source = line.settings, line.architecture_source

    def yes(key: str) -> str:
        return _yes(bool(settings[key])) if key in settings else "–"

    return Components(
        batch_norm=yes("batch_norm"),
        residual=yes("residual"),
        search=_yes(source in ("ensemble", "fold")) if source else "–",
        ensemble=_yes(source != "fold") if source else "–",
        deeper=_yes(settings["cells_per_block"] > CELLS)
        if "cells_per_block" in settings
        else "–",
        homogeneous=_HOMOGENEOUS.get(str(settings.get("shared")), "–"),
    )


def ablation_table(run: Run) -> Table | None:
    """Table 3 with the scores of Figure 5; None where a run compares no ablations."""
    names, reference = _ablations(run)
    if not names:
        return None
    networks = run.results.networks
    own = components(networks[reference]) if reference else None
    rows = []
    for name in names:
        line = networks[name]
        found = components(line)
        rows.append(
            (
                Cell(title_of(run.results, name)),
                *(
                    Cell(text, own is not None and text != own[column])
                    for column, text in enumerate(found)
                ),
                Cell(number(line.psnr_db_mean, 2)),
                Cell(number(line.ssim_mean, 4)),
                Cell(narrow_text(_paired(run, name, reference, "psnr_db"))),
            )
        )
    model = title_of(run.results, reference) if reference else "A"
    return Table(
        name="ablations",
        title="Ablations",
        caption=(
            f"{run.results.label}: the paper's Table 3, read from the settings of "
            f"each network. In bold what differs from {model}. RIR: residual in "
            "residual. Search: the architecture was searched, not drawn at random. "
            "Ensemble: all folds share one architecture, not each its own. Deeper: "
            f"more than {CELLS} cells in each block. Homogeneous: all blocks are "
            "alike, or even all their cells. Scores are means over folds; differences "
            f"are the mean per test {run.results.unit} with the paired bootstrap "
            "95\u00a0% interval in brackets."
        ),
        header=(
            "Model",
            *HEADER,
            "PSNR (dB)",
            "SSIM",
            f"PSNR − {model} (dB)",
        ),
        align="lllllllrrr",
        rows=tuple(rows),
    )


def ablation_pictures(run: Run) -> list[Picture]:
    """Figure 5: PSNR and SSIM of every ablation; none where a run compares none."""
    names, reference = _ablations(run)
    if not names:
        return []
    figure = Figure(figsize=(8.6, 3.3), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), MEASURES, strict=True):
        _bars(axes, run, names, reference, measure)
    whiskers = (
        f" Whiskers are the paired 95\u00a0% interval of the difference to "
        f"{title_of(run.results, reference)}, drawn around each bar."
        if reference and run.results.comparisons
        else ""
    )
    return [
        picture(
            run,
            "ablations",
            figure,
            "The paper's Figure 5: mean over folds of each ablation. The axes are cut "
            f"and start above zero, as their titles say.{whiskers}",
            "Bars of PSNR and SSIM for every ablation.",
        )
    ]


def _bars(
    axes: Axes, run: Run, names: list[str], reference: str | None, measure: str
) -> None:
    title, digits = MEASURES[measure]
    means = [getattr(run.results.networks[n], f"{measure}_mean") for n in names]
    whiskers = _whiskers([_paired(run, name, reference, measure) for name in names])
    heights = np.nan_to_num(np.asarray(means))
    low, high = (heights - whiskers[0]).min(), (heights + whiskers[1]).max()
    room = max(float(high - low), 10.0**-digits)
    start = max(float(low) - 0.35 * room, 0.0)
    axes.bar(
        range(len(names)),
        heights,
        width=0.68,
        color=[REFERENCE_COLOUR if n == reference else COLOUR for n in names],
    )
    drawn = whiskers.any(axis=0)
    axes.errorbar(
        np.flatnonzero(drawn),
        heights[drawn],
        yerr=whiskers[:, drawn],
        fmt="none",
        ecolor=INK,
        elinewidth=1,
        capsize=3,
    )
    for position, mean in enumerate(means):
        axes.annotate(
            # Four decimals of SSIM do not fit above a bar.
            number(mean, digits - (measure == "ssim")),
            (position, heights[position] + whiskers[1, position]),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
        )
    labels = [title_of(run.results, name).replace(", ", ",\n") for name in names]
    axes.set_xticks(range(len(names)), labels)
    axes.grid(False, axis="x")
    axes.set_ylim(start, float(high) + 0.18 * room)
    axes.set_title(f"{title}, axis from {number(start, digits)}", loc="left")
    _cut_mark(axes)


def _whiskers(lines: list[Comparison | None]) -> Float[np.ndarray, "side network"]:
    """Return how far intervals reach below and above their means; 0 without one."""
    reach = [
        (own.mean_difference - own.low, own.high - own.mean_difference)
        if own
        else (0.0, 0.0)
        for own in lines
    ]
    # Bootstrap intervals of a network that diverged are not numbers.
    return np.nan_to_num(np.transpose(reach))


def _cut_mark(axes: Axes) -> None:
    """Draw two strokes across the vertical axis: it does not begin at zero."""
    for height in (0.03, 0.055):
        axes.plot(
            [-0.014, 0.014],
            [height - 0.014, height + 0.014],
            transform=axes.transAxes,
            color=FAINT,
            linewidth=1,
            clip_on=False,
        )


def _paired(
    run: Run, name: str, reference: str | None, measure: str
) -> Comparison | None:
    if reference is None or name == reference:
        return None
    return difference(run.results, name, reference, measure)


def _ablations(run: Run) -> tuple[list[str], str | None]:
    """Return a run's ablations with the network they are compared to, and its name.

    Both are empty where there is nothing to compare.
    """
    results = run.results
    members = {name: shown(results, name) for name in results.networks}
    names = in_order(results, [n for n in members if members[n].group == ABLATION])
    if len(names) < 2:
        return [], None
    # A run may have its searched network under its own name in place of model A.
    meant = [members[name].reference for name in names]
    found = [name for name in (*meant, *SEARCHED) if name in members]
    reference = found[0] if found else None
    return names if reference in (None, *names) else [reference, *names], reference


def _yes(value: bool) -> str:
    return "Yes" if value else "No"
