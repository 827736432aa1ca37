"""Images of several coils to train on, from complete k-space."""

import logging
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex64, Float32

from emrnas_jax.data.coil_images import joined
from emrnas_jax.data.readers.scan import Scan
from emrnas_jax.errors import InputError
from emrnas_jax.mri.coil_maps import estimate_maps
from emrnas_jax.mri.coils import apply_to_coils, compression_matrix, normalise_maps
from emrnas_jax.mri.fourier import ifft2

# Lines in the centre of complete k-space from which coils are compressed and their maps
# estimated; a scan with lines missing has about as many.
CALIBRATION = 24

LOG = logging.getLogger("emrnas_jax")


def images_of_coils(
    scan: Scan, coils: int, path: Path
) -> Iterator[tuple[int, Float32[np.ndarray, "height width 2 coil 2"]]]:
    """Yield the images of every frame's coils beside their maps.

    Frames whose maps cannot be estimated, such as slices of noise alone, are left out.

    Args:
        scan: complete k-space of several coils.
        coils: number of coils that are wanted: more are compressed, fewer get coils
            that see nothing, which changes nothing.
        path: the file, for messages.

    Yields:
        The frame's position in the scan, and its images as `data.coil_images` has them.

    Raises:
        InputError: no frame has maps.
    """
    assert scan.kspace is not None
    kspace, maps = _compressed(scan, coils)
    left_out: list[str] = []
    for position, frame in enumerate(kspace):
        try:
            own = _maps_of(frame) if maps is None else maps[position]
        except InputError as error:
            left_out.append(f"frame {position}: {error}")
            continue
        missing = [(0, coils - len(frame)), (0, 0), (0, 0)]
        images = np.asarray(ifft2(jnp.asarray(frame)))
        yield position, joined(np.pad(images, missing), np.pad(own, missing))
    if len(left_out) == len(kspace):
        raise InputError(f"{path}: {left_out[len(kspace) // 2]}")
    if left_out:
        LOG.warning(
            "%s: left out %d of %d frames without coil maps, first %s",
            *(path, len(left_out), len(kspace), left_out[0]),
        )


def _compressed(
    scan: Scan, coils: int
) -> tuple[
    Complex64[np.ndarray, "frame coil height width"],
    Complex64[np.ndarray, "frame coil height width"] | None,
]:
    """Return k-space and given maps of at most `coils` coils."""
    kspace, maps = scan.kspace, scan.coil_maps
    assert kspace is not None
    if kspace.shape[1] <= coils:
        return kspace, maps
    # One matrix for all frames: a volume keeps its virtual coils.
    centre = np.fft.fftshift(kspace[len(kspace) // 2], axes=(-2, -1))
    rows, columns = (_middle(size) for size in centre.shape[1:])
    matrix = compression_matrix(jnp.asarray(centre[:, rows, columns]), coils)
    kspace = np.asarray(apply_to_coils(matrix, jnp.asarray(kspace)))
    if maps is not None:
        # What the virtual coils lose, their maps lose too.
        maps = np.asarray(normalise_maps(apply_to_coils(matrix, jnp.asarray(maps))))
    return kspace, maps


def _maps_of(
    kspace: Complex64[np.ndarray, "coil height width"],
) -> Complex64[np.ndarray, "coil height width"]:
    """Estimate the maps of a frame from the centre of its k-space."""
    mask = np.zeros(kspace.shape[1:], bool)
    rows, columns = (_middle(size) for size in mask.shape)
    mask[rows, columns] = True
    found = estimate_maps(
        jnp.asarray(kspace)[None], jnp.asarray(np.fft.ifftshift(mask))[None]
    )
    return np.asarray(found[0])


def _middle(size: int) -> slice:
    start = max(size // 2 - CALIBRATION // 2, 0)
    return slice(start, min(start + CALIBRATION, size))
