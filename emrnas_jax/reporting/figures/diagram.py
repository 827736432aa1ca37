"""Architectures as diagrams: components side by side, their cells from top to bottom.

Many components stand in several rows. In the wide space a component has one cell, its
body, and one that is left out is an empty frame.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from emrnas_jax.nas.space import Architecture
from emrnas_jax.nas.wide_space import is_wide
from emrnas_jax.reporting.figures.cells import CELL, GAP, draw_body, draw_cell
from emrnas_jax.reporting.figures.drawing import (
    NOTE,
    canvas,
    figure_of,
    frame,
    p_texts,
    write,
    write_note,
)
from emrnas_jax.reporting.figures.picture import FAINT, INK

IN_A_ROW = 5  # components that can be read at the width of a page
# Sizes in units of the drawing.
BAR = 0.42
PITCH = CELL[0] + 0.75
START, END = 1.15, 1.45  # room for the words before and after
BETWEEN = 0.15  # rows


def draw_architecture(
    architecture: Architecture,
    probabilities: Float[np.ndarray, "cell operation"] | None,
) -> Figure:
    """Draw every component with its cells; with p of the chosen operations if given.

    Below them stands what p a uniform choice would have.
    """
    count = len(architecture.blocks)
    cells = max(len(block) for block in architecture.blocks)
    rows = -(-count // IN_A_ROW)
    columns = -(-count // rows)
    foot = 0.0 if probabilities is None else NOTE
    height = cells * (CELL[1] + GAP) + 3 * (BAR + GAP) + 0.75
    total = foot + rows * height + (rows - 1) * BETWEEN
    axes = canvas(START + columns * PITCH + END - 0.7, total)
    if probabilities is not None:
        write_note(axes, probabilities)
    texts = iter(p_texts(architecture, probabilities))
    middle = 0.0
    for index, block in enumerate(architecture.blocks):
        row, column = divmod(index, columns)
        left, bottom = START + column * PITCH, total - height - row * (height + BETWEEN)
        middle = bottom + height / 2
        own = [next(texts) for _ in block]
        _arrow(axes, (left - 0.5, middle), (left - 0.16, middle))
        _component(axes, (left, bottom, height), architecture, index, own)
        if column == columns - 1 and index < count - 1:  # goes on in the next row
            _arrow(axes, (left + PITCH - 0.56, middle), (left + PITCH - 0.3, middle))
    write(axes, START / 2 - 0.2, total - height / 2, "zero-\nfilled\nimage")
    right = START + ((count - 1) % columns + 1) * PITCH - 0.5
    _arrow(axes, (right - 0.06, middle), (right + 0.2, middle))
    write(axes, right + 0.62, middle, "recon-\nstruc-\ntion")
    return figure_of(axes)


def _component(
    axes: Axes,
    place: tuple[float, float, float],
    architecture: Architecture,
    index: int,
    texts: Sequence[str],
) -> None:
    """Draw a component.

    Args:
        axes: canvas.
        place: left end of its cells, lower end and height of its panel.
        architecture: the architecture.
        index: the component, from 0.
        texts: p of each of its cells, in words.
    """
    left, bottom, height = place
    operations, choices = architecture.operations, architecture.blocks[index]
    panel = left - 0.14, bottom + 0.05, CELL[0] + 0.28, height - 0.1
    top, title = bottom + height - 0.2, f"Component {index + 1}"
    middle = left + CELL[0] / 2
    if not any(operations[choice].is_present for choice in choices):
        frame(axes, *panel)
        line = bottom + height / 2
        write(axes, middle, top - 0.14, title, colour=FAINT)
        write(axes, middle, line + 0.2, "left out", colour=FAINT)
        axes.plot([left - 0.14, left + CELL[0] + 0.14], [line] * 2, color=FAINT, lw=0.9)
        return
    _panel(axes, *panel)
    write(axes, middle, top - 0.14, title, True)
    draw = draw_body if is_wide(operations) else draw_cell
    top = _bar(axes, left, top - 0.4, "3×3 convolution")
    for choice, text in zip(choices, texts, strict=True):
        draw(axes, left, top - CELL[1], operations[choice], choice, text)
        _arrow(axes, (middle, top + GAP), (middle, top))
        top -= CELL[1] + GAP
    _arrow(axes, (middle, top + GAP), (middle, top))
    top = _bar(axes, left, top, "3×3 convolution, + input")
    _arrow(axes, (middle, top + GAP), (middle, top))
    _bar(axes, left, top, "data consistency")


def _bar(axes: Axes, left: float, top: float, text: str) -> float:
    """Draw a step below `top` and return where the next one starts."""
    axes.add_patch(
        FancyBboxPatch(
            (left, top - BAR),
            CELL[0],
            BAR,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="#dfe3e8",
            edgecolor="none",
        )
    )
    write(axes, left + CELL[0] / 2, top - BAR / 2, text, size=7.5)
    return top - BAR - GAP


def _panel(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.15",
            facecolor="#f4f5f7",
            edgecolor="none",
            zorder=0,
        )
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=7,
            color=INK,
            linewidth=0.9,
            shrinkA=0,
            shrinkB=0,
        )
    )
