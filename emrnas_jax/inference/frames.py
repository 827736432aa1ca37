"""Reconstruct the frames of scans, of one scan or of many joined."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt32

from emrnas_jax.data.image_set import frame_ids
from emrnas_jax.data.pipeline import (
    Batch,
    RandomKey,
    draw_masks,
    fixed_mask_key,
    make_batch,
)
from emrnas_jax.data.readers.scan import Scan
from emrnas_jax.evaluation.batches import prepare_batch
from emrnas_jax.evaluation.conventions import CONVENTIONS, PAPER, score
from emrnas_jax.evaluation.crop import Size, middle
from emrnas_jax.inference.batches import Progress, batch_of, in_batches, silent
from emrnas_jax.inference.scan_files import Images, ReconstructedScan
from emrnas_jax.inference.trained import FASTMRI, TrainedNetwork
from emrnas_jax.mri.coil_maps import estimate_maps
from emrnas_jax.mri.coils import joined_maps
from emrnas_jax.mri.fourier import to_channels, to_complex
from emrnas_jax.mri.measurement import Measurement, adjoint, undersample, zero_filled
from emrnas_jax.mri.sampling import Sampling

# Draws a mask of ones, so that `make_batch` converts images and leaves nothing out.
EVERYTHING = Sampling(kind="random", rate=1.0, center_fraction=0.0)


class Reconstructed(NamedTuple):
    """Reconstructed frames on the network's scale; one entry per frame.

    Attributes:
        reconstruction: images [frame, height, width, 2] of the network, real and
            imaginary channels.
        zero_filled: images of the network's input, in the same form.
        mask: True where k-space was measured.
        target: complete images in the same form; None for measured k-space.
        scores: scores of every frame, as in `ReconstructedScan`.
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
    progress: Progress = silent,
) -> list[ReconstructedScan]:
    """Reconstruct scans of one kind together, and return the result of each."""
    return one_by_one(model, scans, reconstruct_together(model, scans, batch, progress))


def reconstruct_together(
    model: TrainedNetwork,
    scans: list[Scan],
    batch: int,
    progress: Progress = silent,
) -> Reconstructed:
    """Reconstruct the frames of scans of one kind together.

    Args:
        model: loaded network. Without given masks, its sampling and seed draw them, so
            a frame of its test set gets the mask that it had in the test.
        scans: complete images, which are under-sampled and scored, or measured k-space.
        batch: number of frames at once.
        progress: function that gets the number of frames after each batch.

    Raises:
        InputError: the network's masks cannot be drawn for frames of this size.
    """
    values = np.concatenate([scan.values for scan in scans])
    masks = [scan.mask for scan in scans if scan.mask is not None]
    arrays = [values, np.concatenate(masks)] if masks else [values]
    # The key of the test, so that a test frame is scored with the mask of its test.
    key = fixed_mask_key(model.record.seed)
    maps = [scan.coil_maps for scan in scans if scan.coil_maps is not None]
    given = [np.concatenate(maps)] if maps else []
    if scans[0].kspace is not None:
        batch = batch_of(values, batch)
    targets = [scan.target for scan in scans if scan.target is not None]
    acquired = [scan.acquired for scan in scans if scan.acquired is not None]
    if not masks and (targets or acquired):
        # What no network was trained for is measured as coils usually are.
        fastmri = bool(targets) and not model.folder
        sampling = FASTMRI.load() if fastmri else model.sampling
        masks.append(_drawn(sampling, key, _ids(scans), scans[0].shape))
        if acquired:  # padding is not measured
            masks[0] = masks[0] & np.concatenate(acquired)
        arrays.append(masks[0])
    size = scans[0].size
    if targets:
        arrays += [np.concatenate(targets), *given]
        of_complete = partial(_from_complete_kspace, model, size)
        return in_batches(of_complete, batch, *arrays, progress=progress)
    if scans[0].kspace is not None:
        of_kspace = partial(from_kspace, model)
        return in_batches(of_kspace, batch, *arrays, *given, progress=progress)
    undersampled = (
        partial(_given, key)
        if masks
        else partial(prepare_batch, mask_key=key, sampling=model.sampling)
    )
    arrays.insert(1, _ids(scans))
    of_images = partial(_from_images, model, size, undersampled)
    return in_batches(of_images, batch, *arrays, progress=progress)


def _ids(scans: list[Scan]) -> UInt32[np.ndarray, " frame"]:
    """Return the numbers of all frames, by which masks are drawn.

    They follow from the names of a frame, not from its position among the files.
    """
    ids = [frame_ids(scan.subjects, scan.slices, scan.frames) for scan in scans]
    return np.concatenate(ids)


def one_by_one(
    model: TrainedNetwork, scans: list[Scan], together: Reconstructed
) -> list[ReconstructedScan]:
    """Return the reconstruction of each scan, on the scale of its file."""
    results, end, kind = [], 0, model.record.returns
    for scan in scans:
        # Scans were joined in this order, one after another.
        part = slice(end, end := end + len(scan.slices))
        own: Any = jax.tree.map(lambda leaf, part=part: leaf[part], together)

        def image(found: Any, scan: Scan = scan) -> Images:
            return intensities(middle(found, scan.size), scan.scale, kind)

        results.append(
            ReconstructedScan(
                subjects=scan.subjects,
                slices=scan.slices,
                frames=scan.frames,
                reconstruction=image(own.reconstruction),
                zero_filled=image(own.zero_filled),
                mask=own.mask,
                scale=scan.scale,
                # Shown and scored as a magnitude, whatever the network returns.
                target=None if own.target is None else np.abs(image(own.target)),
                scores=own.scores,
            )
        )
    return results


def from_kspace(
    model: TrainedNetwork, kspace: Array, mask: Array, maps: Array | None = None
) -> Reconstructed:
    """Reconstruct a batch of measured k-space.

    Args:
        model: loaded network.
        kspace: samples [frame, height, width] or [frame, coil, height, width] on the
            network's scale, zero frequency first, zero where not measured.
        mask: True where they were measured.
        maps: coil maps of the frames; None to estimate those of several coils.

    Raises:
        InputError: the network takes no coils, or too few lines around the zero
            frequency were measured to estimate their maps.
    """
    if maps is None and kspace.ndim == 4:
        # Networks have one image; what needs no training has one for each set of maps.
        maps = estimate_maps(kspace, mask, most=1 if model.folder else 2)
    measurement = Measurement(kspace, mask, maps)
    start = _zero_filled(measurement)
    image = model.apply(model.variables, start, measurement)
    return Reconstructed(image, start, mask, None, {})


def _from_complete_kspace(
    model: TrainedNetwork,
    size: Size,
    kspace: Array,
    mask: Array,
    target: Array,
    maps: Array | None = None,
) -> Reconstructed:
    """Under-sample complete k-space of several coils, reconstruct and score it."""
    measured = jnp.where(mask[:, None], kspace, 0)
    found = from_kspace(model, measured, mask, maps)
    complete = to_channels(target.astype(jnp.complex64))
    start = jnp.asarray(found.zero_filled)
    batch = Batch(start, Measurement(measured, mask), complete)
    scores = _all_scores(found.reconstruction, batch, size)
    return found._replace(target=complete, scores=scores)


def _drawn(
    sampling: Sampling,
    key: RandomKey,
    ids: UInt32[np.ndarray, " frame"],
    shape: tuple[int, int],
) -> Bool[np.ndarray, "#frame #height #width"]:
    """Draw the masks of complete k-space."""
    return np.asarray(draw_masks(sampling, key, jnp.asarray(ids), shape))


def _from_images(
    model: TrainedNetwork,
    size: Size,
    undersampled: Callable[..., Batch],
    *arrays: Array,
) -> Reconstructed:
    data = undersampled(*arrays)
    image = model.apply(model.variables, data.zero_filled, data.measurement)
    scores = _all_scores(image, data, size)
    mask = data.measurement.mask
    return Reconstructed(image, data.zero_filled, mask, data.target, scores)


def _all_scores(image: Array | np.ndarray, data: Batch, size: Size) -> dict[str, Array]:
    """Return the scores of a network's images and of the zero-filled ones.

    They are those of the middle of the images, of `size`, which is all that is kept.
    """
    kept = data._replace(target=middle(data.target, size))
    return {
        f"{prefix}{name}": value
        for prefix, found in (("", image), ("zero_filled_", data.zero_filled))
        for name, value in _scores(middle(found, size), kept).items()
    }


@jax.jit
def _given(
    key: RandomKey,
    images: Array,
    ids: UInt32[Array, " frame"],
    mask: Bool[Array, "batch h w"],
) -> Batch:
    # `make_batch` scales and converts images; its own mask leaves nothing out.
    target = make_batch(images, ids, key, EVERYTHING).target
    measurement = undersample(to_complex(target), mask)
    return Batch(zero_filled(measurement), measurement, target)


@jax.jit
def _scores(image: Array, batch: Batch) -> dict[str, Array]:
    scored = score(image, batch, CONVENTIONS[PAPER])
    return {"psnr_db": scored.psnr_db, "ssim": scored.ssim}


@jax.jit
def _zero_filled(measurement: Measurement) -> Float[Array, "batch height width 2"]:
    return to_channels(joined_maps(adjoint(measurement.kspace, measurement)))


def intensities(
    images: Float[np.ndarray, "frame height width 2"], scale: float, kind: str
) -> Images:
    """Return a network's images on the scale of a scan.

    Args:
        images: images of the network, real and imaginary channels.
        scale: factor from the network's intensities to the scan's.
        kind: "magnitude" or "complex", the images that the network returns.
    """
    if kind == "complex":
        return ((images[..., 0] + 1j * images[..., 1]) * scale).astype(np.complex64)
    return (np.hypot(images[..., 0], images[..., 1]) * scale).astype(np.float32)
