"""Reconstructions side by side, as in Figures 3 and 4 of the paper.

Above the ground truth and every network, grey from 0 to 1; below the mask and the
absolute errors, all on one scale.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emrnas_jax.reporting.names import display_name, in_order, number, percent
from emrnas_jax.reporting.picture import Picture, blank, render
from emrnas_jax.reporting.run import FoldRun, Run

PANEL = 1.9  # inches
ERROR_QUANTILE = 0.998  # a few single pixels would darken all error maps


@dataclass(frozen=True)
class Panel:
    """One network's reconstruction of a frame and its PSNR in dB."""

    network: str
    image: Float[np.ndarray, "height width"]
    psnr_db: float


def reconstruction_pictures(run: Run) -> list[Picture]:
    """One picture per stored example: the first of every fold, then the second, ..."""
    pictures = []
    for fold in run.folds:
        frames = [f for examples in fold.examples.values() for f in examples.frames]
        for position, frame in enumerate(dict.fromkeys(frames), start=1):
            pictures.append((position, _picture(fold, frame, position)))
    return [picture for _, picture in sorted(pictures, key=lambda pair: pair[0])]


def _picture(fold: FoldRun, frame: tuple[str, int, int], position: int) -> Picture:
    panels = []
    target, mask = None, None
    for name in in_order(fold.examples):
        examples = fold.examples[name]
        if frame not in examples.frames:
            continue
        index = examples.frames.index(frame)
        target, mask = examples.target[index], examples.mask[index]
        panels.append(
            Panel(
                network=name,
                image=examples.reconstruction[index],
                psnr_db=float(examples.psnr_db[index]),
            )
        )
    assert target is not None  # the frame came from these examples
    assert mask is not None
    subject, place, time = frame
    scores = ", ".join(
        f"{display_name(panel.network)} {number(panel.psnr_db, 2)} dB"
        for panel in panels
    )
    return Picture(
        name=f"reconstruction_fold_{fold.number}_{position}",
        png=render(draw_reconstructions(target, mask, panels)),
        caption=(
            f"Fold {fold.number}: subject {subject}, slice {place}, frame {time}, from "
            "the test set. Above: magnitude, black 0, white 1. Below: the mask in "
            "k-space (measured lines white, zero frequency in the middle) and the "
            "absolute errors on one scale."
        ),
        description=f"Reconstructions and error maps of one test frame. {scores}.",
    )


def draw_reconstructions(
    target: Float[np.ndarray, "height width"],
    mask: Bool[np.ndarray, "height width"],
    panels: list[Panel],
) -> Figure:
    """Draw the ground truth, the mask, and a column for every panel."""
    columns = len(panels) + 1
    height, width = target.shape
    figure = Figure(
        figsize=(PANEL * columns + 0.7, 2 * PANEL * height / width + 0.75),
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03)  # pyright: ignore
    grid = figure.subplots(2, columns, squeeze=False)
    for axes in grid.flat:
        blank(axes)
    errors = [np.abs(panel.image - target) for panel in panels]
    largest = max(float(np.quantile(np.stack(errors), ERROR_QUANTILE)), 1e-3)

    _image(grid[0, 0], target, "Ground truth\n")
    _image(grid[1, 0], np.fft.fftshift(mask), f"Mask, {percent(float(mask.mean()))}")
    shown = None
    for column, (panel, error) in enumerate(zip(panels, errors, strict=True), start=1):
        title = f"{display_name(panel.network)}\n{number(panel.psnr_db, 2)} dB"
        _image(grid[0, column], panel.image, title)
        shown = grid[1, column].imshow(
            error, cmap="magma", vmin=0, vmax=largest, interpolation="nearest"
        )
    if shown is not None:
        bar = figure.colorbar(
            shown,
            ax=cast(list[Axes], list(grid[1, :])),
            extend="max",
            fraction=0.05,
            pad=0.01,
            label="absolute error",
        )
        bar.outline.set_visible(False)
    return figure


def _image(axes: Axes, image: np.ndarray, title: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(title)
