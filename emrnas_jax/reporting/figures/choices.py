"""Architectures as rows of coloured cells, to compare folds at a glance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from emrnas_jax.nas.space import Architecture, Operation
from emrnas_jax.reporting.colours import operation_colour
from emrnas_jax.reporting.figures.drawing import (
    MARGIN,
    NOTE,
    canvas,
    figure_of,
    frame,
    p_texts,
    readable_on,
    size_that_fits,
    write,
    write_note,
)
from emrnas_jax.reporting.figures.picture import FAINT

NOTE_WIDTH = 5.3  # of the line that says what the percentages are


class Choices(NamedTuple):
    """An architecture with its name, and p of its cells where it was searched."""

    name: str
    architecture: Architecture
    probabilities: Float[np.ndarray, "cell operation"] | None = None


def draw_choices(named: Sequence[Choices]) -> Figure:
    """Draw architectures as rows of coloured cells, to compare folds at a glance."""
    side, split, label = 0.7, 0.2, 1.7
    blocks = named[0].architecture.blocks
    lefts = [
        label + cell * side + index * split
        for index, block in enumerate(blocks)
        for cell in range(index * len(block), (index + 1) * len(block))
    ]
    foot = 0.0 if named[-1].probabilities is None else NOTE
    top = foot + len(named) * (side + 0.12)
    width = max(lefts[-1] + side + MARGIN, NOTE_WIDTH if foot else 0.0)
    axes = canvas(width, top + 0.5)
    if named[-1].probabilities is not None:
        write_note(axes, named[-1].probabilities)
    # The word stands once where components of one cell leave no room for it.
    is_narrow = len(blocks[0]) < 2
    if is_narrow and len(blocks) > 1:
        axes.text(MARGIN, top + 0.2, "Component", va="center", fontsize=8)
    for index, block in enumerate(blocks):
        centre = lefts[index * len(block)] + len(block) * side / 2
        word = "" if is_narrow and len(blocks) > 1 else "Component "
        write(axes, centre, top + 0.2, f"{word}{index + 1}", size=8.0)
    for row, (name, architecture, probabilities) in enumerate(named):
        bottom = top - (row + 1) * (side + 0.12) + 0.06
        axes.text(MARGIN, bottom + side / 2, name, va="center", fontsize=9)
        texts = p_texts(architecture, probabilities)
        for left, choice, p in zip(lefts, architecture.cells, texts, strict=True):
            operation = architecture.operations[choice]
            corner = left + 0.05, bottom + 0.05
            _square(axes, corner, side - 0.1, operation, choice, p)
    return figure_of(axes)


def _square(
    axes: Axes,
    corner: tuple[float, float],
    side: float,
    operation: Operation,
    index: int,
    p: str,
) -> None:
    """Draw a choice: its colour, its name and p; a frame for what is left out."""
    (left, bottom), name = corner, operation.name
    if operation.is_present:
        colour = operation_colour(index)
        ink = readable_on(colour)
        axes.add_patch(
            FancyBboxPatch(
                (left, bottom),
                side,
                side,
                boxstyle="round,pad=0,rounding_size=0.08",
                facecolor=colour,
                edgecolor="none",
            )
        )
    else:
        ink = FAINT
        frame(axes, left, bottom, side, side)
    axes.text(
        left + side / 2,
        bottom + side / 2 + 0.09 * len(p.splitlines()),
        name,
        ha="center",
        va="center_baseline",
        color=ink,
        fontsize=size_that_fits(name, side, 9.0),
    )
    write(axes, left + side / 2, bottom + 0.18, p, size=6.3, colour=ink)
