"""Describe a mask, and the noise of what it measured."""

import numpy as np
from jaxtyping import Bool, Complex64

from emrnas_jax.mri.calibration import calibration_region

# Part of the gaps between lines that are equal where lines are equispaced.
REGULAR = 0.8
# The farthest part of the measured samples, and the fewest, that show the noise.
FARTHEST, FEWEST = 0.05, 64
# Median of the magnitude of complex noise whose parts have the standard deviation 1.
RAYLEIGH_MEDIAN = np.sqrt(2 * np.log(2))


def describe_mask(mask: Bool[np.ndarray, "height width"]) -> str:
    """Return rate, acceleration, calibration region and pattern of a mask in words.

    Args:
        mask: True where measured, zero frequency first.
    """
    rate = float(mask.mean())
    rows, columns = calibration_region(mask, mask.shape)
    sizes = rows.stop - rows.start, columns.stop - columns.start
    text = f"{rate:.1%} measured, acceleration {1 / rate:.2g}"
    for axis, name in enumerate(("rows", "columns")):
        lines = mask.any(axis=1 - axis)
        if not np.array_equal(mask.all(axis=1 - axis), lines):
            continue
        block = (rows, columns)[axis]
        pattern = _spacing(np.fft.fftshift(lines), block)
        return f"{text}: {pattern}{name}, {sizes[axis]} in the centre"
    return f"{text}: scattered samples, {sizes[0]} x {sizes[1]} in the centre"


def _spacing(lines: Bool[np.ndarray, " line"], block: slice) -> str:
    """Return a word for the spacing of lines outside of the centre."""
    outside = np.flatnonzero(lines)
    outside = outside[(outside < block.start) | (outside >= block.stop)]
    gaps = np.diff(outside)
    # The one gap over the centre is no spacing.
    gaps = gaps[gaps < block.stop - block.start + 1] if len(gaps) > 2 else gaps
    if not len(gaps):
        return "neighbouring "
    usual = int(np.median(gaps))
    if usual > 1 and np.mean(gaps == usual) >= REGULAR:
        return f"one of {usual} "
    return "random "


def noise_level(
    kspace: Complex64[np.ndarray, "coil height width"],
    mask: Bool[np.ndarray, "height width"],
) -> float | None:
    """Return the noise of k-space in each part, from its highest frequencies.

    They hold a little of the object too, so it is an upper limit. The transform is
    orthonormal, so a pixel of the complete image has the same.

    Args:
        kspace: samples, zero frequency first.
        mask: True where they were measured.

    Returns:
        Standard deviation of the real and of the imaginary part; None where too few
        samples were measured.
    """
    rows, columns = (np.fft.fftfreq(size) for size in mask.shape)
    distance = np.hypot(rows[:, None], columns)[mask]
    count = int(FARTHEST * len(distance))
    if count < FEWEST:
        return None
    farthest = np.argpartition(distance, -count)[-count:]
    samples = np.abs(kspace[:, mask][:, farthest])
    # Exact zeros were never measured.
    samples = samples[samples > 0]
    return float(np.median(samples) / RAYLEIGH_MEDIAN) if samples.size else None
