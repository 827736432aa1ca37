"""Test frames in batches of one length: read ahead, under-sampled, on the devices.

The masks of a test are fixed: a frame has the same mask for every network and in every
batch, because its mask follows from the test's key and the frame's number alone.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import grain
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Float, Int

from emrnas_jax.data.image_set import Images, ImageSet
from emrnas_jax.data.pipeline import Batch, RandomKey, make_batch
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.machine import devices
from emrnas_jax.machine.progress import counted
from emrnas_jax.mri.sampling import Sampling

READ_AHEAD = 2  # batches


class MeasuredFrames(NamedTuple):
    """Frames of an image set, and how each of them is measured.

    Attributes:
        image_set: data set of the frames.
        indices: numbers of the frames in the data set.
        sampling: distribution of the masks.
        mask_key: key that decides, with a frame's number, the frame's mask.
    """

    image_set: ImageSet
    indices: Int[np.ndarray, " frame"]
    sampling: Sampling
    mask_key: RandomKey


class FrameBatch(NamedTuple):
    """A batch of measured frames on the devices.

    Attributes:
        positions: index of each frame among the measured frames; padding repeats the
            last one.
        real: number of frames that are no padding.
        data: measured frames, divided among the devices.
        volume_peak: largest value of each frame's volume, where a score needs it.
    """

    positions: Int[np.ndarray, " batch"]
    real: int
    data: Batch
    volume_peak: Float[Array, " batch"] | None


def measured_batches(
    name: str,
    frames: MeasuredFrames,
    batch: int,
    volume_peaks: Float[np.ndarray, " frame"] | None = None,
) -> Iterator[FrameBatch]:
    """Yield all frames, and show how many batches have been taken.

    A batch has frames of one size; those of a size come in order, the sizes that are
    most frequent in the data set first.

    Args:
        name: label of the progress bar, or of the line a minute that replaces it.
        frames: frames to measure.
        batch: frames at once, a number that all devices share evenly.
        volume_peaks: largest value of each frame's volume, where a score needs it.
    """
    mesh = devices.mesh_for(batch)
    divided = NamedSharding(mesh, devices.DIVIDED)
    # With several processes each reads and puts its own part of every batch.
    own = devices.rows_of_process(mesh, batch)
    batches = [
        (same_size[positions], real)
        for same_size in frames.image_set.of_each_shape(frames.indices).values()
        for positions, real in padded_batches(len(same_size), batch)
    ]
    parts = [frames.indices[positions[own]] for positions, _ in batches]
    ids = frames.image_set.frame_ids[frames.indices]
    steps = zip(batches, _read_ahead(frames.image_set, parts), strict=True)
    for (positions, real), images in counted(
        steps, len(batches), name, "batches scored"
    ):
        numbers = devices.put(ids[positions[own]], divided)
        images = devices.put(images, divided)
        kind = frames.image_set.target_kind
        data = prepare_batch(images, numbers, frames.mask_key, frames.sampling, kind)
        peak = None
        if volume_peaks is not None:
            peak = devices.put(volume_peaks[positions[own]], divided)
        yield FrameBatch(positions, real, data, peak)


def padded_batches(
    count: int, batch: int
) -> Iterator[tuple[Int[np.ndarray, " batch"], int]]:
    """Yield positions 0 .. count - 1 in batches of one length, and how many are real.

    The last batch repeats its last position, so one compiled program serves all.
    """
    for first in range(0, count, batch):
        real = min(batch, count - first)
        yield np.minimum(np.arange(first, first + batch), first + real - 1), real


def prepare_batch(
    images: Array,
    ids: Array,
    mask_key: RandomKey,
    sampling: Sampling,
    target_kind: TargetKind = TargetKind.COMBINED,
) -> Batch:
    """Run `make_batch`, compiled, on as many devices as divide the batch."""
    return _prepared_by(sampling, target_kind)(mask_key, images, ids)


# One program for each sampling, so that the networks and folds of a run share it.
@cache
def _prepared_by(sampling: Sampling, target_kind: TargetKind) -> Callable[..., Batch]:
    return devices.over_batch(
        lambda key, images, ids: make_batch(images, ids, key, sampling, target_kind)
    )


def _read_ahead(
    image_set: ImageSet, batches: list[Int[np.ndarray, " frame"]]
) -> Iterator[Images]:
    """Yield the images of each batch while a thread reads the next ones."""
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=READ_AHEAD)
    read = grain.MapDataset.range(len(batches)).map(
        lambda number: image_set.images(batches[number])
    )
    return iter(read.to_iter_dataset(options))
