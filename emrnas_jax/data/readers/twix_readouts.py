"""The k-space of a Siemens scan, from its readouts and header as twixtools has them.

Of the measurements in a file the last one with an image counts, and the noise scans of
all. Reference lines for parallel imaging are part of k-space where the sequence says
that they lie in place. What would need more than a Fourier transform (other
trajectories, echo-planar readouts, slices measured together) is refused.

The header is a protocol, and sequences of other makers fill it with what they like. So
sizes are taken from it only if the counters of the readouts agree; else they are
counted, and a warning says so.

Source: twixtools (Ehses, MIT), `mdb.py` and `mdh_def.py`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Complex64

from emrnas_jax.data.readers.kspace_arrays import FoundKspace
from emrnas_jax.data.readers.kspace_readouts import (
    Grid,
    Place,
    Readout,
    cut_readout,
    in_planes,
    laid,
    trimmed,
    whitened,
)
from emrnas_jax.data.readers.source import reading
from emrnas_jax.data.readers.twix_header import Protocol, protocol_of
from emrnas_jax.errors import InputError

# Counters that make a frame, the slowest first; of the last five sequences decide.
FRAMES = ("Sli", "Eco", "Phs", "Rep", "Set", "Ida", "Idb", "Idc", "Idd", "Ide")
# Those that tell apart the readouts of a frame.
LINES = ("Lin", "Par", "Ave", "Seg")
NO_IMAGE = (
    *("ACQEND", "RTFEEDBACK", "HPFEEDBACK", "SYNCDATA", "REFPHASESTABSCAN"),
    *("PHASESTABSCAN", "PHASCOR", "NOISEADJSCAN", "RETRO_DUMMYSCAN"),
    *("SLICE_ACCEL_REFSCAN", "SLICE_ACCEL_PHASCOR", "noname60"),
)
TRAJECTORIES = {2: "radial", 4: "spiral", 8: "BLADE"}


def kspace_of(path: Path, measurements: Sequence[dict[str, Any]]) -> FoundKspace:
    """Return the k-space of the last measurement that has an image.

    Args:
        path: file, for messages.
        measurements: header `hdr` and readouts `mdb` of each, as twixtools has them.

    Raises:
        InputError: there is no image, or one that is not read.
    """
    found = None
    for measurement in measurements:
        protocol = protocol_of(measurement["hdr"])
        if images := [one for one in measurement["mdb"] if _is_image(one, protocol)]:
            found = protocol, images
    if found is None:
        raise InputError(f"{path}: holds no readouts of an image")
    protocol, images = found
    _require_cartesian(path, protocol, images)
    _require_counted(path, images)
    coils = int(images[0].mdh.UsedChannels)
    places, sizes, warnings = _places(images, protocol)
    samples, readout = _samples(images, protocol)
    kspace, mask = laid(
        path,
        places,
        _readouts(path, images, coils, samples),
        coils,
        Grid(samples, *sizes),
    )
    noise = [
        _data(path, one)
        for measurement in measurements
        for one in measurement["mdb"]
        if one.is_flag_set("NOISEADJSCAN") and one.mdh.UsedChannels == coils
    ]
    kspace = whitened(path, kspace, noise)
    if warnings and readout < samples:
        # A header that is silent on the lines may be of another scan here too.
        warnings += (
            f"the readout was cut from {samples} to {readout} samples, because the "
            "header calls it oversampled; look whether the object is whole",
        )
    return in_planes(cut_readout(kspace, readout), mask, warnings)


def _is_image(one: Any, protocol: Protocol) -> bool:
    if any(one.is_flag_set(flag) for flag in NO_IMAGE):
        return False
    # Lines for reference alone may be of another contrast and size.
    alone = one.is_flag_set("PATREFSCAN") and not one.is_flag_set("PATREFANDIMASCAN")
    return not alone or protocol.reference_in_place


def _require_cartesian(path: Path, protocol: Protocol, images: list[Any]) -> None:
    """Raise InputError where a Fourier transform of the readouts is no image."""
    if protocol.trajectory != 1:
        name = TRAJECTORIES.get(protocol.trajectory, f"number {protocol.trajectory}")
        raise InputError(
            f"{path}: the trajectory is {name}, and Cartesian scans alone are read; "
            "grid it first"
        )
    if protocol.bands > 1:
        raise InputError(
            f"{path}: {protocol.bands} slices were measured together (multiband), "
            "which is not read; separate them first"
        )
    frames = {_frame(one) for one in images}
    directions = {(_frame(one), one.is_flag_set("REFLECT")) for one in images}
    if protocol.regridding > 1 or len(directions) > len(frames):
        raise InputError(
            f"{path}: its readouts are echo-planar, sampled on ramps or in both "
            "directions, and their correction is not read; convert it first"
        )


def _require_counted(path: Path, images: list[Any]) -> None:
    """Raise InputError if a sequence does not number its readouts.

    Lines that have one number would be averaged, and all of k-space lost.
    """
    seen = Counter(
        (_frame(one), *(int(getattr(one.mdh.Counter, name)) for name in LINES))
        for one in images
    )
    [(_, most)] = seen.most_common(1)
    if most > 1:
        raise InputError(
            f"{path}: {most} readouts have the same counters, so the sequence does not "
            "number its lines; set its labels (LIN, PAR, SLC, AVG) and measure again"
        )


def _frame(one: Any) -> tuple[int, ...]:
    return tuple(int(getattr(one.mdh.Counter, name)) for name in FRAMES)


def _places(
    images: list[Any], protocol: Protocol
) -> tuple[list[Place], tuple[int, int], tuple[str, ...]]:
    """Return where readouts go, the numbers of lines and of planes, and warnings."""
    warnings, positions, sizes = [], [], []
    for counter, centre_of, stated, name in (
        ("Lin", "CenterLin", protocol.lines, "line"),
        ("Par", "CenterPar", protocol.planes, "partition"),
    ):
        own = np.array([getattr(one.mdh.Counter, counter) for one in images])
        last = int(own.max())
        centre = int(getattr(images[0].mdh, centre_of))
        if last and not centre:
            # Never the first line: sequences that do not say it leave it 0.
            centre = (last + 1) // 2
            stated = 0
            warnings.append(
                f"the readouts do not say which {name} has the zero frequency; "
                f"{centre}, in the middle of 0 to {last}, was taken"
            )
        # A slab of one partition, whatever the protocol says of partitions.
        size = max(stated, _needed(centre, int(own.min()), last)) if last else 1
        positions.append(own - centre + size // 2 if last else own)
        sizes.append(size)
    places = [
        Place(_frame(one), int(line), int(plane))
        for one, line, plane in zip(images, *positions, strict=True)
    ]
    return places, (sizes[0], sizes[1]), tuple(warnings)


def _needed(centre: int, first: int, last: int) -> int:
    """Return the fewest lines whose line size // 2 is the centre, and that hold all."""
    return max(2 * (centre - first), 2 * (last - centre) + 1)


def _samples(images: list[Any], protocol: Protocol) -> tuple[int, int]:
    """Return the samples of the readout, and those that the image needs."""
    needed = max(
        _needed(int(one.mdh.CenterCol), 0, int(one.mdh.SamplesInScan) - 1)
        for one in images
    )
    stated = round(protocol.base * protocol.oversampling)
    # An asymmetric echo needs one sample less; others are no scans of this protocol.
    if needed in (stated, stated - 1):
        return stated, protocol.base
    return needed, needed


def _readouts(
    path: Path, images: list[Any], coils: int, size: int
) -> Iterator[Readout]:
    """Yield the samples of every readout, read one by one.

    Raises:
        InputError: readouts have different coils.
    """
    for one in images:
        samples = _data(path, one)
        if len(samples) != coils:
            raise InputError(
                f"{path}: a readout has {len(samples)} coils, and the first has "
                f"{coils}; it is damaged, so copy it again"
            )
        cut = one.mdh.CutOff
        yield trimmed(
            path,
            samples,
            int(one.mdh.CenterCol),
            size,
            backwards=one.is_flag_set("REFLECT"),
            discard=(int(cut.Pre), int(cut.Post)),
        )


def _data(path: Path, one: Any) -> Complex64[np.ndarray, "coil sample"]:
    # Read from the file only now.
    with reading(path):
        return np.asarray(one.data, np.complex64)
