"""Reconstructions side by side, as in Figures 3 and 4 of the paper.

A column for the ground truth and for every network: the image, grey from 0 to 1; the
absolute error, on one scale for all (below the ground truth the mask); and a part of
both enlarged, which a red box marks. Many networks go on in further rows.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from emrnas_jax.reporting.figures.picture import Picture, blank, picture
from emrnas_jax.reporting.figures.zoom import Window, window_for
from emrnas_jax.reporting.networks import in_order, title_of
from emrnas_jax.reporting.numbers import number, percent
from emrnas_jax.reporting.settings import settings_of
from emrnas_jax.runs.run import FoldRun, Run

# Inches.
PANEL = 1.9  # width of an image
GAP = 0.06
TITLE = 0.4
MARGIN = 0.08
SCALE_ROOM = 0.72  # for the scale of the errors
COLUMNS = 5
BOX = "#ff3b30"
ERROR_QUANTILE = 0.998  # a few single pixels would darken all error maps


@dataclass(frozen=True)
class Panel:
    """One network's reconstruction of a frame, its name in words and PSNR in dB."""

    title: str
    image: Float[np.ndarray, "height width"]
    psnr_db: float


def reconstruction_pictures(run: Run) -> list[Picture]:
    """Draw every stored example: the first of every fold, then the second, ...

    Raises:
        InputError: the setting `report.zoom` does not fit.
    """
    zoom = settings_of(run).zoom
    pictures = []
    for fold in run.folds:
        frames = [f for examples in fold.examples.values() for f in examples.frames]
        for position, frame in enumerate(dict.fromkeys(frames), start=1):
            pictures.append((position, _picture(run, fold, frame, position, zoom)))
    return [picture for _, picture in sorted(pictures, key=lambda pair: pair[0])]


def pictures_shown_first(run: Run) -> int:
    """Count the pictures that a page shows before it folds the others.

    One of every fold, or only one where its networks need several rows.
    """
    networks = [len(fold.examples) for fold in run.folds if fold.examples]
    return len(networks) if max(networks, default=0) < COLUMNS else 1


def _picture(
    run: Run, fold: FoldRun, frame: tuple[str, int, int], position: int, zoom: object
) -> Picture:
    panels = []
    target, mask = None, None
    for name in in_order(run.results, fold.examples):
        examples = fold.examples[name]
        # A network that was scored with other examples lacks the frame.
        if frame not in examples.frames:
            continue
        index = examples.frames.index(frame)
        target, reconstruction, mask = examples.images(index)
        panels.append(
            Panel(
                title=title_of(run.results, name),
                image=reconstruction,
                psnr_db=float(examples.psnr_db[index]),
            )
        )
    assert target is not None  # the frame came from these examples
    assert mask is not None
    window = window_for(zoom, target, absolute_errors(target, panels))
    subject, place, time = frame
    scores = ", ".join(
        f"{panel.title} {number(panel.psnr_db, 2)} dB" for panel in panels
    )
    enlarged = (
        f" Below both, enlarged, the {window.side} × {window.side} pixels in the red "
        f"box (row {window.row}, column {window.column}) on the same scales."
        if window
        else ""
    )
    return picture(
        run,
        f"reconstruction_fold_{fold.number}_{position}",
        draw_reconstructions(target, mask, panels, window),
        f"Fold {fold.number}: subject {subject}, slice {place}, frame {time}, from "
        "the test set. Above: magnitude, black 0, white 1. Below: the mask in "
        "k-space (measured lines white, zero frequency in the middle) and the "
        f"absolute errors on one scale.{enlarged}",
        f"Reconstructions and error maps of one test frame. {scores}.",
    )


def absolute_errors(
    target: Float[np.ndarray, "height width"], panels: list[Panel]
) -> Float[np.ndarray, "network height width"]:
    """Return the absolute error of every panel."""
    return np.stack([np.abs(panel.image - target) for panel in panels])


def draw_reconstructions(
    target: Float[np.ndarray, "height width"],
    mask: Bool[np.ndarray, "height width"],
    panels: list[Panel],
    window: Window | None,
) -> Figure:
    """Draw the ground truth, the mask, and a column for every panel."""
    errors = absolute_errors(target, panels)
    # A network that diverged may have given NaN; the others' errors still have a scale.
    finite = errors[np.isfinite(errors)]
    # A scale of zero could not be drawn: a perfect reconstruction has no error.
    largest = max(float(np.quantile(finite, ERROR_QUANTILE)), 1e-3)
    sheet = _Sheet(len(panels) + 1, target.shape, window)

    first = sheet.column(0, "Ground truth\n")
    _grey(first.image, target)
    # Masks have the zero frequency first; readers expect it in the middle.
    _grey(first.error, np.fft.fftshift(mask))
    separator = "\n" if window else " "
    # Below the mask, beside the enlarged part of the ground truth.
    first.error.set_title(
        f"Mask,{separator}{percent(float(mask.mean()))}",
        x=0.76 if window else 0.5,
        y=-0.07 if window else -0.02,
        pad=0,
        va="top",
    )
    if window:
        _box(first.image, window)
        _grey(first.image_part, window.of(target))
    for index, (panel, error) in enumerate(zip(panels, errors, strict=True), start=1):
        title = f"{panel.title}\n{number(panel.psnr_db, 2)} dB"
        column = sheet.column(index, title)
        _grey(column.image, panel.image)
        _error(column.error, error, largest)
        if window:
            _box(column.image, window)
            _box(column.error, window)
            _grey(column.image_part, window.of(panel.image))
            _error(column.error_part, window.of(error), largest)
    sheet.scale(largest)
    return sheet.figure


@dataclass(frozen=True)
class _Column:
    """The axes of one network; the enlarged parts are half as wide as the others."""

    image: Axes
    error: Axes
    image_part: Axes
    error_part: Axes


class _Sheet:
    """A figure of equal columns in as many rows as they need, placed by the inch."""

    def __init__(
        self, count: int, shape: tuple[int, ...], window: Window | None
    ) -> None:
        rows = -(-count // COLUMNS)
        self.columns = -(-count // rows)
        self.panel_height = PANEL * shape[0] / shape[1]
        self.half = (PANEL - GAP) / 2
        part = self.half + GAP if window else 0.25  # of the mask's title
        self.row_height = TITLE + 2 * self.panel_height + GAP + part + 0.12
        self.width = MARGIN + self.columns * (PANEL + GAP) + SCALE_ROOM
        self.height = rows * self.row_height + MARGIN
        self.figure = Figure(figsize=(self.width, self.height))

    def column(self, index: int, title: str) -> _Column:
        row, place = divmod(index, self.columns)
        left = MARGIN + place * (PANEL + GAP)
        top = self.height - row * self.row_height - TITLE
        error = top - self.panel_height - GAP
        part = error - self.panel_height - GAP
        column = _Column(
            self._place(left, top, PANEL, self.panel_height),
            self._place(left, error, PANEL, self.panel_height),
            self._place(left, part, self.half, self.half),
            self._place(left + self.half + GAP, part, self.half, self.half),
        )
        column.image.set_title(title, pad=3)
        return column

    def scale(self, largest: float) -> None:
        """Draw the scale of the errors at the right of the first row's."""
        left = MARGIN + self.columns * (PANEL + GAP) + 0.02
        top = self.height - TITLE - self.panel_height - GAP
        axes = self._place(left, top, 0.1, self.panel_height)
        axes.set_axis_on()
        axes.grid(False)
        shown = AxesImage(axes, cmap="magma")
        shown.set_clim(0, largest)
        bar = self.figure.colorbar(shown, cax=axes, extend="max")
        bar.set_label("absolute error")
        bar.outline.set_visible(False)

    def _place(self, left: float, top: float, width: float, height: float) -> Axes:
        axes = self.figure.add_axes(
            (
                left / self.width,
                (top - height) / self.height,
                width / self.width,
                height / self.height,
            )
        )
        blank(axes)
        return axes


def _grey(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _error(axes: Axes, error: np.ndarray, largest: float) -> None:
    axes.imshow(error, cmap="magma", vmin=0, vmax=largest, interpolation="nearest")


def _box(axes: Axes, window: Window) -> None:
    corner = (window.column - 0.5, window.row - 0.5)  # pixels are drawn around theirs
    axes.add_patch(
        Rectangle(
            corner, window.side, window.side, fill=False, edgecolor=BOX, linewidth=1.2
        )
    )
