"""Tests of whether k-space is stored as it is said to be.

K-space that is read in a wrong convention gives an image that looks almost right:
rolled by half its size, or multiplied by a checkerboard. Both can be seen in the data.

- The energy of k-space gathers around the zero frequency (`require_order`).
- The object is in the middle of the image, with air in its corners; and an object that
  reaches the border breaks off there, not in the middle (`middle_score`).
- Images in [0, 1] that were transformed without `norm="ortho"` come out too bright, by
  the square root of the number of their pixels (`doubt_of_norm`).

What is certain raises InputError, what is doubtful is returned as a sentence. What the
user states with the command is refused only if the zero frequency lies elsewhere. The
thresholds were chosen on real images; `python scripts/kspace_conventions.py FOLDER`
measures how often the tests are wrong there.
"""

import math

import numpy as np
from jaxtyping import Complex, Float, Inexact

from emrnas_jax.data.readers.kspace_conventions import NORMS, ORDERS, Storage
from emrnas_jax.errors import InputError

# An image with a score below CERTAIN is rolled, one below DOUBTFUL perhaps. Nearly all
# images have a positive score, and rolled by half their size the negative.
CERTAIN, DOUBTFUL = -1.0, -0.1
# The same for an image rolled along one axis, by so much more than as it is.
ONE_AXIS = 2.0
# Pixels a side: smaller images show too little to judge them, or to be certain.
SMALLEST, SMALLEST_CERTAIN = 16, 64
# Part of the energy along an axis within an eighth of the zero frequency; 0.86 and more
# in all real k-space that was tried, complete or not.
GATHERED = 0.5
# Largest intensity of zero-filled images of [0, 1]; 0.3 to 1.2 in all that were tried.
UNIT_RANGE = (0.1, 1.5)
# Largest intensity over `scale` outside which no network was trained.
SCALE_RANGE = (0.02, 5.0)
# Intensities that single precision and its squares hold.
SINGLE_PRECISION = (1e-18, 1e18)

AXES = ("rows", "columns")
OTHER_ORIGIN = {"centred": "shifted", "shifted": "centred"}

Kspace = Complex[np.ndarray, "frame height width"]
Images = Inexact[np.ndarray, "frame height width"]


def require_order(kspace: Kspace, storage: Storage, place: str) -> list[str]:
    """Check that the zero frequency lies where the convention has it.

    Args:
        kspace: as stored, not converted.
        storage: what is said of it.
        place: the file and its variable, for messages.

    Returns:
        a sentence for every axis on which the energy gathers nowhere.

    Raises:
        InputError: the zero frequency is at the other place.
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
    where = {"first": "at index 0", "middle": "in the middle"}
    # The opposite of each other for odd sizes.
    shift = {"first": "np.fft.fftshift", "middle": "np.fft.ifftshift"}[other]
    if expected in found:
        axis = found.index(other)
        raise InputError(
            f"{place}: the zero frequency lies {where[other]} along the axis of the "
            f"{AXES[axis]} alone, and the convention {convention} has it "
            f"{where[expected]}; apply {shift}(kspace, axes={axis - 2}) and store it "
            "again"
        )
    fitting = [name for name, order in ORDERS.items() if order == other]
    raise InputError(
        f"{place}: the zero frequency lies {where[other]}, and the convention "
        f"{convention} has it {where[expected]}; use "
        + " or ".join(storage.option("convention", name) for name in fitting)
    )


def _order(kspace: Kspace, axis: int) -> str | None:
    """Return where most energy gathers along an axis: "first", "middle" or None.

    Short axes are not judged: an eighth of them is a sample or two.
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


def doubts_of_origin(images: Images, storage: Storage, place: str) -> list[str]:
    """Check that the image is not rolled by half its size.

    What the user states with the command is doubted, never refused: it may be right.

    Args:
        images: complete or zero-filled, as the convention gives them.
        storage: what is said of their k-space.
        place: the file and its variable, for messages.

    Returns:
        a sentence where the image may be rolled.

    Raises:
        InputError: it is rolled, and nobody but the file says how k-space is stored.
    """
    score = middle_score(images)
    along = _rolled_axes(images)
    if score >= DOUBTFUL and not along:
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
            f"{place}: with the convention {convention} the object is wrapped round "
            f"{border}; {way_out}, or give "
            f"{storage.option('convention', convention.value)} if it is right"
        )
    seems = "is" if score < CERTAIN else "may be"
    return [
        f"with the convention {convention} the object {seems} wrapped round {border}; "
        f"look at the result, and if so {way_out}"
    ]


def middle_score(images: Images) -> float:
    """Return how much the images look as images do, and not rolled by half their size.

    Half of the logarithm of the median magnitude in the middle over that in the four
    corners, and a quarter of that of the break at the border over the break in the
    middle, for each axis. Rolling an image by half its size changes the sign.

    Args:
        images: frames of one scan, taken together.

    Returns:
        0 for images smaller than SMALLEST on a side.
    """
    return 0.0 if min(images.shape[1:]) < SMALLEST else _scores(images)[0]


def _rolled_axes(images: Images) -> list[str]:
    """Return the axis along which alone the images are rolled, if so; else nothing."""
    if min(images.shape[1:]) < SMALLEST:
        return []
    as_they_are, rolled = _scores(images)
    if abs(rolled) - abs(as_they_are) < ONE_AXIS:
        return []
    return ["columns" if rolled > 0 else "rows"]


def _scores(images: Images) -> tuple[float, float]:
    """Return the score of the images as they are, and as rolled along the columns.

    Rolling along both axes, or along the other one, changes the sign of either.
    """
    magnitude = np.mean(np.abs(images), axis=0)
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

    Each is the difference of neighbouring lines, relative to those beside it.
    """
    size = images.shape[axis]

    def difference(line: int) -> float:
        own, before = (images.take((line - k) % size, axis=axis) for k in (0, 1))
        return float(np.mean(np.abs(own - before))) + floor

    def relative(line: int) -> float:
        beside = np.mean([difference(line + k) for k in (-3, -2, -1, 1, 2, 3)])
        return math.log(difference(line) / beside)

    return float(np.clip(relative(0) - relative(size // 2), -2, 2))


def doubt_of_norm(
    largest: float, pixels: int, storage: Storage, *, from_scanner: bool = False
) -> list[str]:
    """Compare the intensities with those of images in [0, 1].

    The scale of k-space is arbitrary, so this is a doubt and no more: where the other
    norm would give intensities as images in [0, 1] have them, it is named.

    Args:
        largest: intensity of the zero-filled images, in the norm that is stated.
        pixels: of a frame.
        storage: what is said of the k-space.
        from_scanner: the file has a scanner's header, so its scale means nothing.

    Returns:
        a sentence where the other norm fits better.
    """
    norm = storage.norm
    # In small images both norms give intensities of about 1.
    if from_scanner or pixels < SMALLEST_CERTAIN**2:
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


def doubt_of_scale(scale: float, largest: float, name: str) -> list[str]:
    """Test that a given scale makes intensities that networks are trained on.

    Args:
        scale: the intensity that shall be 1 for the network.
        largest: intensity of the zero-filled images.
        name: what the user calls the scale.

    Returns:
        a sentence where they differ much.
    """
    low, high = SCALE_RANGE
    if low <= largest / scale <= high:
        return []
    return [
        f"{name}={scale:g}, and the zero-filled images reach {largest:.3g}; networks "
        "are trained on intensities in [0, 1], so give about the largest, or leave it "
        "out"
    ]


def require_single_precision(scale: float, place: str) -> None:
    """Refuse intensities that single precision does not hold.

    Args:
        scale: the intensity that is 1 for the network.
        place: the file and its variable, for messages.

    Raises:
        InputError: they are too large, too small or no numbers.
    """
    low, high = SINGLE_PRECISION
    if not low <= scale <= high:
        raise InputError(
            f"{place}: intensities of about {scale:.3g} are beyond single precision; "
            f"divide k-space by {scale:.3g} and store it again"
        )
