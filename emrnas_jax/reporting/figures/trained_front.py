"""Quality against time of the networks that a run has trained and timed.

A front predicts both; here both are measured, and the networks beside the search, such
as published ones, stand in the same picture.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from emrnas_jax.models.catalogue import ZERO_FILLED
from emrnas_jax.reporting.colours import series_colour
from emrnas_jax.reporting.figures.front import front_of
from emrnas_jax.reporting.figures.front_checks import architecture_of, networks_of
from emrnas_jax.reporting.figures.picture import Picture, picture
from emrnas_jax.reporting.networks import title_of
from emrnas_jax.reporting.numbers import counted, number
from emrnas_jax.runs.results import NetworkScore
from emrnas_jax.runs.run import Run

NAMED = 12  # networks of one kind that can still be named beside their points
WIDE_RANGE = 8  # of times: where the slowest is this often the fastest, a log axis
UNSTEADY = 1.5  # largest ratio of times that a table which is a few percent off allows
# Where a name may stand around its point, in points of print; the first that is free.
PLACES = ((6, 0), (0, 7), (0, -7), (-6, 0), (5, 7), (5, -7), (-5, 7), (-5, -7))


class Timed(NamedTuple):
    """A network with its measured time and quality.

    Attributes:
        title: name in words.
        ms: milliseconds per frame.
        psnr_db: over the test frames, mean over folds.
    """

    title: str
    ms: float
    psnr_db: float


class Group(NamedTuple):
    """Networks that are drawn alike.

    Attributes:
        label: what they are, for the legend.
        networks: the networks, fastest first.
        is_front: whether a line joins them.
    """

    label: str
    networks: tuple[Timed, ...]
    is_front: bool = False


def quality_pictures(run: Run) -> list[Picture]:
    """Draw PSNR against time of every network, in a run with a front.

    Raises:
        InputError: the file of a front is damaged.
    """
    device, names = timed_on_one_device(run)
    groups = groups_of(run, names)
    if len(names) < 2 or not any(front_of(run, own) for own in _searches(run)):
        return []
    elsewhere = len(_timed_networks(run)) - len(names)
    left_out = (
        f" {counted(elsewhere, 'network')} that diverged or ran on another device "
        f"{'is' if elsewhere == 1 else 'are'} left out."
        if elsewhere
        else ""
    )
    line = "; the line joins those of the front" if groups[0].is_front else ""
    return [
        picture(
            run,
            "quality_and_time",
            draw_quality(groups),
            f"{run.results.label}: PSNR over the test {run.results.unit}s, mean over "
            f"folds, against the measured time of a frame on {device or 'one device'}, "
            f"median over folds. Every point is a network of the run{line}."
            f"{left_out}{beside_the_table(run, names)}",
            "; ".join(
                f"{own.title}: {own.ms:.2f} ms, {own.psnr_db:.2f} dB"
                for group in groups
                for own in group.networks
            ),
        )
    ]


def beside_the_table(run: Run, names: Sequence[str]) -> str:
    """Say how many times the predicted time was measured; "" where none is known."""
    ratios = []
    for search in _searches(run):
        front = front_of(run, search)
        if front is None:
            continue
        ms = {own.architecture: own.ms for own in (*front.judged, *front.points)}
        for name, line in networks_of(run, search).items():
            predicted = ms.get(architecture_of(line))
            if name in names and predicted and line.seconds_per_frame:
                ratios.append(1e3 * line.seconds_per_frame / predicted)
    if not ratios:
        return ""
    low, high = min(ratios), max(ratios)
    busy = (
        " Such a spread comes from a busy device, or from another one than the "
        "table's: measure the times again before you compare them."
        if high > UNSTEADY * low
        else ""
    )
    return (
        f" Networks of the search took {number(low, 1)} to {number(high, 1)} times as "
        f"long as it predicted.{busy}"
    )


def timed_on_one_device(run: Run) -> tuple[str, list[str]]:
    """Return the device on which most networks were timed, and their names.

    Times of several devices must not stand on one axis.
    """
    found = {
        name: own.device
        for name, own in _timed_networks(run).items()
        if np.isfinite(own.psnr_db_mean)
    }
    if not found:
        return "", []
    [(device, _)] = Counter(found.values()).most_common(1)
    return device, [name for name, own in found.items() if own == device]


def groups_of(run: Run, names: Sequence[str]) -> list[Group]:
    """Sort networks by where their architectures come from, those of fronts first."""
    rest, fronts, judged = dict.fromkeys(names), [], {}
    several = sum(front_of(run, own) is not None for own in _searches(run)) > 1
    for search in _searches(run):
        front = front_of(run, search)
        if front is None:
            continue
        of = f" of {title_of(run.results, search)}" if several and search else ""
        places = {own.architecture for own in front.points}
        candidates = {own.architecture for own in front.judged}
        own = {n: line for n, line in networks_of(run, search).items() if n in rest}
        on_it = [n for n, line in own.items() if architecture_of(line) in places]
        fronts.append((f"On the front{of}", on_it, True))
        for name in on_it:
            del rest[name]
        for name, line in own.items():
            if name in rest and architecture_of(line) in candidates:
                judged[name] = rest.pop(name)
    found = (
        *fronts,
        ("Candidates that the search judged", list(judged), False),
        ("Other networks", list(rest), False),
    )
    return [
        Group(label, _timed(run, names), is_front)
        for label, names, is_front in found
        if names
    ]


def draw_quality(groups: Sequence[Group]) -> Figure:
    """Draw each group's points, a line through those of a front, and their names."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    for index, group in enumerate(groups):
        axes.plot(
            [own.ms for own in group.networks],
            [own.psnr_db for own in group.networks],
            marker="os^Dv"[index % 5],
            markersize=6 if len(group.networks) <= NAMED else 4,
            linestyle="-" if group.is_front else "",
            zorder=3 if group.is_front else 2,
            color=series_colour(index),
            label=group.label,
        )
    every = [own.ms for group in groups for own in group.networks]
    if max(every) > WIDE_RANGE * min(every):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("milliseconds per frame, measured")
    axes.set_ylabel("PSNR (dB)")
    axes.margins(0.12)
    figure.legend(loc="outside lower center", ncols=3)
    # Names are placed on the finished layout, which they must not move.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    _write_names(axes, groups)
    return figure


def _write_names(axes: Axes, groups: Sequence[Group]) -> None:
    """Write each network's name at a free place beside its point, if there is one."""
    taken = []
    for group in groups:
        own = axes.transData.transform(
            [(one.ms, one.psnr_db) for one in group.networks]
        )
        taken += [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in own]
        if group.is_front:  # points along its line
            steps = np.linspace(0, len(own) - 1, 60 * len(own))
            line = [np.interp(steps, range(len(own)), axis) for axis in own.T]
            taken += [Bbox.from_bounds(x, y, 1, 1) for x, y in zip(*line, strict=True)]
    for index, group in enumerate(groups):
        if len(group.networks) > NAMED:
            continue
        for own in group.networks:
            for x, y in PLACES:
                name = axes.annotate(
                    own.title,
                    (own.ms, own.psnr_db),
                    xytext=(x, y),
                    textcoords="offset points",
                    ha="left" if x > 0 else "right" if x < 0 else "center",
                    va="bottom" if y > 0 else "top" if y < 0 else "center",
                    fontsize=7.5,
                    color=series_colour(index),
                )
                box = name.get_window_extent()
                if not any(box.overlaps(other) for other in taken):
                    break
                name.remove()
            else:
                continue
            taken.append(box)


def _timed_networks(run: Run) -> dict[str, NetworkScore]:
    """Return the networks with a time; zero-filling takes none."""
    return {
        name: own
        for name, own in run.results.networks.items()
        if name != ZERO_FILLED and own.seconds_per_frame
    }


def _timed(run: Run, names: Sequence[str]) -> tuple[Timed, ...]:
    found = []
    for name in names:
        line = run.results.networks[name]
        assert line.seconds_per_frame is not None  # as `timed_on_one_device` has it
        ms = 1e3 * line.seconds_per_frame
        found.append(Timed(title_of(run.results, name), ms, line.psnr_db_mean))
    return tuple(sorted(found, key=lambda own: own.ms))


def _searches(run: Run) -> tuple[str, ...]:
    return "", *run.other_searched
