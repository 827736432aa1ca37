"""Operations as drawings: the cells of the paper, and the bodies of the wide space.

A cell shows four 3x3 convolutions with their dilations, and an arc for every feature
map that is carried past the next convolution (Table 1, Figure 2). A body shows as many
convolutions as it has, and in words how its maps differ from those of its component.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline

from emrnas_jax.nas.space import Operation, sources
from emrnas_jax.nas.wide_space import is_wide
from emrnas_jax.reporting.colours import operation_colour
from emrnas_jax.reporting.figures.drawing import (
    canvas,
    figure_of,
    frame,
    readable_on,
    size_that_fits,
    write,
)
from emrnas_jax.reporting.figures.picture import FAINT, INK

# Sizes in units of the drawing.
CELL = (2.7, 1.1)
GAP = 0.22
PLATE = 0.62  # the coloured part of a cell, at its left
HEAD = 0.36  # the coloured part of a body, at its top
SIDE = 0.32  # of the square that is a convolution
TALL = 0.46  # height of one along the phase encoding alone


def draw_operations(operations: Sequence[Operation]) -> Figure:
    """Draw all operations of a search space; the paper's with the words of Table 1."""
    wide, columns = is_wide(operations), 4
    words = GAP if wide else 0.55  # the bodies have their words inside
    rows = -(-len(operations) // columns)
    axes = canvas(columns * (CELL[0] + GAP), rows * (CELL[1] + words))
    for index, operation in enumerate(operations):
        left = GAP / 2 + (index % columns) * (CELL[0] + GAP)
        bottom = (rows - 1 - index // columns) * (CELL[1] + words) + words - 0.1
        if wide:
            draw_body(axes, left, bottom, operation, index, "")
            continue
        draw_cell(axes, left, bottom, operation, index, "")
        middle = left + CELL[0] / 2
        write(axes, middle, bottom - 0.19, words_of_cell(operation), size=7.0)
    return figure_of(axes)


def words_of_cell(operation: Operation) -> str:
    """Return the dilations and connections of an operation of the paper's form."""
    if not operation.dilations:
        return "dilation and connection unknown"
    dilations = "-".join(str(dilation) for dilation in operation.dilations)
    connections = ", ".join(str(k) for k in operation.connections) or "none"
    return f"dilation {dilations}, connection {connections}"


def words_of_body(operation: Operation) -> str:
    """Return what tells a body's maps from those of its component; "" if nothing does.

    Resolution and width are those of the component's own maps times what is said.
    """
    if not operation.is_present:
        return "the component is left out"
    if not operation.dilations:
        return "no convolutions of its own"
    found = []
    if operation.reach:
        found.append(f"{operation.reach} pixels along the phase encoding")
    if operation.level:
        resolution = {1: "half the", -1: "twice the"}.get(
            operation.level, f"{0.5**operation.level:g} times the"
        )
        found.append(f"{resolution} resolution")
    if operation.expansion != 1:
        found.append(f"width × {operation.expansion:g}")
    return ", ".join(found)


def draw_cell(
    axes: Axes, left: float, bottom: float, operation: Operation, index: int, p: str
) -> None:
    """Draw a cell: a plate with the operation's name and p, and its convolutions."""
    colour = operation_colour(index)
    width, height = CELL
    _box(axes, left, bottom, width, height, "white", colour)
    _box(axes, left, bottom, PLATE, height, colour, colour)
    ink, name = readable_on(colour), operation.name
    write(
        axes,
        left + PLATE / 2,
        bottom + height / 2 + 0.12 * len(p.splitlines()),
        name,
        bold=True,
        size=size_that_fits(name, PLATE, 11.0),
        colour=ink,
    )
    write(axes, left + PLATE / 2, bottom + 0.3, p, size=7.3, colour=ink)
    line = bottom + 0.32
    nodes = _convolutions(
        axes, operation.dilations, left + PLATE + 0.22, left + width - 0.28, line
    )
    for convolution in range(len(operation.dilations)):
        for source in sources(operation, convolution):
            if source != convolution:  # that one comes along the line
                _arc(axes, nodes[source], nodes[convolution + 1], line + SIDE / 2)


def draw_body(
    axes: Axes, left: float, bottom: float, operation: Operation, index: int, p: str
) -> None:
    """Draw a body: its name and p above, its convolutions, and words below them."""
    width, height = CELL
    middle, words = left + width / 2, words_of_body(operation)
    if not operation.is_present:
        frame(axes, left, bottom, width, height)
        name = bottom + height - HEAD / 2
        write(axes, middle, name, operation.name, True, 10.0, FAINT)
        write(axes, middle, bottom + 0.16, words, size=7.0, colour=FAINT)
        return
    colour = operation_colour(index)
    _box(axes, left, bottom, width, height, "white", colour)
    _box(axes, left, bottom + height - HEAD, width, HEAD, colour, colour)
    text = f"{operation.name}  {' '.join(p.split(chr(10)))}".strip()
    write(
        axes,
        middle,
        bottom + height - HEAD / 2,
        text,
        bold=True,
        size=size_that_fits(text, width, 10.0),
        colour=readable_on(colour),
    )
    ends = left + 0.3, left + width - 0.45
    _convolutions(axes, operation.dilations, *ends, bottom + 0.5, operation.reach)
    write(axes, middle, bottom + 0.15, words, size=7.0)


def _convolutions(
    axes: Axes,
    dilations: Sequence[int],
    start: float,
    end: float,
    line: float,
    reach: int = 0,
) -> list[float]:
    """Draw convolutions along a line, and return where they stand.

    Args:
        axes: canvas.
        dilations: dilation of each convolution.
        start: left end of the line, the input.
        end: middle of the last convolution.
        line: height of the line.
        reach: pixels of a convolution of single channels before them; 0 for none.

    Returns:
        middles: first the input's, then each convolution's.
    """
    nodes = np.linspace(start, end, len(dilations) + bool(reach) + 1).tolist()
    axes.plot([start, end + 0.24], [line, line], color=FAINT, linewidth=1, zorder=1)
    axes.plot([start], [line], "o", color=INK, markersize=3.5, zorder=3)
    if reach:
        _square(axes, nodes[1], line, str(reach), "white", TALL)
    rest = nodes[1 + bool(reach) :]
    for middle, dilation in zip(rest, dilations, strict=True):
        grey = f"{1 - 0.09 * dilation:.2f}"  # darker reaches further
        _square(axes, middle, line, str(dilation), grey)
    return nodes


def _square(
    axes: Axes, middle: float, line: float, text: str, face: str, height: float = SIDE
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (middle - SIDE / 2, line - height / 2),
            SIDE,
            height,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=face,
            edgecolor=INK,
            linewidth=0.7,
            zorder=3,
        )
    )
    write(axes, middle, line, text, size=7.5)


def _box(
    axes: Axes,
    left: float,
    bottom: float,
    width: float,
    height: float,
    face: str,
    edge: str,
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=face,
            edgecolor=edge,
            linewidth=1.6,
        )
    )


def _arc(axes: Axes, start: float, end: float, base: float) -> None:
    lift = 0.2 + 0.33 * (end - start)
    outline = Outline(
        [(start, base), (start, base + lift), (end, base + lift), (end, base)],
        [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4],
    )
    axes.add_patch(
        PathPatch(outline, facecolor="none", edgecolor=INK, linewidth=0.9, zorder=2)
    )
