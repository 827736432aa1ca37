"""Estimate the coil maps of frames from their own calibration region."""

import logging

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex

from emrnas_jax.errors import InputError
from emrnas_jax.mri.calibration import calibration_region
from emrnas_jax.mri.espirit import EspiritSettings, espirit, explained

LOG = logging.getLogger("emrnas_jax")

# Of a brain of 8 coils, maps below the first gave images worse than zero-filled ones,
# those above the second the error of the best.
LEAST_EXPLAINED, WELL_EXPLAINED = 0.9, 0.98
ONE_MAP = EspiritSettings()


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
        maps, part = maps_within(frame, region)
        if part < WELL_EXPLAINED and most == 2 < len(frame):
            maps, part = maps_within(frame, region, EspiritSettings(maps=2))
        _require_explained(part, region)
        found.append(maps)
    if all(len(maps) == 1 for maps in found):
        return jnp.stack(found)[:, 0]
    # A set of zeros has an image of zeros, and changes nothing.
    return jnp.stack(
        [jnp.pad(maps, ((0, 2 - len(maps)), *[(0, 0)] * 3)) for maps in found]
    )


def maps_within(
    kspace: Complex[Array, "coil height width"],
    region: tuple[slice, slice],
    settings: EspiritSettings = ONE_MAP,
) -> tuple[Complex[Array, "map coil height width"], float]:
    """Return the coil maps of one frame, and the part of a region that they explain.

    Args:
        kspace: samples, zero frequency first.
        region: rows and columns of the calibration region, in centred order.
        settings: number of maps, kernel and thresholds.

    Raises:
        InputError: the region is too small.
    """
    maps, _ = espirit(kspace, region, settings)
    return maps, float(explained(kspace, region, maps))


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
