"""K-space and masks that are given to a function, checked and converted.

They pass the rules of `data.readers.kspace_input`, as files do.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Complex64
from numpy.typing import ArrayLike

from emrnas_jax.data.readers.kspace_conventions import (
    ARGUMENT,
    CONVENTIONS,
    NORMS,
    Storage,
    stated,
)
from emrnas_jax.data.readers.kspace_input import (
    PlainKspace,
    find_scale,
    frame_masks,
    plain_mask,
    to_plain,
)
from emrnas_jax.data.readers.kspace_masks import Masks, nonzero_mask
from emrnas_jax.data.readers.mask_checks import require_centre
from emrnas_jax.errors import InputError


class GivenKspace(NamedTuple):
    """K-space as a network takes it.

    Attributes:
        kspace: samples in the package's convention, zero where not measured, divided
            by `scale`.
        masks: one mask for each frame, zero frequency first.
        scale: factor from the network's intensities to the user's.
        warnings: a sentence for everything uncertain.
    """

    kspace: Complex64[np.ndarray, "frame *coil height width"]
    masks: Masks
    scale: float
    warnings: list[str]


def check_arguments(
    kspace: ArrayLike,
    mask: ArrayLike | None,
    scale: float | None,
    convention: str | None,
    norm: str | None,
    phase_encode: str,
    coils: bool = False,
) -> GivenKspace:
    """Check and convert the arguments of `reconstruct_kspace`.

    Args:
        kspace: complex samples, [height, width] or [..., height, width].
        mask: 1 or True where measured, in the order of `kspace`; None for the samples
            that are not zero.
        scale: intensity that is to be 1 for the network, None for the largest.
        convention: key of `CONVENTIONS`, `plain` if None.
        norm: key of `NORMS`, `ortho` if None.
        phase_encode: the network's axis, for masks of one axis in square frames.
        coils: whether k-space has an axis of coils before height and width.

    Raises:
        InputError: an argument cannot be used, or certainly contradicts the data.
    """
    storage = Storage(
        stated(convention, "", "plain", CONVENTIONS, "convention"),
        stated(norm, "", "ortho", NORMS, "norm"),
        ARGUMENT,
    )
    # Before the mask: samples outside it are k-space too, and show the convention.
    plain = to_plain(_complex_frames(kspace, coils), storage, "kspace")
    masks = _masks_of(mask, plain, phase_encode)
    frames = np.where(masks[:, None] if coils else masks, plain.values, 0)
    if not (filled := frames.reshape(len(frames), -1).any(axis=1)).any():
        raise InputError("kspace: found only zeros where the mask is True")
    # A frame of zeros says nothing about its mask.
    warnings = [*plain.warnings, *require_centre(masks[filled], "mask")]
    declared = None if scale is None else _number(scale)
    found = find_scale(frames, plain, "kspace", declared, "scale")
    # One factor, so that float64 k-space is rounded once.
    scaled = (frames * (plain.largest / found.scale)).astype(np.complex64)
    return GivenKspace(scaled, masks, found.scale, warnings + found.warnings)


def _number(scale: float) -> float:
    try:
        number = float(scale)
    except (TypeError, ValueError) as error:
        raise InputError(f"scale: expected a number, found {scale!r}") from error
    if not 0 < number < float("inf"):
        raise InputError(f"scale: found {scale!r}; give a number above 0")
    return number


def _complex_frames(
    kspace: ArrayLike, coils: bool
) -> Complex[np.ndarray, "frame *coil height width"]:
    """Return k-space with one axis of frames, if it is k-space."""
    values = np.asarray(kspace)
    if values.dtype.kind != "c":
        raise InputError(f"kspace: expected complex values, found {values.dtype}")
    coil = "coil, " * coils
    if values.ndim < 2 + coils or not values.size:
        raise InputError(
            f"kspace: expected the axes [{coil}height, width] or [..., {coil}height, "
            f"width], found the shape {values.shape}"
        )
    if not np.isfinite(values).all():
        raise InputError("kspace: found NaN or infinite values")
    return values.reshape(-1, *values.shape[-2 - coils :])


def _masks_of(mask: ArrayLike | None, plain: PlainKspace, phase_encode: str) -> Masks:
    """Return a mask for each frame, zero frequency first."""
    present = nonzero_mask(plain.values)
    # Complete k-space without a mask would be returned as it came.
    if mask is None:
        if present.all():
            raise InputError(
                "mask: found None, and no sample of kspace is zero, so it is not known "
                "which were measured; give the mask"
            )
        return present
    given = plain_mask(np.asarray(mask), plain.storage, "mask")
    # Of any number of leading axes, as `kspace` has them.
    flat = given if given.ndim == 1 else given.reshape(-1, *given.shape[-2:])
    frames, *_, height, width = plain.values.shape
    return frame_masks(flat, (frames, height, width), present, phase_encode, "mask")
