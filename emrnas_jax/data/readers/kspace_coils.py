"""Images of several coils to train on, from complete k-space."""

import logging
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex64, Float, Float32

from emrnas_jax.data.coil_images import joined
from emrnas_jax.data.readers.scan import Scan
from emrnas_jax.errors import InputError
from emrnas_jax.mri.coil_maps import LEAST_EXPLAINED, WELL_EXPLAINED, maps_within
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

    Frames whose maps explain too little, such as slices of noise alone, are left out.

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
    parts = np.ones(len(kspace))  # of the centre that the maps explain
    for position, frame in enumerate(kspace):
        if maps is None:
            own, parts[position] = _maps_of(frame, path)
        else:
            own = maps[position]
        if parts[position] < LEAST_EXPLAINED:
            continue
        missing = [(0, coils - len(frame)), (0, 0), (0, 0)]
        images = np.asarray(ifft2(jnp.asarray(frame)))
        yield position, joined(np.pad(images, missing), np.pad(own, missing))
    _say_explained(parts, path)


def _say_explained(parts: Float[np.ndarray, " frame"], path: Path) -> None:
    """Warn, in one line for a file, of frames whose maps explain too little.

    Raises:
        InputError: no frame is left.
    """
    left_out = np.count_nonzero(parts < LEAST_EXPLAINED)
    doubtful = np.count_nonzero(parts < WELL_EXPLAINED)
    if left_out == len(parts):
        raise InputError(
            f"{path}: no frame has coil maps that explain the centre of its k-space, "
            f"at most {parts.max():.0%} of it; it is noise, or the object is larger "
            "than the field of view; store maps beside k-space as `sens_maps`"
        )
    if doubtful:
        LOG.warning(
            "%s: the coil maps of %d of %d frames explain less than %d %% of the "
            "centre of k-space; %d of them, below %d %%, were left out",
            *(path, doubtful, len(parts), 100 * WELL_EXPLAINED),
            *(left_out, 100 * LEAST_EXPLAINED),
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
    kspace: Complex64[np.ndarray, "coil height width"], path: Path
) -> tuple[Complex64[np.ndarray, "coil height width"], float]:
    """Estimate the maps of a frame from the centre of its k-space.

    Returns:
        The maps, and the part of the centre that they explain.

    Raises:
        InputError: the frame is too small.
    """
    rows, columns = (_middle(size) for size in kspace.shape[1:])
    try:
        maps, part = maps_within(jnp.asarray(kspace), (rows, columns))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return np.asarray(maps[0]), part


def _middle(size: int) -> slice:
    start = max(size // 2 - CALIBRATION // 2, 0)
    return slice(start, min(start + CALIBRATION, size))
