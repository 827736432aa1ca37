"""Draw the picture of the README from a finished run, of phantoms for example.

    bash scripts/demo.sh
    python scripts/readme_picture.py runs/demo docs/reconstruction.png

It shows one test frame: the lines of k-space that were measured, the zero-filled image,
the reconstruction and the truth. Of all stored examples the frame with the median gain
is taken, so that the picture neither flatters nor hides.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from matplotlib import style
from matplotlib.figure import Figure
from PIL import Image

from emrnas_jax.reporting.figures.picture import INK, STYLE, blank
from emrnas_jax.runs.run import Run, read_run

WIDTH = 900  # pixels
DOTS_PER_INCH = 150
NETWORK = "emrnas"


class Frame(NamedTuple):
    """One test frame; magnitudes in [0, 1].

    Attributes:
        mask: True where k-space was measured, zero frequency first.
        zero_filled: the image of the measured samples alone.
        zero_filled_db: PSNR of the zero-filled image, dB.
        reconstruction: the network's reconstruction.
        reconstruction_db: PSNR of the reconstruction, dB.
        target: the fully sampled image.
    """

    mask: Bool[np.ndarray, "height width"]
    zero_filled: Float[np.ndarray, "height width"]
    zero_filled_db: float
    reconstruction: Float[np.ndarray, "height width"]
    reconstruction_db: float
    target: Float[np.ndarray, "height width"]


def main(arguments: list[str]) -> int:
    """Draw the picture, and return the exit status."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    run, output = map(Path, arguments)
    frame = median_frame(stored_frames(read_run(run)))
    with style.context(["default", STYLE]):
        figure = draw(frame)
    figure.savefig(output, dpi=DOTS_PER_INCH)
    # 64 grey levels look the same and halve the file.
    Image.open(output).convert("L").quantize(64).save(output, optimize=True)
    print(
        f"{output}: zero-filled {frame.zero_filled_db:.2f} dB, reconstruction "
        f"{frame.reconstruction_db:.2f} dB, {frame.mask.mean():.1%} measured"
    )
    return 0


def stored_frames(run: Run) -> list[Frame]:
    """Return the examples that a run keeps, of every fold."""
    frames = []
    for fold in run.folds:
        before, after = fold.examples["zero_filled"], fold.examples[NETWORK]
        for i, name in enumerate(after.frames):
            j = before.frames.index(name)
            _, zero_filled, _ = before.images(j)
            target, reconstruction, mask = after.images(i)
            frames.append(
                Frame(
                    mask,
                    zero_filled,
                    float(before.psnr_db[j]),
                    reconstruction,
                    float(after.psnr_db[i]),
                    target,
                )
            )
    return frames


def median_frame(frames: list[Frame]) -> Frame:
    """Return the frame with the median gain in PSNR."""
    ranked = sorted(frames, key=lambda own: own.reconstruction_db - own.zero_filled_db)
    return ranked[len(ranked) // 2]


def draw(frame: Frame) -> Figure:
    """Draw four panels in a line, each with its title."""
    measured = 100 * frame.mask.mean()
    panels = {
        f"mask, {measured:.1f} % of the lines": np.fft.fftshift(frame.mask),
        f"zero-filled, {frame.zero_filled_db:.1f} dB": frame.zero_filled,
        f"EMR-NAS, {frame.reconstruction_db:.1f} dB": frame.reconstruction,
        "truth": frame.target,
    }
    inches = WIDTH / DOTS_PER_INCH
    height, width = frame.target.shape
    side = inches / len(panels)
    figure = Figure(figsize=(inches, side * height / width + 0.25))
    for axes, (title, image) in zip(
        figure.subplots(1, len(panels)), panels.items(), strict=True
    ):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=8, color=INK, pad=3)
        blank(axes)
    top = 1 - 0.22 / figure.get_figheight()
    figure.subplots_adjust(0.003, 0.01, 0.997, top, wspace=0.02)
    return figure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
