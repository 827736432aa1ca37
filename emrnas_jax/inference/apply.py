"""Reconstruct k-space with a trained network, from Python.

from emrnas_jax.inference import load_model, reconstruct_kspace
model = load_model("runs/cardiac")
images = reconstruct_kspace(model, kspace, mask)
"""

import logging
from pathlib import Path

import numpy as np
from jaxtyping import (
    Complex64,
    Float32,
)
from numpy.typing import ArrayLike

from emrnas_jax.data.readers.coil_maps import check_maps
from emrnas_jax.errors import InputError
from emrnas_jax.inference.arguments import check_arguments
from emrnas_jax.inference.batches import BATCH, batch_of, in_batches
from emrnas_jax.inference.frames import from_kspace, intensities
from emrnas_jax.inference.trained import TrainedNetwork, load_model

LOG = logging.getLogger("emrnas_jax")


def reconstruct_kspace(
    model: TrainedNetwork | str | Path,
    kspace: ArrayLike,
    mask: ArrayLike | None,
    scale: float | None = None,
    batch: int = BATCH,
    convention: str | None = None,
    norm: str | None = None,
    coils: bool = False,
    coil_maps: ArrayLike | None = None,
) -> (
    Float32[np.ndarray, "*frames height width"]
    | Complex64[np.ndarray, "*frames height width"]
):
    """Reconstruct under-sampled k-space.

    Args:
        model: loaded network, or the path that `load_model` takes.
        kspace: complex samples, [height, width] or [..., height, width]. Unless
            `convention` and `norm` are given they are those of
            `numpy.fft.fft2(image, norm="ortho")`, with the zero frequency first.
            Samples outside the mask do not count. With `coils`, [coil, height, width]
            or [..., coil, height, width].
        mask: True or 1 where measured, in the order of `kspace`: one value per line,
            or [height, 1], [1, width] or [height, width], for all frames or for each.
            None for the samples that are not zero.
        scale: intensity that is to be 1 for the network, which was trained on
            [0, 1]; None for the largest magnitude of the zero-filled images.
        batch: number of frames at once.
        convention: key of `kspace_conventions.CONVENTIONS`; `plain` unless
            given, `centred` for fastMRI's, or `shifted`. A declared convention
            gives a warning, and is not refused, where the image looks wrapped round its
            border.
        norm: norm of the transform that `kspace` comes from, `ortho` unless given, or
            `backward`, NumPy's default.
        coils: whether k-space has an axis of coils.
        coil_maps: complex sensitivities [coil, height, width], for all frames or for
            each; None to estimate them from the fully measured block around the zero
            frequency. They are scaled to Σ|S|² = 1.

    Returns:
        Images [..., height, width] on the scale of `kspace`, or of the image that it
        was transformed from where `norm` is given: magnitudes, or complex images from a
        network that was trained on them and against a complex target.

    Raises:
        InputError: k-space and mask do not fit each other, cannot be used, or
            certainly contradict the stated convention.
    """
    if not isinstance(batch, int) or batch < 1:
        raise InputError(f"batch: found {batch!r}; give a whole number from 1")
    model = model if isinstance(model, TrainedNetwork) else load_model(model)
    phase_encode = model.record.sampling["phase_encode"]
    given = check_arguments(kspace, mask, scale, convention, norm, phase_encode, coils)
    arrays = [given.kspace, given.masks]
    if coil_maps is not None:
        arrays.append(check_maps(coil_maps, given.kspace.shape))
    # Logged, because a function has no summary to print them in.
    for warning in given.warnings:
        LOG.warning("kspace: %s", warning)
    images = in_batches(
        lambda *arrays: from_kspace(model, *arrays).reconstruction,
        batch_of(given.kspace, batch),
        *arrays,
    )
    found = intensities(images, given.scale, model.record.returns)
    # Coils are combined, so their axis is gone.
    before, size = np.shape(kspace)[: -2 - coils], np.shape(kspace)[-2:]
    return found.reshape(*before, *size)
