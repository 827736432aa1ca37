"""What the header of a Siemens scan says of its k-space and its pixels.

The header is a protocol, and sequences of other makers fill it with what they like, so
nothing of it is believed that contradicts the readouts.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry

AXES_OF_POSITION = ("dSag", "dCor", "dTra")
# The protocol's word for slices, not volumes.
FLAT = 2
# Where the protocol has reference lines: among those of the image.
IN_PLACE = 2


class Protocol(NamedTuple):
    """What the header says; 0 where it says nothing.

    Attributes:
        base: samples of the readout in the field of view of the image.
        oversampling: factor by which more samples are measured.
        lines: lines of the first phase encoding.
        planes: lines of the second.
        reference_in_place: whether reference lines are lines of the image.
        trajectory: 1 for Cartesian, else the number of another trajectory.
        bands: number of slices that are measured together.
        regridding: above 1 where samples lie on ramps of the gradient.
    """

    base: int
    oversampling: float
    lines: int
    planes: int
    reference_in_place: bool
    trajectory: int
    bands: int
    regridding: int


def protocol_of(header: Mapping[str, Any]) -> Protocol:
    """Return what the header of a measurement says."""
    yaps, meas = header.get("MeasYaps", {}), header.get("Meas", {})
    kspace = yaps.get("sKSpace", {})
    return Protocol(
        int(_number(kspace, "lBaseResolution")),
        _number(meas, "flReadoutOSFactor", 1.0),
        int(_number(kspace, "lPhaseEncodingLines")),
        int(_number(kspace, "lPartitions")),
        _number(yaps.get("sPat", {}), "ucRefScanMode") == IN_PLACE,
        int(_number(kspace, "ucTrajectory", 1.0)),
        int(_number(yaps.get("sSliceAcceleration", {}), "lMultiBandFactor", 1.0)),
        int(_number(meas, "alRegridMode", 1.0)),
    )


def stated_size(header: Mapping[str, Any], shape: tuple[int, int]) -> Geometry:
    """Return the size of pixels that a header states, if it is that of these images.

    Args:
        header: header of a measurement.
        shape: height and width of the images: the readout and the lines.
    """
    yaps, protocol = header.get("MeasYaps", {}), protocol_of(header)
    kspace = yaps.get("sKSpace", {})
    slices = yaps.get("sSliceArray", {}).get("asSlice") or [{}]
    sizes = [
        _number(slices[0], name) for name in ("dPhaseFOV", "dReadoutFOV", "dThickness")
    ]
    # Images of more lines than the protocol's have another field of view.
    fits = shape == (protocol.base, protocol.lines)
    oversampled = _number(kspace, "dPhaseOversamplingForDialog")
    flat = _number(kspace, "ucDimension") == FLAT
    if not (fits and flat and all(sizes)) or oversampled:
        return UNKNOWN
    across, down, through = sizes
    if len(slices) > 1:
        # Between slices there may be a gap.
        first, second = (
            [_number(one.get("sPosition", {}), name) for name in AXES_OF_POSITION]
            for one in slices[:2]
        )
        through = float(np.linalg.norm(np.subtract(first, second))) or through
    return Geometry((across / shape[1], down / shape[0], through))


def _number(values: Mapping[str, Any], name: str, default: float = 0.0) -> float:
    """Return a number of the header, the first of several, if there is one."""
    value = values.get(name, default)
    if isinstance(value, list):
        value = value[0] if value else default
    return float(value) if isinstance(value, int | float) else default
