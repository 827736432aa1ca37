"""Checks of whether the intensities of k-space's images are plausible.

The scale of k-space is arbitrary, so an unusual one gives a warning. Only what single
precision cannot hold is refused.
"""

from emrnas_jax.data.readers.kspace_conventions import NORMS, Storage
from emrnas_jax.data.readers.kspace_origin import SMALLEST_CERTAIN
from emrnas_jax.errors import InputError

# Largest intensity of zero-filled images of [0, 1]; 0.3 to 1.2 in all that were tried.
UNIT_RANGE = (0.1, 1.5)
# Largest intensity over the scale outside which no network was trained.
SCALE_RANGE = (0.02, 5.0)
# Intensities whose squares, and squares of their noise, single precision holds.
SINGLE_PRECISION = (1e-18, 1e18)


def norm_warnings(
    largest: float, pixels: int, storage: Storage, *, any_scale: bool = False
) -> list[str]:
    """Warn where the other norm would give the intensities of images in [0, 1].

    Images in [0, 1] that were transformed without `norm="ortho"` come out too bright,
    by the square root of the number of their pixels.

    Args:
        largest: largest intensity of the zero-filled images, in the stated norm.
        pixels: number of pixels of a frame.
        storage: the convention and norm that are stated.
        any_scale: whether intensities have no meaning, as a scanner's have none.

    Returns:
        A warning where the other norm fits better.
    """
    norm = storage.norm
    # In small images both norms give intensities of about 1.
    if any_scale or pixels < SMALLEST_CERTAIN**2:
        return []
    other = "backward" if norm.value == "ortho" else "ortho"
    factor = pixels ** (NORMS[norm.value] - NORMS[other])
    low, high = UNIT_RANGE
    if low < largest <= high or not low < largest * factor <= high:
        return []
    keep = "" if norm.by == "given" else f", else {storage.option('norm', norm.value)}"
    size = "large" if factor < 1 else "small"
    return [
        f"with the norm {norm} intensities are {size}, and with the norm {other} as in "
        "images of [0, 1]; if k-space was computed from such images, use "
        f"{storage.option('norm', other)}{keep}"
    ]


def scale_warnings(scale: float, largest: float, name: str) -> list[str]:
    """Warn where a declared scale makes intensities that networks do not know.

    Args:
        scale: intensity that shall be 1 for the network.
        largest: largest intensity of the zero-filled images.
        name: name of the scale for the user.

    Returns:
        A warning where the two differ by a large factor.
    """
    low, high = SCALE_RANGE
    if low <= largest / scale <= high:
        return []
    return [
        f"{name}={scale:g}, and the zero-filled images reach {largest:.3g}; networks "
        "are trained on intensities in [0, 1], so give about the largest, or leave it "
        "out"
    ]


def require_single_precision(scale: float, where: str) -> None:
    """Refuse intensities that single precision does not hold.

    Args:
        scale: intensity that is 1 for the network.
        where: file and variable, for messages.

    Raises:
        InputError: the scale is too large, too small or not a number.
    """
    low, high = SINGLE_PRECISION
    if not low <= scale <= high:
        raise InputError(
            f"{where}: intensities of about {scale:.3g} are beyond single precision; "
            f"divide k-space by {scale:.3g} and store it again"
        )
