"""How reconstructions are scored: three conventions, by name.

PSNR and SSIM need a data range, and fields of work differ on it, on clipping and on
what one score is of. The same images can differ by several decibels between two
conventions, so scores of different ones are never compared, and every table names its
own.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.runs.scores import PAPER

Magnitudes = Float[Array, "batch height width"]
OfImages = Float[Array, " batch"]


class Convention(NamedTuple):
    """One convention.

    Attributes:
        rule: in words, for tables.
        unit: what one score is of: "frame", or "volume", which is all slices of one
            subject at one time.
        images: takes magnitudes of reconstructions and of targets, and the largest
            value of each target's volume (None where `unit` is "frame"); returns both
            as they are compared, and the data range of each, above 0.
    """

    rule: str
    unit: str
    images: Callable[
        [Magnitudes, Magnitudes, OfImages | None],
        tuple[Magnitudes, Magnitudes, OfImages],
    ]


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
    largest = jnp.maximum(found.max((1, 2)), target.max((1, 2)))
    smallest = jnp.minimum(found.min((1, 2)), target.min((1, 2)))
    data_range = largest - smallest
    # Two black images are equal, not undefined.
    return found, target, jnp.where(data_range > 0, data_range, 1)


CONVENTIONS = {
    PAPER: Convention(
        "magnitude clipped to [0, 1], per frame, data range 1", "frame", paper_images
    ),
    "fastmri": Convention(
        "per volume, which is the test slices of one subject at one time, data range "
        "the largest value of the target volume, magnitude not clipped, SSIM averaged "
        "over the slices",
        "volume",
        fastmri_images,
    ),
    "calgary": Convention(
        "per frame, magnitudes divided by the largest of the target, data range from "
        "the smallest to the largest value of both images",
        "frame",
        calgary_images,
    ),
}


def in_words(name: str) -> str:
    """Return a convention's name and rule, as results and files record them."""
    return f"{name}: {CONVENTIONS[name].rule}"
