"""Coils: decorrelate their noise, compress them, simulate their maps.

K-space and images have the coil axis before height and width. Noise covariance Ψ and
every matrix here act on the coil axis: `apply_to_coils(matrix, kspace)` is
Σ_c matrix[d, c] kspace[c].

Source: Pruessmann et al., MRM 1999 (whitening); Buehrer et al., MRM 2007, and Huang
et al., MRI 2008 (compression).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Complex64, Float

from emrnas_jax.errors import InputError


def root_sum_of_squares(
    images: Complex[Array, "*batch coil height width"],
) -> Float[Array, "*batch height width"]:
    """Combine coil images without maps: the root of the sum of squared magnitudes."""
    squares = jnp.sum(images.real**2 + images.imag**2, axis=-3)
    # The root has no finite gradient at 0, where no coil sees anything.
    return jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1)), 0)


def joined_maps(
    images: Complex[Array, "batch *map height width"],
) -> Complex[Array, "batch height width"]:
    """Return one image of those of one or several sets of maps.

    The magnitude is the root of the sum of squares, the phase that of the first, which
    is the strongest in nearly all pixels.
    """
    if images.ndim == 3:
        return images
    first = images[:, 0]
    length = jnp.abs(first).astype(images.dtype)
    zero = length == 0
    phase = jnp.where(zero, 1, first / jnp.where(zero, 1, length))
    return root_sum_of_squares(images).astype(images.dtype) * phase


def normalise_maps(
    coil_maps: Complex[Array, "*batch coil height width"],
) -> Complex[Array, "*batch coil height width"]:
    """Scale coil maps to Σ|S|² = 1 in every pixel; pixels that no coil sees stay 0."""
    norm = root_sum_of_squares(coil_maps)[..., None, :, :].astype(coil_maps.dtype)
    # Both choices are needed: the gradient of the unused value must be finite too.
    seen = norm != 0
    return jnp.where(seen, coil_maps / jnp.where(seen, norm, 1), 0)


def apply_to_coils(
    matrix: Complex[Array, "out coil"],
    kspace: Complex[Array, "*batch coil height width"],
) -> Complex[Array, "*batch out height width"]:
    """Return the sums over coils that the rows of `matrix` weight."""
    return jnp.einsum("dc,...chw->...dhw", matrix, kspace)


def whitening_matrix(
    noise: Complex[Array, "coil sample"],
) -> Complex[Array, "coil coil"]:
    """Return the matrix that makes noise independent and of variance 1 in every coil.

    It is the inverse of L in Ψ = L Lᴴ, so that L⁻¹ Ψ L⁻ᴴ = 1. Images combined from
    whitened coils have the best ratio of signal to noise.

    Args:
        noise: samples without signal, from a noise scan or the corners of k-space.

    Raises:
        InputError: there are fewer samples than coils, or a coil has no noise, so that
            the covariance has no inverse.
    """
    coils, samples = noise.shape
    if samples <= coils:
        raise InputError(
            f"noise: {samples} samples of {coils} coils do not give a covariance; "
            "more samples than coils are needed"
        )
    # Its mean is not removed: noise has none, and a receiver's offset counts as noise.
    covariance = noise @ noise.conj().T / samples
    factor = jnp.linalg.cholesky(covariance)
    # Cholesky does not raise: what has no factor comes out as NaN.
    if not bool(jnp.isfinite(factor).all()):
        raise InputError(
            "noise: the covariance of the coils has no inverse; a coil is empty or a "
            "copy of others, so leave it out"
        )
    return jnp.linalg.inv(factor)


def compression_matrix(
    kspace: Complex[Array, "coil height width"], count: int
) -> Complex[Array, "{count} coil"]:
    """Return the matrix that turns coils into fewer virtual ones that keep the most.

    Its rows are orthonormal, so white noise stays white. They are the leading left
    singular vectors of the samples.

    Args:
        kspace: samples of all coils; the calibration region is enough.
        count: number of virtual coils, 1 to the number of coils.

    Raises:
        InputError: there are fewer coils.
    """
    coils = kspace.shape[0]
    if not 1 <= count <= coils:
        raise InputError(
            f"coils: expected 1 to {coils} virtual coils for {coils} coils, found "
            f"{count}"
        )
    # Not by the singular vectors themselves: of the samples there may be millions.
    samples = kspace.reshape(coils, -1)
    # The eigenvectors of the small Gram matrix are the left singular vectors.
    _, vectors = jnp.linalg.eigh(samples @ samples.conj().T)
    return vectors[:, ::-1][:, :count].conj().T


def birdcage_maps(
    coils: int, shape: tuple[int, int], radius: float = 1.5, start: float = 0.0
) -> Complex[Array, "{coils} {shape[0]} {shape[1]}"]:
    """Simulate coil maps on the device; `birdcage` has the arguments and the source."""
    return jnp.asarray(birdcage(coils, shape, radius, start))


def birdcage(
    coils: int, shape: tuple[int, int], radius: float = 1.5, start: float = 0.0
) -> Complex64[np.ndarray, "{coils} {shape[0]} {shape[1]}"]:
    """Simulate the coil maps of a birdcage: loops on a circle around the object.

    By NumPy, so that they are the same on every device.

    Args:
        coils: number of coils, evenly spread.
        shape: height and width of the image.
        radius: distance of the coils from the middle, in half image sizes.
        start: angle of the first coil, radians.

    Returns:
        maps with Σ|S|² = 1.

    Source: the formula of `birdcage_maps` of MIRT and sigpy.
    """
    height, width = shape
    angles = start + 2 * np.pi * np.arange(coils)[:, None, None] / coils
    row = (np.arange(height) - height / 2)[:, None] / (height / 2)
    column = (np.arange(width) - width / 2) / (width / 2)
    across = column - radius * np.cos(angles)
    along = row - radius * np.sin(angles)
    phase = np.arctan2(across, -along) - angles
    distance = np.hypot(across, along)
    norm = np.sqrt((distance**-2.0).sum(0))
    return (np.exp(1j * phase) / distance / norm).astype(np.complex64)
