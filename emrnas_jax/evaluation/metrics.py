"""Compute PSNR, SSIM and NMSE of a batch of magnitude images.

Images are `(batch, height, width)`, real; every metric returns one number per image.
No metric guesses its data range: it is an argument, the width of the interval the
target's values may take, for all images or for each. The convention of the scores
(`conventions`) gives it. PSNR and SSIM agree with scikit-image's.
"""

import functools
import operator

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from emrnas_jax.errors import InputError
from emrnas_jax.mri.consistency import magnitude
from emrnas_jax.mri.fourier import to_complex

WINDOW = 7  # pixels on a side of the windows that SSIM compares

DataRange = float | Float[Array, " batch"]


def psnr_db(
    image: Float[Array, "batch height width"],
    target: Float[Array, "batch height width"],
    data_range: DataRange,
) -> Float[Array, " batch"]:
    """Return the peak signal-to-noise ratio in decibels.

    Args:
        image: magnitude of the reconstruction.
        target: magnitude of the fully sampled image.
        data_range: largest minus smallest value the target may take.

    Returns:
        10 log10(data_range² / mean squared error); infinite for an image equal to its
        target.
    """
    error = jnp.mean((image - target) ** 2, axis=(1, 2))
    # Two logarithms, because the square of a large data range could overflow float32.
    return 20 * jnp.log10(data_range) - 10 * jnp.log10(error)


def ssim(
    image: Float[Array, "batch height width"],
    target: Float[Array, "batch height width"],
    data_range: DataRange,
) -> Float[Array, " batch"]:
    """Return the mean structural similarity, at most 1.

    Windows of 7 x 7 pixels with equal weights, sample covariance, K1 = 0.01 and
    K2 = 0.03, averaged over the windows that lie inside the image: the defaults of
    scikit-image's `structural_similarity`.

    Args:
        image: magnitude of the reconstruction, at least 7 pixels a side.
        target: magnitude of the fully sampled image.
        data_range: largest minus smallest value the target may take.

    Raises:
        InputError: the images are smaller than the window.

    Source: Wang et al., IEEE TIP 13(4), 2004.
    """
    if min(image.shape[1:]) < WINDOW:
        raise InputError(
            f"SSIM: expected images of at least {WINDOW} x {WINDOW} pixels, found "
            f"{image.shape[1]} x {image.shape[2]}"
        )
    # With s = image + target and d = image - target, twice the products of means and
    # the covariance are (s² - d²) / 2, the sums of squares and variances (s² + d²) / 2:
    # the moments of two images in place of three products'.
    mean_s, variance_s = _window_moments(image + target)
    mean_d, variance_d = _window_moments(image - target)
    square_s, square_d = mean_s**2, mean_d**2
    data_range = jnp.reshape(data_range, (-1, 1, 1))
    c1, c2 = 2 * (0.01 * data_range) ** 2, 2 * (0.03 * data_range) ** 2
    luminance = (square_s - square_d + c1) / (square_s + square_d + c1)
    structure = (variance_s - variance_d + c2) / (variance_s + variance_d + c2)
    return jnp.mean(luminance * structure, axis=(1, 2))


def nmse(
    image: Float[Array, "batch height width"],
    target: Float[Array, "batch height width"],
) -> Float[Array, " batch"]:
    """Return the squared error divided by the squared norm of the target, at least 0.

    Free of a data range. 0 for an image equal to its target, infinite for any other
    image of a target that is 0 everywhere.

    Source: Zbontar et al., fastMRI, 2018.
    """
    error = jnp.sum((image - target) ** 2, axis=(1, 2))
    energy = jnp.sum(target**2, axis=(1, 2))
    # 0 / 0 where both images are black, which is a perfect reconstruction.
    return jnp.where(error == 0, 0, error / energy)


def scored_magnitude(
    image: Float[Array, "batch height width 2"],
) -> Float[Array, "batch height width"]:
    """Return the magnitude of a network's image clipped to [0, 1], which is scored.

    Source: the evaluation of Zheng et al., NeurIPS 2019, which EMR-NAS follows.
    """
    return jnp.clip(magnitude(to_complex(image)), 0, 1)


def _window_moments(
    image: Float[Array, "batch height width"],
) -> tuple[
    Float[Array, "batch inner_height inner_width"],
    Float[Array, "batch inner_height inner_width"],
]:
    """Return the mean and the sample variance of every window inside `image`.

    The textbook mean of squares minus square of the mean cancels in float32 where an
    image is bright and smooth. Deviations from means do not: first the pixels' from
    the mean of their row of the window, then the rows' from the window's.
    """
    # One axis at a time: a window then has 7 + 7 terms instead of 49.
    row_mean, in_row = _mean_and_spread(image, axis=2)
    mean, of_rows = _mean_and_spread(row_mean, axis=1)
    within = _add(_neighbours(in_row, axis=1))
    return mean, (within + WINDOW * of_rows) / (WINDOW**2 - 1)


def _mean_and_spread(
    image: Float[Array, "batch height width"], axis: int
) -> tuple[
    Float[Array, "batch inner_height inner_width"],
    Float[Array, "batch inner_height inner_width"],
]:
    """Return the mean of 7 neighbours and the sum of their squared deviations."""
    neighbours = _neighbours(image, axis)
    mean = _add(neighbours) / WINDOW
    return mean, _add([(neighbour - mean) ** 2 for neighbour in neighbours])


def _neighbours(image: Float[Array, "batch height width"], axis: int) -> list[Array]:
    """Return `image` moved by 0 .. 6 pixels along `axis`, each cut to the same size."""
    size = image.shape[axis] - WINDOW + 1
    return [
        lax.slice_in_dim(image, start, start + size, axis=axis)
        for start in range(WINDOW)
    ]


def _add(images: list[Array]) -> Array:
    return functools.reduce(operator.add, images)
