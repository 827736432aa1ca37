"""Masks: which lines or points of k-space are measured.

A mask of lines is True on the measured ones and stays one line wide: `(height, 1)` when
the phase-encode axis runs along the rows' index, `(1, width)` when along the columns'.
A mask of points, for scans whose two axes are both phase-encoded, is `(height, width)`.
The zero frequency comes first. Lines and points are drawn in centred order, zero
frequency at `count // 2`, as the sources count them, and shifted at the end.
"""

import functools
import math
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PRNGKeyArray

from emrnas_jax.errors import InputError
from emrnas_jax.mri.cartesian_lines import draw_lines
from emrnas_jax.mri.packed_masks import PackedMasks
from emrnas_jax.mri.poisson_discs import poisson_masks

PHASE_ENCODE = ("rows", "columns")


@dataclass(frozen=True)
class Sampling:
    """How frames are measured: their masks, and the noise of their samples.

    It is hashable, so compiled steps take it as a static argument.

    Attributes:
        kind: `cartesian`, random lines with the density of the masks published for the
            York cardiac images; `random`, `equispaced` and `equispaced_fraction`,
            fastMRI's; `poisson`, points of Poisson discs; `file`, one of `masks`, drawn
            at random.
        rate: fraction of the phase-encode lines, or points, that is measured, in
            (0, 1]; 1 / rate is the acceleration factor. `cartesian` and `poisson` hit
            it to a line or point, `random` and `equispaced_fraction` on average;
            `equispaced` measures every 1 / rate-th line and the centre besides, so
            more. Not used by `file`.
        center_fraction: fraction of the lines, in the centre, that is always measured,
            in [0, rate]; `random`, `equispaced` and `equispaced_fraction` only. Of
            `poisson` the axes of the ellipse in the centre, as a fraction of the sides.
        phase_encode: `rows`, a measured line is one row of k-space, or `columns`; not
            used where points are measured.
        masks: masks for `kind` `file`, else None.
        others: more pairs of a rate and its center fraction. Each mask has one of
            these or the pair above, all as likely. Not used by `file`.
        noise: standard deviation of the noise that is added to the real and to the
            imaginary part of every measured sample, at least 0. K-space is orthonormal,
            so it is that of the noise in the image of each coil, of intensity 1.
    """

    kind: str = "cartesian"
    rate: float = 0.15  # section 3
    center_fraction: float = 0.04  # fastMRI's, for its kinds alone
    phase_encode: str = "rows"  # as in the published data
    masks: PackedMasks | None = None
    others: tuple[tuple[float, float], ...] = ()
    noise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn.

        Raises:
            InputError: a value is out of range, or masks are missing or not used.
        """
        for rate, center_fraction in self.pairs:
            require_possible(self.kind, rate, center_fraction, self.phase_encode)
        require_noise(self.noise)
        if (self.kind == "file") != (self.masks is not None):
            raise InputError(
                f"sampling: kind {self.kind!r} {'needs' * (self.masks is None)}"
                f"{'does not use' * (self.masks is not None)} given masks"
            )

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """All pairs of a rate and its center fraction, one of which each mask has."""
        return ((self.rate, self.center_fraction), *self.others)

    @property
    def has_lines(self) -> bool:
        """Whether whole lines are measured, not points."""
        if self.masks is not None:
            return self.masks.has_lines
        return self.kind != "poisson"


def require_possible(
    kind: str, rate: float, center_fraction: float, phase_encode: str
) -> None:
    """Check settings of `Sampling`; the arguments are its attributes.

    Raises:
        InputError: a value is out of range; the message has its config key.
    """
    if kind not in KINDS:
        raise InputError(
            f"sampling.kind: expected one of {', '.join(KINDS)}, found {kind!r}"
        )
    if phase_encode not in PHASE_ENCODE:
        raise InputError(
            f"sampling.phase_encode: expected one of {', '.join(PHASE_ENCODE)}, "
            f"found {phase_encode!r}"
        )
    if not 0 < rate <= 1:
        raise InputError(
            f"sampling.rate: expected a fraction in (0, 1], found {rate}; "
            "for an acceleration R give 1 / R"
        )
    if kind in CENTRED_KINDS and not 0 <= center_fraction <= rate:
        raise InputError(
            f"sampling.center_fraction: expected 0 to the rate, {rate}, found "
            f"{center_fraction}; the centre cannot hold more lines than are "
            "measured, so lower it or raise the rate"
        )
    if kind == "poisson" and not 0 <= center_fraction <= 1:
        raise InputError(
            "sampling.center_fraction: expected a fraction of both sides in [0, 1], "
            f"found {center_fraction}"
        )


def require_noise(noise: float) -> None:
    """Raise InputError if the noise of samples is negative or not a number."""
    if not 0 <= noise < math.inf:
        raise InputError(
            f"sampling.noise: expected a standard deviation of 0 or more, found {noise}"
        )


# Compiled here, because a caller outside a step would compile the loop at every call.
@functools.partial(jax.jit, static_argnames=("sampling", "shape"))
def draw_mask(
    sampling: Sampling, key: PRNGKeyArray, shape: tuple[int, int]
) -> Bool[Array, "#height #width"]:
    """Draw one mask; the same key gives the same mask.

    Works under `jit`, `vmap` and `scan` over keys; `sampling` and `shape` are static.

    Args:
        sampling: how the lines or points are chosen.
        key: the only source of randomness.
        shape: height and width of the image.

    Returns:
        True on measured lines, `(height, 1)` or `(1, width)`, or points, `(height,
        width)`; zero frequency first.

    Raises:
        InputError: the rate leaves fewer lines or points than the centre needs, or the
            masks of the file have another size.
    """
    if not sampling.has_lines:
        return jnp.fft.ifftshift(_draw(sampling, key, shape))
    size = (shape[PHASE_ENCODE.index(sampling.phase_encode)],)
    lines = jnp.fft.ifftshift(_draw(sampling, key, size))
    return lines[:, None] if sampling.phase_encode == "rows" else lines[None, :]


def _draw(
    sampling: Sampling, key: PRNGKeyArray, size: tuple[int, ...]
) -> Bool[Array, "..."]:
    """Draw the rate, where there are several, and then the lines or points."""
    if not sampling.others:
        return KINDS[sampling.kind](sampling, key, *size)
    which, own = jax.random.split(key)
    kinds = [
        functools.partial(
            KINDS[sampling.kind],
            replace(sampling, rate=rate, center_fraction=center_fraction, others=()),
        )
        for rate, center_fraction in sampling.pairs
    ]
    chosen = jax.random.randint(which, (), 0, len(kinds))
    return jax.lax.switch(chosen, [lambda key, k=k: k(key, *size) for k in kinds], own)


def _cartesian(
    sampling: Sampling, key: PRNGKeyArray, count: int
) -> Bool[Array, " line"]:
    return draw_lines(sampling.rate, key, count)


def _random(sampling: Sampling, key: PRNGKeyArray, count: int) -> Bool[Array, " line"]:
    """Measure the centre and each other line with one probability: fastMRI's random."""
    centre = _centre(sampling, count)
    others = count - centre.sum()
    wanted = max(sampling.rate * count - centre.sum(), 0)
    probability = float(wanted / others) if others else 0.0
    return jnp.asarray(centre) | (jax.random.uniform(key, (count,)) < probability)


def _equispaced(
    sampling: Sampling, key: PRNGKeyArray, count: int
) -> Bool[Array, " line"]:
    """Measure the centre and every 1 / rate-th line from a random offset."""
    centre = _centre(sampling, count)  # refuses a rate that would need endless combs
    return _one_of(_combs(1 / sampling.rate, count, count) | centre, key)


def _equispaced_fraction(
    sampling: Sampling, key: PRNGKeyArray, count: int
) -> Bool[Array, " line"]:
    """Measure the centre and every so many lines that the total fits the rate."""
    centre = _centre(sampling, count)
    wanted = sampling.rate * count - centre.sum()
    if sampling.rate == 1:
        return jnp.ones(count, bool)
    if wanted < 1:  # the centre, rounded to whole lines, is all there is
        return jnp.asarray(centre)
    step = (count - centre.sum()) / wanted
    # This kind of fastMRI's never puts a tooth of the comb on the last line.
    return _one_of(_combs(step, count, count - 1) | centre, key)


def _poisson(
    sampling: Sampling, key: PRNGKeyArray, height: int, width: int
) -> Bool[Array, "height width"]:
    """Pick one mask of the list, and mirror it along each axis or not."""
    pair = sampling.rate, sampling.center_fraction
    list_key, mirror_key = jax.random.split(key)
    mask = _one_of(poisson_masks((height, width), *pair), list_key)
    mirrored = jax.random.bernoulli(mirror_key, shape=(2,))
    for axis, count in enumerate((height, width)):
        # About the zero frequency: an even side has one more frequency below it.
        other = jnp.roll(jnp.flip(mask, axis), 1 - count % 2, axis)
        mask = jnp.where(mirrored[axis], other, mask)
    return mask


def _from_file(sampling: Sampling, key: PRNGKeyArray, *size: int) -> Bool[Array, "..."]:
    """Pick one of the given masks, each as likely."""
    masks = sampling.masks
    assert masks is not None  # `Sampling` sees to it
    if masks.shape[1:] == size:
        return _one_of(masks.unpack(), key)
    if not masks.has_lines:
        found, wanted = (" x ".join(map(str, own)) for own in (masks.shape[1:], size))
        raise InputError(
            f"{masks.where}: its masks have {found} points, but the images {wanted} "
            "pixels; use masks of that size or change the image size"
        )
    raise InputError(
        f"{masks.where}: its masks have {masks.shape[1]} lines, but the images have "
        f"{size[0]} along sampling.phase_encode={sampling.phase_encode!r}; use masks "
        "of that size or change the image size"
    )


KINDS = {
    "cartesian": _cartesian,
    "random": _random,
    "equispaced": _equispaced,
    "equispaced_fraction": _equispaced_fraction,
    "poisson": _poisson,
    "file": _from_file,
}
CENTRED_KINDS = ("random", "equispaced", "equispaced_fraction")


def _centre(sampling: Sampling, count: int) -> Bool[np.ndarray, " line"]:
    """Return the lines in the centre that fastMRI's kinds always measure."""
    if sampling.rate * count < 1:
        raise InputError(
            f"sampling.rate: {sampling.rate} of {count} lines is less than one line; "
            "raise the rate or the image size"
        )
    width = round(count * sampling.center_fraction)
    start = (count - width + 1) // 2
    lines = np.arange(count)
    return (start <= lines) & (lines < start + width)


def _combs(step: float, count: int, end: int) -> Bool[np.ndarray, "offset line"]:
    """Return the combs of spacing `step` for each offset, teeth before `end`."""
    combs = np.zeros((max(round(step), 1), count), bool)
    for offset, comb in enumerate(combs):
        teeth = np.around(np.arange(offset, end, step)).astype(int)
        comb[teeth[teeth < count]] = True
    return combs


def _one_of(
    masks: Bool[np.ndarray, "mask ..."], key: PRNGKeyArray
) -> Bool[Array, "..."]:
    """Draw one of `masks`, each as likely."""
    return jnp.asarray(masks)[jax.random.randint(key, (), 0, len(masks))]
