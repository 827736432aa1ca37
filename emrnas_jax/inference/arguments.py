"""K-space and masks that are given to a function, checked and converted.

Files of k-space are tested by the same rules in `data.readers.kspace_files` and
`inference.scans`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Complex64
from numpy.typing import ArrayLike

from emrnas_jax.data.readers.kspace_checks import (
    doubt_of_norm,
    doubt_of_scale,
    doubts_of_origin,
    require_order,
    require_single_precision,
)
from emrnas_jax.data.readers.kspace_conventions import (
    CONVENTIONS,
    NORMS,
    ORDERS,
    Storage,
    stated,
)
from emrnas_jax.data.readers.mask_checks import require_centre
from emrnas_jax.errors import InputError
from emrnas_jax.inference.scan_masks import (
    Masks,
    line_masks,
    nonzero_mask,
    one_each,
    sized_masks,
)


class GivenKspace(NamedTuple):
    """K-space as a network takes it.

    Attributes:
        kspace: in the package's convention, zero where not measured, divided by
            `scale`.
        masks: zero frequency first, one for each frame.
        scale: an intensity of the user is this times the network's.
        doubts: a sentence for everything doubtful.
    """

    kspace: Complex64[np.ndarray, "frame height width"]
    masks: Masks
    scale: float
    doubts: list[str]


def check_arguments(
    kspace: ArrayLike,
    mask: ArrayLike | None,
    scale: float | None,
    convention: str | None,
    norm: str | None,
    phase_encode: str,
) -> GivenKspace:
    """Check and convert what `reconstruct_kspace` is given; see there.

    Args:
        kspace: complex, [height, width] or [..., height, width].
        mask: in the order of `kspace`.
        scale: the intensity that is to be 1 for the network, None for the largest.
        convention: a key of `CONVENTIONS`, `plain` if None.
        norm: a key of `NORMS`, `ortho` if None.
        phase_encode: the network's axis, for masks of one axis in square frames.

    Raises:
        InputError: an argument cannot be used, or is certainly not what is said.
    """
    storage = Storage(
        stated(convention, "", "plain", CONVENTIONS, "convention"),
        stated(norm, "", "ortho", NORMS, "norm"),
        is_flag=False,
    )
    stored = _complex_frames(kspace)
    largest = float(np.abs(stored).max())  # may be beyond float32
    frames = stored / largest
    doubts = require_order(frames, storage, "kspace")
    frames = storage.convert(frames)
    masks = _masks_of(mask, frames, storage, phase_encode)
    frames = np.where(masks, frames, 0)
    if not (filled := frames.any(axis=(1, 2))).any():
        raise InputError("kspace: found only zeros where the mask is True")
    doubts += require_centre(masks[filled], "mask")
    unit = largest / storage.factor(*frames.shape[1:])  # intensity of the value 1
    images = np.fft.ifft2(frames, norm="ortho")
    brightest = unit * float(np.abs(images).max())
    doubts += doubts_of_origin(images[filled], storage, "kspace")
    doubts += doubt_of_norm(brightest, images[0].size, storage)
    if scale is None:
        scale = brightest
    else:
        scale = _number(scale)
        doubts += doubt_of_scale(scale, brightest, "scale")
    require_single_precision(scale, "kspace")
    scaled = (frames * (unit / scale)).astype(np.complex64)
    return GivenKspace(scaled, masks, scale, doubts)


def _number(scale: float) -> float:
    try:
        number = float(scale)
    except (TypeError, ValueError) as error:
        raise InputError(f"scale: expected a number, found {scale!r}") from error
    if not 0 < number < float("inf"):
        raise InputError(f"scale: found {scale!r}; give a number above 0")
    return number


def _complex_frames(kspace: ArrayLike) -> Complex[np.ndarray, "frame height width"]:
    """Return k-space with one axis of frames, if it is k-space."""
    values = np.asarray(kspace)
    if values.dtype.kind != "c":
        raise InputError(f"kspace: expected complex values, found {values.dtype}")
    if values.ndim < 2 or not values.size:
        raise InputError(
            "kspace: expected the axes [height, width] or [..., height, width], found "
            f"the shape {values.shape}"
        )
    if not np.isfinite(values).all():
        raise InputError("kspace: found NaN or infinite values")
    if not values.any():
        raise InputError("kspace: found only zeros")
    return values.reshape(-1, *values.shape[-2:])


def _masks_of(
    mask: ArrayLike | None,
    kspace: Complex[np.ndarray, "frame height width"],
    storage: Storage,
    phase_encode: str,
) -> Masks:
    """Return a mask for each frame, zero frequency first; `kspace` is the package's."""
    present = nonzero_mask(kspace)
    if mask is None:
        if present.all():
            raise InputError(
                "mask: found None, and no sample of kspace is zero, so it is not known "
                "which were measured; give the mask"
            )
        return present
    given = np.asarray(mask)
    if given.dtype.kind not in "biuf" or not np.isin(given, (0, 1)).all():
        raise InputError(
            f"mask: expected only 0 and 1, found {given.dtype} of other values; give "
            "mask > 0.5"
        )
    if not given.ndim:
        raise InputError("mask: expected an array, found one number")
    if not given.any():
        raise InputError("mask: marks nothing as measured")
    given = given.astype(bool)
    if ORDERS[storage.convention.value] == "middle":
        given = np.fft.ifftshift(given, (-1,) if given.ndim == 1 else (-2, -1))
    size = kspace.shape[1:]
    if given.ndim == 1:
        found = line_masks(given[None], size, present, phase_encode, "mask")
    else:
        # Of any number of leading axes, as `kspace` has them.
        found = sized_masks(given.reshape(-1, *given.shape[-2:]), size, "mask")
    return one_each(found, len(kspace), "mask")
