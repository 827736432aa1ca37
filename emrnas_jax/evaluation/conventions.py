"""Score reconstructions under one of three conventions.

PSNR and SSIM need a data range, and fields of work differ on it, on clipping and on
whether a score covers a frame or a volume. The same images can differ by several
decibels between two conventions, so scores of different ones are never compared, and
every table names its own.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.data.pipeline import Batch
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.evaluation.crop import cropped
from emrnas_jax.evaluation.metrics import nmse, psnr_db, ssim
from emrnas_jax.machine import devices
from emrnas_jax.mri.consistency import magnitude
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.runs.folder import PAPER

Magnitudes = Float[Array, "batch height width"]
OfImages = Float[Array, " batch"]


class Convention(NamedTuple):
    """A convention of scores.

    Attributes:
        name: key in `CONVENTIONS`, and in the config.
        rule: the convention in words, for tables.
        unit: part of the data that one score covers: "frame", or "volume", which is
            all slices of one subject at one time.
        images: function that takes magnitudes of reconstructions and of targets, and
            the largest value of each target's volume (None where `unit` is "frame"),
            and returns both as they are compared, and the data range of each, above 0.
    """

    name: str
    rule: str
    unit: str
    images: Callable[
        [Magnitudes, Magnitudes, OfImages | None],
        tuple[Magnitudes, Magnitudes, OfImages],
    ]


class FrameScores(NamedTuple):
    """The scores of a batch, one per frame.

    Attributes:
        psnr_db: peak signal-to-noise ratio in dB, each frame by itself.
        ssim: structural similarity, at most 1, each frame by itself.
        nmse: normalised squared error, at least 0, each frame by itself.
        squared_error: squared error averaged over the pixels; with `energy` it gives
            the scores of a volume.
        energy: target's squared values averaged over the pixels.
    """

    psnr_db: OfImages
    ssim: OfImages
    nmse: OfImages
    squared_error: OfImages
    energy: OfImages


def score(
    image: Float[Array, "batch height width 2"],
    batch: Batch,
    convention: Convention,
    volume_peak: OfImages | None = None,
    crop: int = 0,
) -> FrameScores:
    """Score a batch of reconstructions against their targets.

    Args:
        image: output of a network, real and imaginary channels.
        batch: batch that holds the targets.
        convention: convention of the scores.
        volume_peak: largest value of each target's volume; needed where the convention
            scores volumes.
        crop: pixels on a side of the middle that is scored, `evaluation.crop.cropped`.
    """
    found, target = (
        magnitude(to_complex(cropped(own, crop))) for own in (image, batch.target)
    )
    found, target, data_range = convention.images(found, target, volume_peak)
    return FrameScores(
        psnr_db(found, target, data_range),
        ssim(found, target, data_range),
        nmse(found, target),
        jnp.mean((found - target) ** 2, (1, 2)),
        jnp.mean(target**2, (1, 2)),
    )


# One program for each convention, which all networks and folds of a run share.
@cache
def scorer(convention: Convention, crop: int = 0) -> Callable[..., FrameScores]:
    """Return `score` under a convention, compiled; it takes (), image, batch, peak."""
    return devices.over_batch(
        lambda _, image, batch, peak: score(image, batch, convention, peak, crop)
    )


def paper_images(
    found: Magnitudes, target: Magnitudes, _: OfImages | None
) -> tuple[Magnitudes, Magnitudes, OfImages]:
    """Clip to [0, 1], the range of the data.

    Source: the evaluation of Zheng et al., NeurIPS 2019, which EMR-NAS follows. Its
    SSIM took range 2 by accident (a default of scikit-image for floats).
    """
    return jnp.clip(found, 0, 1), jnp.clip(target, 0, 1), jnp.ones(len(target))


def fastmri_images(
    found: Magnitudes, target: Magnitudes, volume_peak: OfImages | None
) -> tuple[Magnitudes, Magnitudes, OfImages]:
    """Change nothing; the range is the largest value of the target's volume.

    Source: facebookresearch/fastMRI, `fastmri/evaluate.py`.
    """
    # Not of the frame: a dark slice of a bright volume has the volume's range.
    assert volume_peak is not None
    return found, target, volume_peak


def calgary_images(
    found: Magnitudes, target: Magnitudes, _: OfImages | None
) -> tuple[Magnitudes, Magnitudes, OfImages]:
    """Take the range of both images together.

    The challenge divides both by the target's largest value first. All three metrics
    are the same without it, because the range is divided too.

    Source: rmsouza01/MC-MRRec-challenge, `Modules/metrics.py` and the notebooks
    `evaluation-system/extract_challenge_metrics*.ipynb`, which compute the challenge's
    tables.
    """
    # The range of each pair of images, which differs from one network to the next.
    largest = jnp.maximum(found.max((1, 2)), target.max((1, 2)))
    smallest = jnp.minimum(found.min((1, 2)), target.min((1, 2)))
    data_range = largest - smallest
    # Two black images are equal, not undefined.
    return found, target, jnp.where(data_range > 0, data_range, 1)


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention(
            PAPER,
            "magnitude clipped to [0, 1], per frame, data range 1",
            "frame",
            paper_images,
        ),
        Convention(
            "fastmri",
            "per volume, which is the test slices of one subject at one time, data "
            "range the largest value of the target volume, magnitude not clipped, SSIM "
            "averaged over the slices",
            "volume",
            fastmri_images,
        ),
        Convention(
            "calgary",
            "per frame, magnitudes divided by the largest of the target, data range "
            "from the smallest to the largest value of both images",
            "frame",
            calgary_images,
        ),
    )
}


def in_words(
    name: str, crop: int = 0, target_kind: TargetKind = TargetKind.COMBINED
) -> str:
    """Return a convention's name and rule, as files record them for their readers.

    Args:
        name: key of `CONVENTIONS`.
        crop: pixels on a side of the middle that is scored; 0 for the whole image.
        target_kind: kind of target of several coils.
    """
    words = [f"{name}: {CONVENTIONS[name].rule}"]
    words += [f"of the middle {crop} x {crop} pixels"] * bool(crop)
    if target_kind is TargetKind.RSS:
        words.append("target the root of the sum of squares of the coils")
    return ", ".join(words)
