"""What every figure of a report shares: its files, its words, and the drawing style.

Figures use matplotlib's objects without pyplot, so a report opens no window and leaves
no state behind.
"""

import io
import struct
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emrnas_jax.reporting.networks import title_of
from emrnas_jax.reporting.settings import settings_of
from emrnas_jax.runs.run import Run

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
    """A finished figure.

    Attributes:
        name: name of its files in `report/figures`, without `.png` and `.pdf`.
        png: bytes of the one file.
        pdf: bytes of the other, the same drawing; None if the run wants none.
        caption: sentences below the figure.
        description: what the figure shows, for those who cannot see it.
    """

    name: str
    png: bytes
    pdf: bytes | None
    caption: str
    description: str

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


def picture(
    run: Run, name: str, figure: Figure, caption: str, description: str
) -> Picture:
    """Finish `figure` as the picture `name` of a run, whose settings decide on a PDF.

    The figure is not kept: with its axes and images it takes megabytes.
    """
    # The PNG is drawn first: a layout is found only when a figure is drawn.
    png = render(figure)
    # What the PNG's drawing has placed stays: the PDF is the same, and less work.
    figure.set_layout_engine("none")
    pdf = render_pdf(figure) if settings_of(run).pdf else None
    return Picture(name, png, pdf, caption, description)


def name_of(what: str, search: str) -> str:
    """Return the name of a picture of a search; "" is the run's first."""
    return f"{what}_{search}" if search else what


def begins_with(run: Run, search: str) -> str:
    """Return the words with which the caption of a later search begins."""
    return f"{title_of(run.results, search)}. " if search else ""


def render(figure: Figure) -> bytes:
    """Draw `figure` as PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH)
    return stream.getvalue()


def render_pdf(figure: Figure) -> bytes:
    """Draw `figure` as PDF; the same figure gives the same bytes."""
    stream = io.BytesIO()
    # A date of creation would make every report of the same run another file.
    figure.savefig(
        stream, format="pdf", dpi=DOTS_PER_INCH, metadata={"CreationDate": None}
    )
    return stream.getvalue()


def blank(axes: Axes) -> None:
    """Remove ticks, frame and grid: for pictures and diagrams."""
    axes.set_axis_off()
