"""Architectures as diagrams: components side by side, their cells from top to bottom.

A cell shows its operation: four 3x3 convolutions with their dilations, and an arc for
every feature map that is carried past the next convolution (Table 1, Figure 2).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline

from emrnas_jax.nas.space import OPERATIONS, Architecture, Operation, sources
from emrnas_jax.reporting.certainty import chosen, draw_limit, near_draw, uniform
from emrnas_jax.reporting.names import operation_colour, operation_name, percent
from emrnas_jax.reporting.picture import FAINT, INK, blank

# Sizes in units of the drawing; one unit is SCALE inches.
SCALE = 0.72
CELL = (2.7, 1.1)
GAP = 0.22
BAR = 0.42
PITCH = CELL[0] + 0.75
MARGIN = 0.15
NOTE, NOTE_WIDTH = 0.34, 5.3  # what the percentages are, in one line


class Choices(NamedTuple):
    """An architecture with its name, and p of its cells where it was searched."""

    name: str
    architecture: Architecture
    probabilities: Float[np.ndarray, "cell operation"] | None = None


def draw_architecture(
    architecture: Architecture,
    probabilities: Float[np.ndarray, "cell operation"] | None,
) -> Figure:
    """Draw every component with its cells; with p of the chosen operations if given.

    Below them stands what p a uniform choice would have.
    """
    blocks = architecture.blocks
    cells = max(len(block) for block in blocks)
    foot = 0.0 if probabilities is None else NOTE
    height = foot + cells * (CELL[1] + GAP) + 3 * (BAR + GAP) + 0.75
    start, end = 1.15, 1.45  # room for the words before and after
    axes = _canvas(start + len(blocks) * PITCH + end - 0.7, height)
    if probabilities is not None:
        _note(axes, probabilities)
    middle = (foot + height) / 2
    _words(axes, start / 2 - 0.2, middle, "zero-\nfilled\nimage")
    texts = _p_texts(architecture, probabilities)
    cell = 0
    for index, block in enumerate(blocks):
        left = start + index * PITCH
        _arrow(axes, (left - 0.5, middle), (left - 0.16, middle))
        _panel(axes, left - 0.14, foot + 0.05, CELL[0] + 0.28, height - foot - 0.1)
        top = height - 0.2
        _words(axes, left + CELL[0] / 2, top - 0.14, f"Component {index + 1}", True)
        top = _bar(axes, left, top - 0.4, "3×3 convolution")
        for choice in block:
            _cell(axes, left, top - CELL[1], OPERATIONS[choice], choice, texts[cell])
            _arrow(axes, _below(left, top + GAP), _below(left, top))
            top -= CELL[1] + GAP
            cell += 1
        _arrow(axes, _below(left, top + GAP), _below(left, top))
        top = _bar(axes, left, top, "3×3 convolution, + input")
        _arrow(axes, _below(left, top + GAP), _below(left, top))
        _bar(axes, left, top, "data consistency")
    right = start + len(blocks) * PITCH - 0.5
    _arrow(axes, (right - 0.06, middle), (right + 0.2, middle))
    _words(axes, right + 0.62, middle, "recon-\nstruc-\ntion")
    return _figure(axes)


def draw_operations() -> Figure:
    """Draw all operations of the search space, with the words of Table 1."""
    columns = 4
    rows = -(-len(OPERATIONS) // columns)
    axes = _canvas(columns * (CELL[0] + GAP), rows * (CELL[1] + 0.55))
    for index, operation in enumerate(OPERATIONS):
        left = GAP / 2 + (index % columns) * (CELL[0] + GAP)
        bottom = (rows - 1 - index // columns) * (CELL[1] + 0.55) + 0.45
        _cell(axes, left, bottom, operation, index, "")
        dilations = "-".join(str(dilation) for dilation in operation.dilations)
        connections = ", ".join(str(k) for k in operation.connections)
        text = f"dilation {dilations}, connection {connections}"
        _words(axes, left + CELL[0] / 2, bottom - 0.19, text, size=7.0)
    return _figure(axes)


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
    axes = _canvas(width, top + 0.5)
    if named[-1].probabilities is not None:
        _note(axes, named[-1].probabilities)
    for index, block in enumerate(blocks):
        centre = lefts[index * len(block)] + len(block) * side / 2
        _words(axes, centre, top + 0.2, f"Component {index + 1}", size=8.0)
    for row, (name, architecture, probabilities) in enumerate(named):
        bottom = top - (row + 1) * (side + 0.12) + 0.06
        axes.text(MARGIN, bottom + side / 2, name, va="center", fontsize=9)
        texts = _p_texts(architecture, probabilities)
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
            ink, centre = _readable_on(colour), left + side / 2
            lift = 0.09 * len(p.splitlines())
            axes.text(
                centre,
                bottom + side / 2 + lift,
                operation_name(choice),
                ha="center",
                va="center_baseline",
                color=ink,
                fontsize=9,
            )
            _words(axes, centre, bottom + 0.23, p, size=6.3, colour=ink)
    return _figure(axes)


def _p_texts(
    architecture: Architecture,
    probabilities: Float[np.ndarray, "cell operation"] | None,
) -> list[str]:
    """Write p of every choice, and a word where it is close to a draw."""
    if probabilities is None:
        return [""] * len(architecture.cells)
    return [
        percent(float(p)) + ("\n≈ draw" if near else "")
        for p, near in zip(
            chosen(architecture, probabilities),
            near_draw(architecture, probabilities),
            strict=True,
        )
    ]


def _note(axes: Axes, probabilities: Float[np.ndarray, "cell operation"]) -> None:
    """Write at the foot of a drawing what its percentages are."""
    text = (
        f"Percent: p of the choice. Uniform choice: {percent(uniform(probabilities))}. "
        f"≈ draw: p below {percent(draw_limit(probabilities))}."
    )
    axes.text(MARGIN, 0.16, text, va="center", fontsize=7, color=INK)


def _cell(
    axes: Axes,
    left: float,
    bottom: float,
    operation: Operation,
    index: int,
    p: str,
) -> None:
    colour = operation_colour(index)
    width, height = CELL
    plate = 0.62
    for x, wide, face in ((left, width, "white"), (left, plate, colour)):
        axes.add_patch(
            FancyBboxPatch(
                (x, bottom),
                wide,
                height,
                boxstyle="round,pad=0,rounding_size=0.1",
                facecolor=face,
                edgecolor=colour,
                linewidth=1.6,
            )
        )
    ink = _readable_on(colour)
    _words(
        axes,
        left + plate / 2,
        bottom + height / 2 + 0.12 * len(p.splitlines()),
        operation.name,
        bold=True,
        size=11.0,
        colour=ink,
    )
    _words(axes, left + plate / 2, bottom + 0.3, p, size=7.3, colour=ink)

    # Node 0 is the cell's input, node j the j-th convolution.
    count = len(operation.dilations)
    nodes = np.linspace(left + plate + 0.22, left + width - 0.28, count + 1)
    side, line = 0.32, bottom + 0.32
    _line(axes, nodes[0], nodes[-1] + 0.24, line)
    axes.plot([nodes[0]], [line], "o", color=INK, markersize=3.5, zorder=3)
    for convolution, dilation in enumerate(operation.dilations):
        target = nodes[convolution + 1]
        axes.add_patch(
            FancyBboxPatch(
                (target - side / 2, line - side / 2),
                side,
                side,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor=f"{1 - 0.09 * dilation:.2f}",  # grey: darker reaches further
                edgecolor=INK,
                linewidth=0.7,
                zorder=3,
            )
        )
        _words(axes, target, line, str(dilation), size=7.5)
        for source in sources(operation, convolution):
            if source != convolution:  # that one comes along the line
                _arc(axes, nodes[source], target, line + side / 2)


def _arc(axes: Axes, start: float, end: float, base: float) -> None:
    lift = 0.2 + 0.33 * (end - start)
    outline = Outline(
        [(start, base), (start, base + lift), (end, base + lift), (end, base)],
        [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4],
    )
    axes.add_patch(
        PathPatch(outline, facecolor="none", edgecolor=INK, linewidth=0.9, zorder=2)
    )


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
    _words(axes, left + CELL[0] / 2, top - BAR / 2, text, size=7.5)
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


def _below(left: float, top: float) -> tuple[float, float]:
    return left + CELL[0] / 2, top


def _line(axes: Axes, start: float, end: float, height: float) -> None:
    axes.plot([start, end], [height, height], color=FAINT, linewidth=1, zorder=1)


def _words(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    bold: bool = False,
    size: float = 8.5,
    colour: str = INK,
) -> None:
    axes.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        fontsize=size,
        color=colour,
        fontweight="bold" if bold else "normal",
        zorder=4,
    )


def _readable_on(colour: str) -> str:
    """Black or white, whichever contrasts more with `colour` (WCAG luminance)."""
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(colour)
    ]
    luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return "white" if luminance < 0.18 else "black"


def _canvas(width: float, height: float) -> Axes:
    """Axes that fill their figure, in units of the drawing."""
    figure = Figure(figsize=(width * SCALE, height * SCALE))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    blank(axes)
    return axes


def _figure(axes: Axes) -> Figure:
    figure = axes.figure
    assert isinstance(figure, Figure)
    return figure
