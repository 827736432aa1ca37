"""Whether a search was right: predicted beside measured times, and its order.

A search by the front trusts two things that it did not measure for every architecture:
the sum of a latency table, and the quality that candidates have with shared weights or
after a short training.
"""

import numpy as np
from matplotlib.figure import Figure

from emrnas_jax.nas.latency_table import Check, load_table
from emrnas_jax.reporting.colours import series_colour
from emrnas_jax.reporting.figures.front import front_of
from emrnas_jax.reporting.figures.picture import (
    FAINT,
    Picture,
    begins_with,
    name_of,
    picture,
)
from emrnas_jax.reporting.numbers import number, percent
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.results import NetworkScore
from emrnas_jax.runs.run import Run

RANKED = 4  # architectures without which an order says nothing


def time_check_pictures(run: Run, search: str = "") -> list[Picture]:
    """Draw the times that a search's latency table predicts beside measured ones.

    Args:
        run: the run.
        search: name of the search; "" for the run's first.

    Raises:
        InputError: the table is damaged.
    """
    path = RunFolder(run.path).latency(search)
    table = load_table(path) if path.is_file() else None
    if table is None or table.check is None:
        return []
    check = table.check
    height, width = table.measured.size
    return [
        picture(
            run,
            name_of("latency", search),
            draw_times(check),
            begins_with(run, search)
            + f"Time of a frame of {height} × {width} pixels on "
            f"{table.measured.device}: the sum of the latency table against the median "
            f"of several runs, for {len(check.architectures)} random architectures. On "
            "the line both are equal. The median error is "
            f"{percent(check.median_error)}, and the rank correlation (Spearman's) is "
            f"{number(check.rank_correlation, 2)}.",
            "Predicted against measured time of whole architectures.",
        )
    ]


def order_pictures(run: Run, search: str = "") -> list[Picture]:
    """Draw the quality of networks trained from scratch against what the search saw.

    Architectures that the search has judged are drawn, from four on.

    Args:
        run: the run.
        search: name of the search; "" for the run's first.

    Raises:
        InputError: the file of the front is damaged.
    """
    # Imported here because it takes a sixth of the start of every command.
    from scipy.stats import kendalltau

    judged = trained_candidates(run, search)
    if len(judged) < RANKED:
        return []
    gains_db, psnr_db = map(list, zip(*judged.values(), strict=True))
    tau, p = np.asarray(kendalltau(gains_db, psnr_db), float)
    figure = Figure(figsize=(4.8, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.plot(gains_db, psnr_db, "o", color=series_colour(0), markersize=5)
    axes.set_xlabel("search: dB beside the average candidate")
    axes.set_ylabel("trained from scratch: PSNR (dB)")
    return [
        picture(
            run,
            name_of("search_order", search),
            figure,
            begins_with(run, search)
            + "Whether the search orders architectures as training "
            f"does, for {len(judged)} architectures that it has judged: PSNR "
            f"over the test {run.results.unit}s after training from scratch, mean over "
            "folds, against the quality on S_val in the search. Kendall's tau "
            f"is {number(float(tau), 2)} ({_p_value(float(p))}); 1 is the same order, "
            "0 is no relation.",
            "PSNR after training from scratch against the quality that the search saw.",
        )
    ]


def trained_candidates(run: Run, search: str = "") -> dict[str, tuple[float, float]]:
    """Return the architectures that a search has judged and that were trained.

    Returns:
        by architecture, dB beside the average candidate and the PSNR after training in
        dB, the mean over its networks.
    """
    front = front_of(run, search)
    if front is None:
        return {}
    gains_db = {own.architecture: own.gain_db for own in front.judged}
    # Each counts once: two trainings of one architecture say nothing about an order.
    psnr_db: dict[str, list[float]] = {}
    for line in networks_of(run, search).values():
        # Not NaN: a training that diverged has no place in an order.
        if architecture_of(line) in gains_db and np.isfinite(line.psnr_db_mean):
            psnr_db.setdefault(architecture_of(line), []).append(line.psnr_db_mean)
    return {
        text: (gains_db[text], float(np.mean(found))) for text, found in psnr_db.items()
    }


def networks_of(run: Run, search: str = "") -> dict[str, NetworkScore]:
    """Return the networks that take their architectures from a search, by name."""
    results = run.results
    return {
        name: results.networks[name]
        for key, line in results.searches.items()
        if (key if key in run.other_searched else "") == search
        for name in line.networks
        if name in results.networks
    }


def architecture_of(line: NetworkScore) -> str:
    """Return a network's architecture as text; "" without one."""
    return str(line.settings.get("architecture", ""))


def draw_times(check: Check) -> Figure:
    """Draw measured against predicted times, with the line on which they are equal."""
    figure = Figure(figsize=(3.9, 3.7), layout="constrained")
    axes = figure.subplots()
    every = (*check.predicted_ms, *check.measured_ms)
    margin = 0.06 * (max(every) - min(every)) or 0.06 * max(every)
    ends = min(every) - margin, max(every) + margin
    axes.plot(ends, ends, color=FAINT, linewidth=1, label="equal")
    axes.plot(
        check.predicted_ms,
        check.measured_ms,
        "o",
        color=series_colour(0),
        markersize=5,
        label="architectures",
    )
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_aspect("equal")
    axes.set_xlabel("predicted, milliseconds per frame")
    axes.set_ylabel("measured, milliseconds per frame")
    axes.legend(loc="upper left")
    return figure


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {number(p, 3)}"
