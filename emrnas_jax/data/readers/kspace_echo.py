"""The echo, the sample with the most energy, where it lies beside the zero frequency.

Scanners that sample the echo early or late give images a phase that turns once over the
field of view for every sample. Magnitudes of complete images do not show it, but a
network of magnitudes assumes that there is none: with one sample it loses 20 dB (15.3
in place of 34.9 dB on two cardiac frames, `cardiac15`). So where magnitudes are wanted
and all samples of the axis were measured, k-space is moved, which is exact.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex64

from emrnas_jax.data.readers.kspace_masks import Masks
from emrnas_jax.data.readers.kspace_origin import SMALLEST

# The energy at the echo over that at the zero frequency, from which an echo lies
# elsewhere. Half a sample, which the phase of any object may be, makes them equal; real
# k-space that was tried has at most 2.7.
FARTHER = 4.0

Kspace = Complex64[np.ndarray, "frame *coil height width"]


class Echo(NamedTuple):
    """K-space with its echo at the zero frequency, where that is possible.

    Attributes:
        kspace: samples, zero frequency first.
        words: description for the line of a file; empty where nothing was moved.
        warnings: a sentence for every axis along which the echo lies elsewhere.
    """

    kspace: Kspace
    words: str
    warnings: list[str]


def centre_echo(
    kspace: Kspace, left_out: list[Masks | None], convention: str, *, magnitude: bool
) -> Echo:
    """Move the echo to the zero frequency along axes that are measured whole.

    Args:
        kspace: measured samples, zero frequency first.
        left_out: masks that leave samples out, one line wide along an axis that is
            whole; None for those that leave nothing out.
        convention: key of `kspace_conventions.CONVENTIONS` in which it was stored; its
            image has no phase in the middle where it is centred, else in a corner.
        magnitude: whether magnitudes are wanted; the phase of complex images is kept.
    """
    words, warnings = [], []
    for axis, name in ((-2, "row"), (-1, "column")):
        offset = echo_offset(kspace, axis)
        if not offset:
            continue
        size = kspace.shape[axis]
        place = f"the echo lies at {name} {size // 2 + offset} of {size}"
        beside = f"{place}, {abs(offset)} beside the middle"
        if not magnitude:
            warnings.append(f"{beside}, so complex images have a phase that turns")
        elif all(mask is None or mask.shape[axis] == 1 for mask in left_out):
            kspace = np.roll(kspace, -offset, axis)
            if convention == "centred":
                turn = np.exp(2j * np.pi * offset * (size // 2) / size)
                kspace = (kspace * turn).astype(np.complex64)
            words.append(f"{place.removeprefix('the ').replace('lies ', '')}, moved")
        else:
            warnings.append(
                f"{beside}, and {name}s are missing, so it is left there; store "
                f"np.roll(kspace, {-offset}, axis={axis}), and its mask likewise, for "
                "images without a phase"
            )
    return Echo(kspace, ", ".join(words), warnings)


def echo_offset(kspace: Kspace, axis: int) -> int:
    """Return by how many samples the echo lies beside the zero frequency; 0 if at it.

    Args:
        kspace: samples, zero frequency first.
        axis: -2 for rows, -1 for columns.
    """
    size = kspace.shape[axis]
    if size < SMALLEST:
        return 0
    others = tuple(n for n in range(kspace.ndim) if n != kspace.ndim + axis)
    energy = np.sum(np.abs(kspace) ** 2, axis=others)
    peak = int(np.argmax(energy))
    if energy[peak] < FARTHER * energy[0]:
        return 0
    return peak if peak <= size // 2 else peak - size
