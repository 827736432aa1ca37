"""Compare two networks, and say how certain the difference is.

Test subjects differ by several decibels, networks by tenths. So networks are compared
by the differences of their scores on the same frames with the same masks.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from emrnas_jax.errors import InputError

RESAMPLES = 9999
CONFIDENCE = 0.95


class Difference(NamedTuple):
    """Mean paired difference over frames and its 95 % bootstrap interval.

    Attributes:
        mean: mean of first minus second, in the unit of the scores.
        low: lower end of the interval.
        high: upper end of the interval.
        frames: number of frames compared.
    """

    mean: float
    low: float
    high: float
    frames: int


def paired_difference(
    first: Float[np.ndarray, " frame"],
    second: Float[np.ndarray, " frame"],
    seed: int,
    subjects: Sequence[str] | None = None,
) -> Difference:
    """Compare two networks on the same frames.

    Frames of one subject are much alike, so resampling frames would give an interval
    that is far too narrow: the bootstrap resamples whole subjects, the unit that a new
    test would draw. The interval is the percentile one, which unlike the corrected
    kinds stays defined for few subjects; with fewer than about ten it is a rough guide.

    Args:
        first: scores of one network, one per frame.
        second: scores of the other on the same frames, in the same order.
        seed: seed of the bootstrap.
        subjects: subject of each frame. With None, or with one subject alone, frames
            are resampled as if they were independent.

    Returns:
        The difference over the frames where both scores are finite; the PSNR of a frame
        that is reproduced exactly is not. Without such frames every value is NaN. If
        all differences are equal, both ends of the interval are the mean.

    Raises:
        InputError: the numbers of frames and of their subjects differ.
    """
    if subjects is not None and len(subjects) != len(first):
        raise InputError(
            f"comparison: {len(first)} scores but {len(subjects)} subjects; name the "
            "subject of every frame"
        )
    usable = np.isfinite(first) & np.isfinite(second)
    differences = first[usable].astype(float) - second[usable].astype(float)
    frames = len(differences)
    if frames == 0:
        return Difference(np.nan, np.nan, np.nan, 0)
    units = np.arange(frames)
    if subjects is not None and len(set(np.asarray(subjects)[usable])) > 1:
        units = np.unique(np.asarray(subjects)[usable], return_inverse=True)[1]
    # A resample's mean follows from sums and sizes of its subjects, without its frames.
    sums = np.bincount(units, weights=differences)
    sizes = np.bincount(units)
    mean = float(np.mean(differences))
    # The bootstrap of one unit, or of equal ones, would draw the same mean every time.
    if len(sums) == 1 or np.ptp(sums / sizes) == 0:
        return Difference(mean, mean, mean, frames)
    drawn = _draws(len(sums), seed)
    # Subjects with more frames count for more, as they do in the mean.
    means = (drawn @ sums) / (drawn @ sizes)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Difference(mean, float(low), float(high), frames)


# Kept, because all comparisons of a run resample the same subjects.
@lru_cache(maxsize=1)
def _draws(units: int, seed: int) -> Float[np.ndarray, "resample unit"]:
    """Return the count of each unit in each resample, the same for all comparisons.

    The draws are those of `scipy.stats.bootstrap` in batches of 256.
    """
    generator = np.random.default_rng(seed)
    counts = []
    for first in range(0, RESAMPLES, 256):
        rows = min(256, RESAMPLES - first)
        chosen = generator.integers(0, units, (rows, units))
        # Offsets tell the resamples apart, so that one count serves all of them.
        places = chosen + units * np.arange(rows)[:, None]
        counts.append(np.bincount(places.ravel(), minlength=rows * units))
    return np.concatenate(counts).reshape(RESAMPLES, units).astype(float)


def fold_statistics(
    per_fold_means: Sequence[float] | Float[np.ndarray, " fold"],
) -> tuple[float, float]:
    """Return the mean and the population standard deviation (ddof 0) over folds.

    Args:
        per_fold_means: each fold's mean score over its test frames, at least one fold.

    Raises:
        InputError: there is no fold.
    """
    means = np.asarray(per_fold_means, float)
    if means.size == 0:
        raise InputError("folds: no scores to average; evaluate at least one fold")
    # The deviation of an infinite PSNR is not defined.
    std = float(np.std(means)) if np.isfinite(means).all() else np.nan
    return float(np.mean(means)), std
