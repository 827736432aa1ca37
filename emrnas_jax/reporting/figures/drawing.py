"""What the diagrams of architectures share: words, p of the choices, and the canvas.

Lengths are in units of a drawing; one unit is SCALE inches.
"""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from emrnas_jax.nas.space import Architecture
from emrnas_jax.reporting.certainty import chosen, draw_limit, near_draw, uniform
from emrnas_jax.reporting.figures.picture import INK, blank
from emrnas_jax.reporting.numbers import percent

SCALE = 0.72
MARGIN = 0.15
NOTE = 0.34  # for a line of words
PALE = "#b0b0b0"


def p_texts(
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


def write_note(axes: Axes, probabilities: Float[np.ndarray, "cell operation"]) -> None:
    """Write at the foot of a drawing what its percentages are."""
    text = (
        f"Percent: p of the choice. Uniform choice: {percent(uniform(probabilities))}. "
        f"≈ draw: p below {percent(draw_limit(probabilities))}."
    )
    axes.text(MARGIN, 0.16, text, va="center", fontsize=7, color=INK)


def write(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    bold: bool = False,
    size: float = 8.5,
    colour: str = INK,
) -> None:
    """Write centred words; `size` is in points."""
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


def size_that_fits(text: str, width: float, size: float) -> float:
    """Return the size in points at which bold text is at most `width` units wide.

    Args:
        text: one line.
        width: room, units of the drawing.
        size: size where there is room enough, points.
    """
    # A bold letter is on average 0.7 as wide as it is high; a unit is SCALE inches.
    return min(size, 72 * SCALE * width / (0.7 * max(1, len(text))))


def frame(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    """Draw the pale frame of what is left out."""
    axes.add_patch(
        FancyBboxPatch(
            (left, bottom),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor="none",
            edgecolor=PALE,
            linewidth=1.0,
            linestyle=(0, (4, 3)),
        )
    )


def readable_on(colour: str) -> str:
    """Black or white, whichever contrasts more with `colour` (WCAG luminance)."""
    parts = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(colour)
    ]
    luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return "white" if luminance < 0.18 else "black"


def canvas(width: float, height: float) -> Axes:
    """Axes that fill their figure, in units of the drawing."""
    figure = Figure(figsize=(width * SCALE, height * SCALE))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    blank(axes)
    return axes


def figure_of(axes: Axes) -> Figure:
    """Return the figure that a canvas is on."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    return figure
