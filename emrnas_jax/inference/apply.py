"""What a trained network makes of k-space and of scans.

from emrnas_jax.inference import load_model, reconstruct_kspace
model = load_model("runs/cardiac")
images = reconstruct_kspace(model, kspace, mask)
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import (
    Array,
    Bool,
    Complex64,
    Float,
    Float32,
    PyTree,
    UInt32,
)
from numpy.typing import ArrayLike

from emrnas_jax.data.dataset import frame_ids
from emrnas_jax.data.pipeline import Batch, RandomKey, fixed_mask_key, make_batch
from emrnas_jax.data.readers.scan import Scan
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.batches import padded_batches, prepare_batch
from emrnas_jax.evaluation.conventions import CONVENTIONS, PAPER, score
from emrnas_jax.inference.arguments import check_arguments
from emrnas_jax.inference.scan_files import Images, ReconstructedScan
from emrnas_jax.inference.trained import TrainedNetwork, load_model
from emrnas_jax.machine.devices import divisible
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.mri.measurement import Measurement, undersample, zero_filled
from emrnas_jax.mri.sampling import Sampling

LOG = logging.getLogger("emrnas_jax")

BATCH = 8  # frames at once, unless told otherwise
EVERYTHING = Sampling(kind="random", rate=1.0, center_fraction=0.0)

Progress = Callable[[int], Any]


def _silent(_: int) -> None:
    """Tell nobody of the progress."""


def reconstruct_kspace(
    model: TrainedNetwork | str | Path,
    kspace: ArrayLike,
    mask: ArrayLike | None,
    scale: float | None = None,
    batch: int = BATCH,
    convention: str | None = None,
    norm: str | None = None,
) -> (
    Float32[np.ndarray, "*frames height width"]
    | Complex64[np.ndarray, "*frames height width"]
):
    """Reconstruct under-sampled k-space.

    Args:
        model: a loaded network, or what `load_model` takes.
        kspace: complex, [height, width] or [..., height, width]. Unless `convention`
            and `norm` say otherwise it is `numpy.fft.fft2(image, norm="ortho")`, with
            the zero frequency first. Samples outside the mask do not count.
        mask: True or 1 where measured, in the order of `kspace`: one value per line,
            or [height, 1], [1, width] or [height, width], for all frames or for each.
            None for the samples that are not zero.
        scale: the intensity that is to be 1 for the network, which was trained on
            [0, 1]; None for the largest magnitude of the zero-filled images.
        batch: frames at once.
        convention: key of `kspace_conventions.CONVENTIONS`; `plain` unless
            given, `centred` for fastMRI's, or `shifted`. A declared convention
            gives a warning, and is not refused, where the image looks wrapped round its
            border.
        norm: of the transform that `kspace` comes from, `ortho` unless given, or
            `backward`, NumPy's default.

    Returns:
        images on the scale of `kspace`, or of the image that it was transformed from
        where `norm` is given: magnitudes, or complex images from a network that was
        trained on them.

    Raises:
        InputError: k-space and mask do not fit each other, cannot be used, or are
            certainly not stored as is said.
    """
    if not isinstance(batch, int) or batch < 1:
        raise InputError(f"batch: found {batch!r}; give a whole number from 1")
    model = model if isinstance(model, TrainedNetwork) else load_model(model)
    given = check_arguments(
        kspace, mask, scale, convention, norm, model.record.sampling["phase_encode"]
    )
    for warning in given.warnings:
        LOG.warning("kspace: %s", warning)
    images = in_batches(
        lambda *arrays: _reconstruct_kspace(model, *arrays).reconstruction,
        batch,
        given.kspace,
        given.masks,
    )
    found = intensities(images, given.scale, model.record.images)
    return found.reshape(np.shape(kspace))


class Reconstructed(NamedTuple):
    """What the network makes of frames, on its own scale; one entry per frame.

    Attributes:
        reconstruction: real and imaginary channels.
        zero_filled: likewise.
        mask: where k-space was measured.
        target: likewise, of complete images; else None.
        scores: as in `ReconstructedScan`.
    """

    reconstruction: Array | np.ndarray
    zero_filled: Array | np.ndarray
    mask: Array | np.ndarray
    target: Array | np.ndarray | None
    scores: dict


def reconstruct_scans(
    model: TrainedNetwork,
    scans: list[Scan],
    batch: int,
    progress: Progress = _silent,
) -> list[ReconstructedScan]:
    """Reconstruct scans of one kind together; `reconstruct_together`, then apart."""
    return one_by_one(model, scans, reconstruct_together(model, scans, batch, progress))


def reconstruct_together(
    model: TrainedNetwork,
    scans: list[Scan],
    batch: int,
    progress: Progress = _silent,
) -> Reconstructed:
    """Reconstruct scans of one kind, joined.

    Args:
        model: the network. Without given masks, its sampling and seed draw them: a
            frame of its test set gets the mask that it had in the test.
        scans: complete images, which are under-sampled and scored, or measured k-space.
        batch: frames at once.
        progress: is told the number of frames after each batch.

    Raises:
        InputError: the network's masks cannot be drawn for frames of this size.
    """
    values = np.concatenate([scan.values for scan in scans])
    masks = [scan.mask for scan in scans if scan.mask is not None]
    arrays = [values, np.concatenate(masks)] if masks else [values]
    if scans[0].kspace is not None:
        of_kspace = partial(_reconstruct_kspace, model)
        return in_batches(of_kspace, batch, *arrays, progress=progress)
    key = fixed_mask_key(model.record.seed)
    undersampled = (
        partial(_given, key)
        if masks
        else partial(prepare_batch, mask_key=key, sampling=model.sampling)
    )
    arrays.insert(1, np.concatenate([frame_ids(*scan[:3]) for scan in scans]))
    of_images = partial(_reconstruct_images, model, undersampled)
    return in_batches(of_images, batch, *arrays, progress=progress)


def one_by_one(
    model: TrainedNetwork, scans: list[Scan], together: Reconstructed
) -> list[ReconstructedScan]:
    """Return each scan's part of what they were reconstructed to, on its own scale."""
    results, end, kind = [], 0, model.record.images
    for scan in scans:
        part = slice(end, end := end + len(scan.slices))
        own: Any = jax.tree.map(lambda leaf, part=part: leaf[part], together)
        results.append(
            ReconstructedScan(
                subjects=scan.subjects,
                slices=scan.slices,
                frames=scan.frames,
                reconstruction=intensities(own.reconstruction, scan.scale, kind),
                zero_filled=intensities(own.zero_filled, scan.scale, kind),
                mask=own.mask,
                scale=scan.scale,
                target=None
                if own.target is None
                else np.abs(intensities(own.target, scan.scale, kind)),
                scores=own.scores,
            )
        )
    return results


def _reconstruct_kspace(
    model: TrainedNetwork, kspace: Array, mask: Array
) -> Reconstructed:
    measurement = Measurement(kspace, mask)
    start = _zero_filled(measurement)
    image = model.apply(model.variables, start, measurement)
    return Reconstructed(image, start, mask, None, {})


def _reconstruct_images(
    model: TrainedNetwork, undersampled: Callable[..., Batch], *arrays: Array
) -> Reconstructed:
    data = undersampled(*arrays)
    image = model.apply(model.variables, data.zero_filled, data.measurement)
    scores = {
        f"{prefix}{name}": value
        for prefix, found in (("", image), ("zero_filled_", data.zero_filled))
        for name, value in _scores(found, data).items()
    }
    mask = data.measurement.mask
    return Reconstructed(image, data.zero_filled, mask, data.target, scores)


@jax.jit
def _given(
    key: RandomKey,
    images: Array,
    ids: UInt32[Array, " frame"],
    mask: Bool[Array, "batch h w"],
) -> Batch:
    target = make_batch(images, ids, key, EVERYTHING).target
    measurement = undersample(to_complex(target), mask)
    return Batch(zero_filled(measurement), measurement, target)


@jax.jit
def _scores(image: Array, batch: Batch) -> dict[str, Array]:
    scored = score(image, batch, CONVENTIONS[PAPER])
    return {"psnr_db": scored.psnr_db, "ssim": scored.ssim}


_zero_filled = jax.jit(zero_filled)


def in_batches(
    function: Callable[..., PyTree],
    batch: int,
    *arrays: np.ndarray,
    progress: Progress = _silent,
) -> PyTree:
    """Apply a function of batches to whole arrays, always with batches of one size.

    Args:
        function: takes as many arrays and returns a tree of arrays, each with one entry
            per frame.
        batch: frames at once, enlarged to what all devices share evenly.
        arrays: one entry per frame.
        progress: is told the number of frames after each batch.
    """
    parts = []

    def fetch(found: PyTree, real: int) -> None:
        parts.append(jax.tree.map(lambda leaf: np.asarray(leaf)[:real], found))
        progress(real)

    running = None
    for positions, real in padded_batches(len(arrays[0]), divisible(batch)):
        found = function(*(jnp.asarray(array[positions]) for array in arrays))
        for leaf in jax.tree.leaves(found):
            leaf.copy_to_host_async()
        # The next batch waits on the device before the last one is waited for here.
        if running is not None:
            fetch(*running)
        running = found, real
    if running is not None:
        fetch(*running)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def intensities(
    images: Float[np.ndarray, "frame height width 2"], scale: float, kind: str
) -> Images:
    """Return a network's images on the scale of a scan.

    Args:
        images: real and imaginary channels.
        scale: an intensity of the scan is this times the network's.
        kind: "magnitude" or "complex", what the network was trained on.
    """
    if kind == "complex":
        return ((images[..., 0] + 1j * images[..., 1]) * scale).astype(np.complex64)
    return (np.hypot(images[..., 0], images[..., 1]) * scale).astype(np.float32)
