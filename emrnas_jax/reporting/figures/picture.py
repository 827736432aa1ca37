"""What every figure of a report shares: its files, its words, and the drawing style.

Figures use matplotlib's objects without pyplot, so a report opens no window and leaves
no state behind.
"""

import io
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

DOTS_PER_INCH = 160
INK = "#222222"
FAINT = "#8a8a8a"

# Settings of matplotlib while figures are made; a user's own matplotlibrc does not mix.
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "pdf.fonttype": 42,  # text that other programs can select and edit
}


@dataclass(frozen=True)
class Picture:
    """A figure with its words, drawn when one of its files is asked for.

    Attributes:
        name: name of its files in `report/figures`, without `.png` and `.pdf`.
        figure: the figure.
        caption: sentences below the figure.
        description: what the figure shows, for those who cannot see it.
    """

    name: str
    figure: Figure
    caption: str
    description: str

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG; the same figure gives the same bytes."""
        png = render(self.figure)
        # What this drawing has placed stays: the PDF is the same, and half the work.
        self.figure.set_layout_engine("none")
        return png

    @cached_property
    def pdf(self) -> bytes:
        """The figure as PDF; the same figure gives the same bytes."""
        # A layout is found only when a figure is drawn.
        assert self.png
        # A date of creation would make every report of the same run another file.
        return render(self.figure, "pdf", {"CreationDate": None})

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        return self.png

    @property
    def width(self) -> int:
        """Width in pixels, from the PNG's header."""
        # Eight bytes of signature, length and name of the first chunk, then the sizes.
        return struct.unpack(">I", self.png[16:20])[0]

    @property
    def height(self) -> int:
        """Height in pixels, from the PNG's header."""
        return struct.unpack(">I", self.png[20:24])[0]


def render(
    figure: Figure, ending: str = "png", metadata: dict[str, Any] | None = None
) -> bytes:
    """Draw `figure` as a file of the format `ending`."""
    stream = io.BytesIO()
    # Fonts are looked up when a figure is drawn, maybe long after it was made.
    with style.context(["default", STYLE]):
        figure.savefig(stream, format=ending, dpi=DOTS_PER_INCH, metadata=metadata)
    return stream.getvalue()


def blank(axes: Axes) -> None:
    """Remove ticks, frame and grid: for pictures and diagrams."""
    axes.set_axis_off()
