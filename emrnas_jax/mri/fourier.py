"""Orthonormal Fourier transforms, and an image as one complex or two real channels.

Inside the package k-space has its zero frequency at index [0, 0] and belongs to the
image as it is stored, not rolled. Scanners and data sets often centre both; readers
convert once with `from_centred_kspace`, writers with `to_centred_kspace`.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Complex, Float, Inexact


def fft2(
    image: Inexact[Array, "*batch height width"],
) -> Complex[Array, "*batch height width"]:
    """Return the k-space of `image`: orthonormal, zero frequency at [0, 0]."""
    return jnp.fft.fft2(image, norm="ortho")


def ifft2(
    kspace: Inexact[Array, "*batch height width"],
) -> Complex[Array, "*batch height width"]:
    """Return the image of `kspace`: inverse and adjoint of `fft2`."""
    return jnp.fft.ifft2(kspace, norm="ortho")


def to_complex(
    image: Float[Array, "*batch height width 2"],
) -> Complex[Array, "*batch height width"]:
    """Join the real and the imaginary channel of a network's image."""
    return lax.complex(image[..., 0], image[..., 1])


def to_channels(
    image: Complex[Array, "*batch height width"],
) -> Float[Array, "*batch height width 2"]:
    """Split a complex image into the real and imaginary channels of a network."""
    return jnp.stack([image.real, image.imag], axis=-1)


def from_centred_kspace(
    kspace: Complex[np.ndarray, "*batch height width"],
) -> Complex[np.ndarray, "*batch height width"]:
    """Convert centred k-space to the package's convention, without a transform.

    A transform would turn the exact zeros of unmeasured lines into rounding noise; a
    shift and a phase keep them zero.

    Args:
        kspace: orthonormal, zero frequency and image origin both in the middle, at
            index size // 2, as `fftshift(fft2(ifftshift(image)))` has them.

    Returns:
        complex64 k-space of the same image, zero frequency first.

    Source: fastMRI's `fft2c`.
    """
    phase = _origin_phase(*kspace.shape[-2:])
    found = np.empty(kspace.shape, np.complex64)
    # One image at a time: a volume in double precision may not fit into memory.
    for index in np.ndindex(kspace.shape[:-2]):
        found[index] = np.fft.ifftshift(kspace[index]) * phase
    return found


def to_centred_kspace(
    kspace: Complex[np.ndarray, "*batch height width"],
) -> Complex[np.ndarray, "*batch height width"]:
    """Convert the package's k-space to the centred convention: the way back."""
    phased = kspace * _origin_phase(*kspace.shape[-2:]).conj()
    return np.fft.fftshift(phased, axes=(-2, -1)).astype(np.complex64)


def _origin_phase(height: int, width: int) -> Complex[np.ndarray, "height width"]:
    """Return the phase that moves the image origin from the middle to index [0, 0]."""
    return _axis_phase(height)[:, None] * _axis_phase(width)


def _axis_phase(size: int) -> Complex[np.ndarray, " size"]:
    """Return exp(-2πi k (size // 2) / size) for k = 0 .. size - 1."""
    if size % 2 == 0:
        # Exactly ±1, where the exponential would leave imaginary parts of 1e-16.
        return np.where(np.arange(size) % 2 == 0, 1, -1).astype(np.complex64)
    turns = np.arange(size) * (size // 2) % size / size
    return np.exp(-2j * np.pi * turns).astype(np.complex64)
