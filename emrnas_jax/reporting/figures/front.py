"""The front of a search: quality against time, and the operations that stand on it.

A search of the method `front` leaves a front; other searches have none.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from emrnas_jax.nas.space import Architecture
from emrnas_jax.reporting.colours import operation_colour, series_colour
from emrnas_jax.reporting.figures.picture import (
    FAINT,
    Picture,
    begins_with,
    name_of,
    picture,
)
from emrnas_jax.reporting.numbers import number
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.front import Front, read_front
from emrnas_jax.runs.run import Run

# A line through more points than these shows each of them by its corner.
MARKED = 12


def front_pictures(run: Run, search: str = "") -> list[Picture]:
    """Draw the front of a search that made one.

    Args:
        run: the run.
        search: name of the search; "" for the run's first.

    Raises:
        InputError: the file of the front is damaged.
    """
    front = front_of(run, search)
    if front is None:
        return []
    chosen = next(own for own in front.points if own.architecture == front.chosen)
    within = (
        f"within {number(front.budget_ms, 1)} ms" if front.budget_ms else "of any time"
    )
    return [
        picture(
            run,
            name_of("front", search),
            draw_front(front),
            begins_with(run, search)
            + f"Quality on S_val against time on {front.device}. Dots "
            f"are the {len(front.judged)} candidates that the search has judged; the "
            "line joins architectures that no other one beats in predicted quality and "
            f"time. The run takes the best {within}, {front.chosen}: "
            f"{number(chosen.ms, 2)} ms and {number(chosen.gain_db, 2)} dB beside the "
            "average candidate. The prediction of a candidate that it was not fitted "
            f"to is {number(front.error_db, 2)} dB off.",
            f"Quality against time of {len(front.judged)} candidates and the front.",
        )
    ]


def share_pictures(
    run: Run, architecture: Architecture, search: str = ""
) -> list[Picture]:
    """Draw how often each operation stands in every cell of the front.

    Args:
        run: the run.
        architecture: what the search has chosen, which knows its operations.
        search: name of the search; "" for the run's first.

    Raises:
        InputError: the file of the front is damaged.
    """
    front = front_of(run, search)
    if front is None or len(front.points) < 2:
        return []
    operations = architecture.operations
    found = [Architecture.parse(own.architecture, operations) for own in front.points]
    return [
        picture(
            run,
            name_of("front_operations", search),
            draw_shares(found),
            begins_with(run, search)
            + "How often each operation stands in every cell: its "
            f"share of the {len(found)} architectures of the front, from "
            f"{number(front.points[0].ms, 2)} to {number(front.points[-1].ms, 2)} ms.",
            f"Shares of the operations in every cell of {len(found)} architectures.",
        )
    ]


def front_of(run: Run, search: str = "") -> Front | None:
    """Return the front of a search; None where its method makes none.

    Raises:
        InputError: the file of the front is damaged.
    """
    path = RunFolder(run.path).front(search)
    return read_front(path) if path.is_file() else None


def draw_front(front: Front) -> Figure:
    """Draw candidates, front, choice and budget."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.scatter(
        [own.ms for own in front.judged],
        [own.gain_db for own in front.judged],
        s=10,
        color=FAINT,
        label="Candidates, judged",
    )
    axes.plot(
        [own.ms for own in front.points],
        [own.gain_db for own in front.points],
        marker="o" if len(front.points) <= MARKED else "",
        markersize=4,
        color=series_colour(0),
        label="Front, predicted",
    )
    chosen = next(own for own in front.points if own.architecture == front.chosen)
    axes.plot(
        *(chosen.ms, chosen.gain_db),
        marker="D",
        markersize=8,
        linestyle="",
        color=series_colour(1),
        label="Chosen",
    )
    if front.budget_ms:
        axes.axvline(
            front.budget_ms, color=series_colour(1), linestyle=":", label="Budget"
        )
    axes.set_xlabel("milliseconds per frame, predicted")
    axes.set_ylabel("dB beside the average candidate")
    axes.legend(loc="lower right")
    return figure


def draw_shares(found: Sequence[Architecture]) -> Figure:
    """Draw a bar for every cell, stacked of its operations' shares."""
    first, shares = found[0], shares_of(found)
    cells, per_block = len(shares), len(first.blocks[0])
    # Components stand apart where they have several cells.
    gap = 0.5 if per_block > 1 else 0.0
    x = np.arange(cells) + gap * (np.arange(cells) // per_block)
    figure = Figure(figsize=(max(4.5, 0.45 * x[-1] + 2.4), 3.2), layout="constrained")
    axes = figure.subplots()
    used = [index for index in range(shares.shape[1]) if shares[:, index].any()]
    handles = _stack(axes, x, shares, used, first)
    block, cell = np.divmod(np.arange(cells), per_block)
    names = [
        f"{b + 1}.{c + 1}" if per_block > 1 else f"{b + 1}"
        for b, c in zip(block, cell, strict=True)
    ]
    axes.set_xticks(x, names)
    axes.set_xlabel("component and cell" if per_block > 1 else "component")
    axes.set_ylabel("share of the front")
    axes.set_ylim(0, 1)
    axes.grid(visible=False)
    # In the order in which they are stacked.
    figure.legend(handles=handles[::-1], loc="outside right upper")
    return figure


def shares_of(
    found: Sequence[Architecture],
) -> Float[np.ndarray, "cell operation"]:
    """Return the part of some architectures that has each operation in each cell."""
    chosen = np.array([own.cells for own in found])
    numbers = np.arange(len(found[0].operations))
    return (chosen[..., None] == numbers).mean(axis=0)


def _stack(
    axes: Axes,
    x: Float[np.ndarray, " cell"],
    shares: Float[np.ndarray, "cell operation"],
    used: Sequence[int],
    first: Architecture,
) -> list[Patch]:
    """Draw the bars and return one of each operation, for the legend."""
    bottom, handles = np.zeros(len(x)), []
    for index in used:
        operation = first.operations[index]
        bars = axes.bar(x, shares[:, index], 0.8, bottom=bottom, label=operation.name)
        for bar in bars:
            bar.set_facecolor(operation_colour(index))
            if not operation.is_present:  # nothing is there, so nothing is filled
                bar.set(facecolor="white", edgecolor=FAINT, hatch="//", linewidth=0.6)
        bottom = bottom + shares[:, index]
        handles.append(Patch())
        handles[-1].update_from(bars[0])
        handles[-1].set_label(operation.name)
    return handles
