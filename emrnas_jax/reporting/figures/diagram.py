"""Architectures as diagrams: components side by side, their cells from top to bottom.

A cell shows its operation: four 3x3 convolutions with their dilations, and an arc for
every feature map that is carried past the next convolution (Table 1, Figure 2).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline

from emrnas_jax.nas.space import Architecture, Operation, sources
from emrnas_jax.reporting.colours import operation_colour
from emrnas_jax.reporting.figures.drawing import (
    NOTE,
    canvas,
    figure_of,
    p_texts,
    readable_on,
    write,
    write_note,
)
from emrnas_jax.reporting.figures.picture import FAINT, INK

# Sizes in units of the drawing.
CELL = (2.7, 1.1)
GAP = 0.22
BAR = 0.42
PITCH = CELL[0] + 0.75
PLATE = 0.62  # the coloured part of a cell


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
    axes = canvas(start + len(blocks) * PITCH + end - 0.7, height)
    if probabilities is not None:
        write_note(axes, probabilities)
    middle = (foot + height) / 2
    write(axes, start / 2 - 0.2, middle, "zero-\nfilled\nimage")
    texts = p_texts(architecture, probabilities)
    cell = 0
    for index, block in enumerate(blocks):
        left = start + index * PITCH
        _arrow(axes, (left - 0.5, middle), (left - 0.16, middle))
        _panel(axes, left - 0.14, foot + 0.05, CELL[0] + 0.28, height - foot - 0.1)
        top = height - 0.2
        write(axes, left + CELL[0] / 2, top - 0.14, f"Component {index + 1}", True)
        top = _bar(axes, left, top - 0.4, "3×3 convolution")
        for choice in block:
            operation = architecture.operations[choice]
            _cell(axes, left, top - CELL[1], operation, choice, texts[cell])
            _arrow(axes, _below(left, top + GAP), _below(left, top))
            top -= CELL[1] + GAP
            cell += 1
        _arrow(axes, _below(left, top + GAP), _below(left, top))
        top = _bar(axes, left, top, "3×3 convolution, + input")
        _arrow(axes, _below(left, top + GAP), _below(left, top))
        _bar(axes, left, top, "data consistency")
    right = start + len(blocks) * PITCH - 0.5
    _arrow(axes, (right - 0.06, middle), (right + 0.2, middle))
    write(axes, right + 0.62, middle, "recon-\nstruc-\ntion")
    return figure_of(axes)


def draw_operations(operations: Sequence[Operation]) -> Figure:
    """Draw all operations of a search space, with the words of Table 1."""
    columns = 4
    rows = -(-len(operations) // columns)
    axes = canvas(columns * (CELL[0] + GAP), rows * (CELL[1] + 0.55))
    for index, operation in enumerate(operations):
        left = GAP / 2 + (index % columns) * (CELL[0] + GAP)
        bottom = (rows - 1 - index // columns) * (CELL[1] + 0.55) + 0.45
        _cell(axes, left, bottom, operation, index, "")
        dilations = "-".join(str(dilation) for dilation in operation.dilations)
        connections = ", ".join(str(k) for k in operation.connections)
        text = f"dilation {dilations}, connection {connections}"
        text = text if dilations else "dilation and connection unknown"
        write(axes, left + CELL[0] / 2, bottom - 0.19, text, size=7.0)
    return figure_of(axes)


def _cell(
    axes: Axes,
    left: float,
    bottom: float,
    operation: Operation,
    index: int,
    p: str,
) -> None:
    """Draw a cell: a plate with the operation's name and p, and its convolutions."""
    colour = operation_colour(index)
    width, height = CELL
    for wide, face in ((width, "white"), (PLATE, colour)):
        axes.add_patch(
            FancyBboxPatch(
                (left, bottom),
                wide,
                height,
                boxstyle="round,pad=0,rounding_size=0.1",
                facecolor=face,
                edgecolor=colour,
                linewidth=1.6,
            )
        )
    ink = readable_on(colour)
    write(
        axes,
        left + PLATE / 2,
        bottom + height / 2 + 0.12 * len(p.splitlines()),
        operation.name,
        bold=True,
        size=11.0,
        colour=ink,
    )
    write(axes, left + PLATE / 2, bottom + 0.3, p, size=7.3, colour=ink)

    start, end = left + PLATE + 0.22, left + width - 0.28
    _convolutions(axes, operation, start, end, bottom + 0.32)


def _convolutions(
    axes: Axes, operation: Operation, start: float, end: float, line: float
) -> None:
    """Draw an operation's convolutions along a line, and arcs for carried maps.

    Args:
        axes: canvas.
        operation: what is drawn.
        start: left end of the line, the input of the cell.
        end: middle of the last convolution.
        line: height of the line.
    """
    # Node 0 is the cell's input, node j the j-th convolution.
    nodes = np.linspace(start, end, len(operation.dilations) + 1)
    side = 0.32
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
        write(axes, target, line, str(dilation), size=7.5)
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


def _below(left: float, top: float) -> tuple[float, float]:
    return left + CELL[0] / 2, top


def _line(axes: Axes, start: float, end: float, height: float) -> None:
    axes.plot([start, end], [height, height], color=FAINT, linewidth=1, zorder=1)
