"""The coil maps of frames: given, or estimated from their own calibration region."""

import logging
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Complex64
from numpy.typing import ArrayLike

from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import normalise_maps
from emrnas_jax.mri.espirit import (
    EspiritSettings,
    calibration_region,
    espirit,
    explained,
)

LOG = logging.getLogger("emrnas_jax")

# Of a brain of 8 coils, maps below the first gave images worse than zero-filled ones,
# those above the second the error of the best.
LEAST_EXPLAINED, WELL_EXPLAINED = 0.9, 0.98


def estimate_maps(
    kspace: Complex[Array, "frame coil height width"],
    mask: Bool[Array, "#frame #height #width"],
    most: int = 1,
) -> Complex[Array, "frame *map coil height width"]:
    """Return the coil maps of every frame, by ESPIRiT.

    Args:
        kspace: measured samples, zero frequency first.
        mask: True where k-space was measured; the fully measured block around the zero
            frequency is the calibration region.
        most: largest number of sets of maps, 1 or 2; there is an axis of sets where one
            does not explain a frame.

    Raises:
        InputError: the calibration region of a frame is too small, or its maps do not
            explain it.
    """
    size = (kspace.shape[-2], kspace.shape[-1])
    found = []
    # Regions differ from frame to frame, so the maps are estimated one at a time.
    for frame, own in zip(kspace, np.asarray(mask), strict=True):
        region = calibration_region(own, size)
        maps, _ = espirit(frame, region)
        part = float(explained(frame, region, maps))
        if part < WELL_EXPLAINED and most == 2 < len(frame):
            maps, _ = espirit(frame, region, EspiritSettings(maps=2))
            part = float(explained(frame, region, maps))
        _require_explained(part, region)
        found.append(maps)
    if all(len(maps) == 1 for maps in found):
        return jnp.stack(found)[:, 0]
    # A set of zeros has an image of zeros, and changes nothing.
    return jnp.stack(
        [jnp.pad(maps, ((0, 2 - len(maps)), *[(0, 0)] * 3)) for maps in found]
    )


def _require_explained(part: float, region: tuple[slice, slice]) -> None:
    """Refuse maps that do not explain the samples that they were estimated from.

    Raises:
        InputError: a large part is left.
    """
    rows, columns = (side.stop - side.start for side in region)
    message = (
        f"the estimated coil maps explain {part:.0%} of the {rows} x {columns} samples "
        "of the calibration region, and good ones 99 %: it is small or noisy, or the "
        "object is larger than the field of view"
    )
    if part < LEAST_EXPLAINED:
        raise InputError(
            f"{message}; measure more lines in the centre, or give coil maps "
            "(`reconstruct_kspace`)"
        )
    if part < WELL_EXPLAINED:
        LOG.warning("%s; look at the result", message)


def check_maps(
    coil_maps: ArrayLike, shape: Sequence[int]
) -> Complex64[np.ndarray, "frame coil height width"]:
    """Return given coil maps for every frame, scaled to Σ|S|² = 1.

    Args:
        coil_maps: sensitivities, for all frames or for each.
        shape: frames, coils, height and width of the k-space.

    Raises:
        InputError: k-space has no coils, the maps are of another number or size, or not
            finite.
    """
    maps = np.asarray(coil_maps)
    if len(shape) != 4:
        raise InputError("coil_maps: k-space has no axis of coils; give coils=True")
    frames, *each = shape
    if maps.shape[-3:] != tuple(each) or maps.size not in (
        np.prod(each),
        np.prod(shape),
    ):
        raise InputError(
            f"coil_maps: found the shape {maps.shape} for k-space of {frames} frames "
            f"and {each[0]} coils of {each[1]} x {each[2]}; give {tuple(each)}, or one "
            "for every frame"
        )
    if not np.isfinite(maps).all():
        raise InputError("coil_maps: found NaN or infinite values")
    # The same for all frames, unless there are as many as frames.
    every = np.broadcast_to(maps.reshape(-1, *each), shape)
    return np.asarray(normalise_maps(jnp.asarray(every, jnp.complex64)))
