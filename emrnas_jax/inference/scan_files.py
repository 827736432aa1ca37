"""Write a reconstructed scan as HDF5 for programs and as a PNG to look at."""

import contextlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import matplotlib
import numpy as np
from jaxtyping import Bool, Complex64, Float, Float32, Int32, UInt8
from PIL import Image, ImageDraw, ImageFont

from emrnas_jax.machine.files import write_bytes

TITLE = 14  # pixels above each panel of a preview
SIDE = 256  # smaller frames are enlarged, by whole pixels, about to this
ERROR_QUANTILE = 0.998  # a few single pixels would darken the error

Images = (
    Float32[np.ndarray, "frame height width"]
    | Complex64[np.ndarray, "frame height width"]
)


@dataclass(frozen=True)
class ReconstructedScan:
    """One scan with its reconstruction.

    Attributes:
        subjects: subject of every frame.
        slices: slice number of every frame.
        frames: time of every frame.
        reconstruction: images of the network on the scale of the scan.
        zero_filled: zero-filled images on the scale of the scan.
        mask: True where k-space was measured, zero frequency first; of its whole size,
            where the images are cut.
        scale: factor from the network's intensities to those of the scan.
        target: magnitudes of complete images on the scale of the scan; None for
            measured k-space.
        scores: `psnr_db`, `ssim`, `zero_filled_psnr_db` and `zero_filled_ssim` of every
            frame; empty without a target.
    """

    subjects: tuple[str, ...]
    slices: Int32[np.ndarray, " frame"]
    frames: Int32[np.ndarray, " frame"]
    reconstruction: Images
    zero_filled: Images
    mask: Bool[np.ndarray, "#frame #rows #columns"]
    scale: float
    target: Float32[np.ndarray, "frame height width"] | None
    scores: dict[str, Float[np.ndarray, " frame"]]


def write_scan(
    path: Path, scan: ReconstructedScan, attributes: Mapping[str, str | int | float]
) -> None:
    """Write a scan as HDF5, whole or not at all.

    Datasets: `reconstruction` and `zero_filled` [frame, row, column], `mask` with the
    zero frequency in the middle, one line wide where lines were measured, `subject`,
    `slice` and `frame`, and the scores.
    """
    with _whole(path) as partial, h5py.File(partial, "w") as file:
        file["reconstruction"] = scan.reconstruction
        file["zero_filled"] = scan.zero_filled
        # Users expect the order of fastMRI; the package's own stays inside.
        file["mask"] = np.fft.fftshift(scan.mask, axes=(1, 2))
        # A file's name, the subject's, may hold bytes that are no text.
        names = [name.encode(errors="replace").decode() for name in scan.subjects]
        file["subject"] = names
        file["slice"] = scan.slices
        file["frame"] = scan.frames
        for name, values in scan.scores.items():
            file[name] = values
        # Divides the images to what the network saw.
        file.attrs["scale"] = scan.scale
        file.attrs.update(attributes)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path; its file becomes `path` if all goes well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the result, so that renaming never crosses file systems.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def made_from(path: Path) -> dict | None:
    """Return the inputs that a scan's HDF5 was made from; None for another file."""
    try:
        with h5py.File(path) as file:
            return json.loads(str(file.attrs["made_from"]))
    except (OSError, KeyError, ValueError):
        return None


def write_preview(path: Path, picture: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write a picture as PNG, whole or not at all."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="png")
    write_bytes(path, stream.getvalue())


def draw_preview(
    scan: ReconstructedScan, network: str, source: str
) -> UInt8[np.ndarray, "height width 3"]:
    """Draw the middle frame: zero-filled, reconstruction and, if known, the truth.

    Grey from 0 to the brightest of the truth (else of the reconstruction) on all; the
    error's colours go up to the value in its title.

    Args:
        scan: scan with its reconstruction.
        network: name of the network.
        source: name of the file, for the line above the panels.

    Returns:
        RGB levels, 0 to 255.
    """
    # The middle frame, because the ends of a volume are its emptiest slices.
    middle = len(scan.slices) // 2
    before = np.abs(scan.zero_filled[middle])
    after = np.abs(scan.reconstruction[middle])
    titles = ["zero-filled", network]
    if scan.target is None:
        images = [before, after]
        white = after.max()  # aliasing makes the zero-filled image less reliable
    else:
        images = [before, after, scan.target[middle]]
        white = images[2].max()
        for i, score in enumerate(("zero_filled_psnr_db", "psnr_db")):
            titles[i] += f" {scan.scores[score][middle]:.2f} dB"
        titles.append("fully sampled")
    panels = [_grey(image / max(white, np.finfo(np.float32).tiny)) for image in images]
    if scan.target is not None:
        error = np.abs(after - images[2]) / scan.scale
        largest = max(float(np.quantile(error, ERROR_QUANTILE)), 1e-6)
        # A perceptually uniform map: equal steps of error look equal.
        colours = matplotlib.colormaps["magma"](np.clip(error / largest, 0, 1))
        panels.append((colours[..., :3] * 255).astype(np.uint8))
        titles.append(f"error, 0 to {largest:.2g}")
    row = np.concatenate(
        [_titled(p, title) for p, title in zip(panels, titles, strict=True)], axis=1
    )
    height, width = before.shape
    line = (
        f"{source}: frame {middle + 1} of {len(scan.slices)}, {height} x {width} "
        f"pixels, grey 0 to {white:.3g}"
    )
    return np.concatenate([_strip(row.shape[1], line), row], axis=0)


def _grey(image: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    levels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


def _titled(
    panel: UInt8[np.ndarray, "h w 3"], title: str
) -> UInt8[np.ndarray, "tall wide 3"]:
    # Whole pixels: an interpolated preview would hide noise.
    factor = max(1, round(SIDE / max(panel.shape[:2])))
    panel = panel.repeat(factor, axis=0).repeat(factor, axis=1)
    return np.concatenate([_strip(panel.shape[1], title), panel], axis=0)


def _strip(width: int, text: str) -> UInt8[np.ndarray, "title width 3"]:
    strip = Image.new("RGB", (width, TITLE), "white")
    font = ImageFont.load_default()
    # Pillow's own font knows Latin-1 alone.
    printable = text.encode("latin-1", "replace").decode("latin-1")
    ImageDraw.Draw(strip).text((2, 1), printable, fill="black", font=font)
    return np.asarray(strip)
