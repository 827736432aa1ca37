"""Images of several coils, as the cache and the batches hold them.

Beside the image of each coil lies its sensitivity map: an array `[height, width, 2,
coil, 2]`, where the first axis of 2 is image and map, and the last one real and
imaginary part. Height and width come first as in every other image, so frames of coils
are cut, mirrored and read ahead like others.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Complex64, Float32

from emrnas_jax.mri.coils import birdcage

# Simulated coils stand at a distance from the middle between these, in half image
# sizes: outside of the image, and near enough to see less of the far side.
NEAREST, FARTHEST = 1.2, 1.8

AXES = 5  # of one stored frame


def joined(
    images: Complex64[np.ndarray, "coil height width"],
    coil_maps: Complex64[np.ndarray, "coil height width"],
) -> Float32[np.ndarray, "height width 2 coil 2"]:
    """Return the images of coils beside their maps, as they are stored."""
    pair = np.moveaxis(np.stack([images, coil_maps]), (2, 3), (0, 1))
    return np.stack([np.real(pair), np.imag(pair)], axis=-1)


def parted(
    stored: Float32[Array, "frame height width 2 coil 2"],
) -> tuple[
    Complex[Array, "frame coil height width"], Complex[Array, "frame coil height width"]
]:
    """Return the images of coils, and their maps, of stored frames; inside `jit`."""
    pair = jnp.moveaxis(stored[..., 0] + 1j * stored[..., 1], (1, 2), (3, 4))
    return pair[:, 0], pair[:, 1]


def combined(
    stored: Float32[np.ndarray, "frame height width 2 coil 2"],
) -> Complex64[np.ndarray, "frame height width"]:
    """Return the images that the maps combine of those of the coils, Sᴴ y."""
    images, coil_maps = (
        stored[:, :, :, part, :, 0] + 1j * stored[:, :, :, part, :, 1]
        for part in (0, 1)
    )
    return (coil_maps.conj() * images).sum(-1)


def root_sum_of_squares(
    stored: Float32[np.ndarray, "frame height width 2 coil 2"],
) -> Float32[np.ndarray, "frame height width"]:
    """Return the root of the sum of squares of the coils' images."""
    return np.sqrt(np.sum(stored[:, :, :, 0] ** 2, axis=(-2, -1)))


def simulated(
    image: Float32[np.ndarray, "height width 2"], coils: int, number: int
) -> Float32[np.ndarray, "height width 2 coil 2"]:
    """Return what the coils of a birdcage see of a complex image.

    Args:
        image: real and imaginary parts.
        coils: number of coils, evenly spread around the image.
        number: the frame's number, which decides the angle and the distance of the
            coils, so that no two frames have the same maps.
    """
    random = np.random.default_rng(number)
    radius, start = random.uniform([NEAREST, 0], [FARTHEST, 2 * np.pi])
    height, width = image.shape[:2]
    maps = birdcage(coils, (height, width), radius, start)
    return joined(maps * (image[..., 0] + 1j * image[..., 1]), maps)


def with_unit_maps(
    stored: Float32[np.ndarray, "height width 2 coil 2"],
) -> Float32[np.ndarray, "height width 2 coil 2"]:
    """Scale maps to Σ|S|² = 1 again, which averages of pixels do not keep."""
    norm = np.sqrt(np.sum(stored[:, :, 1] ** 2, axis=(-2, -1), keepdims=True))
    # Where no coil sees anything the maps stay 0.
    stored[:, :, 1] /= np.where(norm > 0, norm, 1)
    return stored
