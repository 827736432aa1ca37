"""Checks of whether k-space is stored in the convention that is declared.

K-space that is read in a wrong convention gives an image that looks almost right:
rolled by half its size, or multiplied by a checkerboard. Both can be seen in the data.

- The energy of k-space gathers around the zero frequency (`require_order`).
- The object is in the middle of the image, with air in its corners; and an object that
  reaches the border breaks off there, not in the middle (`middle_score`).

Certain mistakes raise InputError, uncertain ones give a warning. A convention that the
user declares is refused only if the zero frequency lies elsewhere. The thresholds were
chosen on real images; `python scripts/kspace_conventions.py FOLDER` measures how often
the checks are wrong there.
"""

import math

import numpy as np
from jaxtyping import Complex, Float, Inexact

from emrnas_jax.data.readers.kspace_conventions import ORDERS, Storage
from emrnas_jax.errors import InputError

# An image with a score below CERTAIN is rolled, one below UNCERTAIN perhaps. Nearly all
# images have a positive score, and rolled by half their size the negative of it.
CERTAIN, UNCERTAIN = -1.0, -0.1
# The same for an image rolled along one axis, by so much more than as it is.
ONE_AXIS = 2.0
# Pixels a side: smaller images show too little to judge them, or to be certain.
SMALLEST, SMALLEST_CERTAIN = 16, 64
# Part of the energy along an axis within an eighth of the zero frequency; 0.86 and more
# in all real k-space that was tried, complete or not.
GATHERED = 0.5

AXES = ("rows", "columns")
OTHER_ORIGIN = {"centred": "shifted", "shifted": "centred"}

Kspace = Complex[np.ndarray, "frame height width"]
Images = Inexact[np.ndarray, "frame height width"]


def require_order(kspace: Kspace, storage: Storage, where: str) -> list[str]:
    """Check that the zero frequency lies where the convention has it.

    Args:
        kspace: samples in the stored order, not converted.
        storage: the convention and norm that are stated.
        where: file and variable, for messages.

    Returns:
        A warning for every axis along which the energy gathers around no frequency.

    Raises:
        InputError: the zero frequency lies in the middle instead of first, or first
            instead of in the middle.
    """
    convention = storage.convention
    found = [_order(kspace, axis) for axis in (1, 2)]
    expected = ORDERS[convention.value]
    other = {"first": "middle", "middle": "first"}[expected]
    if other not in found:
        return [
            f"the energy of k-space gathers around no frequency along the {axis}; "
            "check that this axis is in k-space, not in the image"
            for axis, order, size in zip(AXES, found, kspace.shape[1:], strict=True)
            if order is None and size >= SMALLEST
        ]
    words = {"first": "at index 0", "middle": "in the middle"}
    # The two differ for odd sizes, where each undoes the other.
    shift = {"first": "np.fft.fftshift", "middle": "np.fft.ifftshift"}[other]
    if expected in found:
        axis = found.index(other)
        raise InputError(
            f"{where}: the zero frequency lies {words[other]} along the axis of the "
            f"{AXES[axis]} alone, and the convention {convention} has it "
            f"{words[expected]}; apply {shift}(kspace, axes={axis - 2}) and store it "
            "again"
        )
    fitting = [name for name, order in ORDERS.items() if order == other]
    raise InputError(
        f"{where}: the zero frequency lies {words[other]}, and the convention "
        f"{convention} has it {words[expected]}; use "
        + " or ".join(storage.option("convention", name) for name in fitting)
    )


def _order(kspace: Kspace, axis: int) -> str | None:
    """Return where most energy gathers along an axis: "first", "middle" or None.

    Short axes are not judged, because an eighth of them is a sample or two.
    """
    if kspace.shape[axis] < SMALLEST:
        return None
    others = tuple(a for a in range(3) if a != axis)
    energy = np.sum(np.abs(kspace) ** 2, axis=others)
    distance = np.abs(np.fft.fftfreq(len(energy)))
    first = energy[distance < 1 / 8].sum() / energy.sum()
    middle = energy[distance > 3 / 8].sum() / energy.sum()
    if max(first, middle) < GATHERED:
        return None
    return "first" if first > middle else "middle"


def origin_warnings(images: Images, storage: Storage, where: str) -> list[str]:
    """Check that the images are not rolled by half their size.

    A convention that the user declares is never refused, because the object may truly
    lie at the border; it gives a warning.

    Args:
        images: complete or zero-filled images, as the convention gives them.
        storage: the convention and norm of their k-space.
        where: file and variable, for messages.

    Returns:
        A warning where the images may be rolled.

    Raises:
        InputError: the images are rolled, and the user declares no convention.
    """
    score = middle_score(images)
    along = _rolled_axes(images)
    if score >= UNCERTAIN and not along:
        return []
    convention = storage.convention
    along = along or list(AXES)
    if len(along) == 1:
        axis = AXES.index(along[0])
        way_out = (
            "no convention has such images, so roll them with np.fft.fftshift(image, "
            f"axes={axis - 2}) before their transform"
        )
    elif other := OTHER_ORIGIN.get(convention.value):
        way_out = f"use {storage.option('convention', other)}"
    else:
        centred = storage.option("convention", "centred")
        way_out = f"apply np.fft.fftshift to k-space and use {centred}"
    border = f"the image's border along the {' and the '.join(along)}"
    large = min(images.shape[1:]) >= SMALLEST_CERTAIN
    if large and score < CERTAIN and convention.by != "given":
        raise InputError(
            f"{where}: with the convention {convention} the object is wrapped round "
            f"{border}; {way_out}, or give "
            f"{storage.option('convention', convention.value)} if it is right"
        )
    seems = "is" if score < CERTAIN else "may be"
    return [
        f"with the convention {convention} the object {seems} wrapped round {border}; "
        f"look at the result, and if so {way_out}"
    ]


def middle_score(images: Images) -> float:
    """Return a score that is positive where the object lies in the middle.

    It is half of the logarithm of the median magnitude in the middle over that in the
    four corners, and for each axis a quarter of the logarithm of the break at the
    border over the break in the middle. Rolling an image by half its size changes the
    sign.

    Args:
        images: all frames of one scan, which are judged together.

    Returns:
        The score, 0 for images smaller than SMALLEST on a side.
    """
    return 0.0 if min(images.shape[1:]) < SMALLEST else _scores(images)[0]


def _rolled_axes(images: Images) -> list[str]:
    """Return the one axis along which the images are rolled, or nothing."""
    if min(images.shape[1:]) < SMALLEST:
        return []
    as_they_are, rolled = _scores(images)
    if abs(rolled) - abs(as_they_are) < ONE_AXIS:
        return []
    return ["columns" if rolled > 0 else "rows"]


def _scores(images: Images) -> tuple[float, float]:
    """Return the score of the images as they are, and as rolled along the columns.

    Rolling along both axes, or along the rows, changes the sign of either.
    """
    magnitude = np.mean(np.abs(images), axis=0)
    # Air of exact zeros must not make a logarithm infinite.
    floor = float(1e-3 * magnitude.mean() + np.finfo(np.float32).tiny)
    rows, columns = (
        {"middle": distance < 0.2, "border": distance > 0.8}
        for distance in map(_position, magnitude.shape)
    )

    def level(row: str, column: str) -> float:
        block = magnitude[np.ix_(rows[row], columns[column])]
        return math.log(float(np.median(block)) + floor)

    along_rows, along_columns = (_break(images, axis, floor) / 4 for axis in (1, 2))
    both = (level("middle", "middle") - level("border", "border")) / 2
    one = (level("middle", "border") - level("border", "middle")) / 2
    return both + along_rows + along_columns, one + along_rows - along_columns


def _position(size: int) -> Float[np.ndarray, " size"]:
    """Return the distance of each pixel from the middle, 1 at the border."""
    return np.abs(np.arange(size) + 0.5 - size / 2) / (size / 2)


def _break(images: Images, axis: int, floor: float) -> float:
    """Return the break at the border over that in the middle, a logarithm in [-2, 2].

    A break is the difference of two neighbouring lines, relative to the differences
    beside it.
    """
    size = images.shape[axis]

    def difference(line: int) -> float:
        own, before = (images.take((line - k) % size, axis=axis) for k in (0, 1))
        return float(np.mean(np.abs(own - before))) + floor

    def relative(line: int) -> float:
        beside = np.mean([difference(line + k) for k in (-3, -2, -1, 1, 2, 3)])
        return math.log(difference(line) / beside)

    # Clipped, because one sharp edge in the middle must not outweigh the magnitudes.
    return float(np.clip(relative(0) - relative(size // 2), -2, 2))
