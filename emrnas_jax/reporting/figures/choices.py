"""Architectures as rows of coloured cells, to compare folds at a glance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from emrnas_jax.nas.space import Architecture
from emrnas_jax.reporting.colours import operation_colour
from emrnas_jax.reporting.figures.drawing import (
    MARGIN,
    NOTE,
    canvas,
    figure_of,
    p_texts,
    readable_on,
    write,
    write_note,
)

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
    for index, block in enumerate(blocks):
        centre = lefts[index * len(block)] + len(block) * side / 2
        write(axes, centre, top + 0.2, f"Component {index + 1}", size=8.0)
    for row, (name, architecture, probabilities) in enumerate(named):
        bottom = top - (row + 1) * (side + 0.12) + 0.06
        axes.text(MARGIN, bottom + side / 2, name, va="center", fontsize=9)
        texts = p_texts(architecture, probabilities)
        for left, choice, p in zip(lefts, architecture.cells, texts, strict=True):
            colour = operation_colour(choice)
            axes.add_patch(
                FancyBboxPatch(
                    (left + 0.05, bottom + 0.05),
                    side - 0.1,
                    side - 0.1,
                    boxstyle="round,pad=0,rounding_size=0.08",
                    facecolor=colour,
                    edgecolor="none",
                )
            )
            ink, centre = readable_on(colour), left + side / 2
            lift = 0.09 * len(p.splitlines())
            axes.text(
                centre,
                bottom + side / 2 + lift,
                architecture.operations[choice].name,
                ha="center",
                va="center_baseline",
                color=ink,
                fontsize=9,
            )
            write(axes, centre, bottom + 0.23, p, size=6.3, colour=ink)
    return figure_of(axes)
