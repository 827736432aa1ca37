"""From images to batches: order, masks and under-sampling, inside the compiled step.

A data set that fits stays on the device (`Resident`); a larger one is read ahead by
Grain and handed over a few steps at a time (`Chunk`). Both give the same batches with
the same masks, because order and masks depend on keys, epoch and frame alone. Of a
batch that several devices share, each makes its own part.
"""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int, Key, Num, UInt32

from emrnas_jax.data.coil_images import AXES, parted
from emrnas_jax.data.image_set import ImageSet
from emrnas_jax.data.targets import TargetKind, target_of_coils
from emrnas_jax.errors import InputError
from emrnas_jax.machine import devices
from emrnas_jax.mri.fourier import fft2, to_channels, to_complex
from emrnas_jax.mri.measurement import (
    Measurement,
    keep_measured,
    undersample,
    zero_filled,
)
from emrnas_jax.mri.sampling import Sampling, draw_mask
from emrnas_jax.randomness import key_for

RandomKey = Key[Array, ""]
MOST_STEPS = 2**40  # of a training; a stream of frames has no end of its own
READERS = 16  # threads of a stream
Stored = Num[Array, "frame height width *part"]


class Batch(NamedTuple):
    """What a network sees, and what it should give.

    Attributes:
        zero_filled: the network's input, intensity about [0, 1].
        measurement: k-space, zero where not measured, and masks one line wide.
        target: the fully sampled image.
        target_kind: what the target is of several coils, which decides how an image is
            compared with it (`data.targets.as_compared`).
    """

    zero_filled: Float[Array, "batch height width 2"]
    measurement: Measurement
    target: Float[Array, "batch height width 2"]
    target_kind: TargetKind = TargetKind.COMBINED


class Resident(NamedTuple):
    """The frames of a whole split, on each device; each epoch has its own order."""

    images: Stored
    ids: UInt32[Array, " frame"]
    order_key: RandomKey


class Chunk(NamedTuple):
    """The frames of a few steps, each device with its part of every batch."""

    images: Num[Array, "step frame height width *part"]
    ids: UInt32[Array, "step frame"]
    first_step: Int[Array, ""]


OF_STEPS = PartitionSpec(None, devices.AXIS)  # of arrays `step frame ...`


def frame_specs(frames: Resident | Chunk) -> Chunk | PartitionSpec:
    """Return how frames lie on the devices, for `devices.on_every_device`."""
    if isinstance(frames, Resident):
        return devices.SHARED
    return Chunk(OF_STEPS, OF_STEPS, devices.SHARED)  # pyright: ignore


def make_batch(
    images: Stored,
    ids: UInt32[Array, " frame"],
    mask_key: RandomKey,
    sampling: Sampling,
    target_kind: TargetKind = TargetKind.COMBINED,
) -> Batch:
    """Under-sample frames, each with its own mask.

    Args:
        images: uint8 grey levels or float32 in [0, 1], or with a last axis of real and
            imaginary parts, or images of coils (`data.coil_images`).
        ids: the frames' numbers; with `mask_key` they decide the masks.
        mask_key: key that all frames of an epoch, or of a test, share.
        sampling: kind and rate of the masks, and the noise.
        target_kind: kind of target; `COMBINED` for images of one coil.

    Returns:
        The batch. Noise that is added is not in its target.
    """
    mask = draw_masks(sampling, mask_key, ids, (images.shape[1], images.shape[2]))
    if images.ndim == 1 + AXES:
        coil_images, coil_maps = parted(images)
        image = target_of_coils(coil_images, coil_maps, target_kind)
        # Not S of the combined image: what coils measure, maps explain but in part.
        measurement = keep_measured(fft2(coil_images), mask, coil_maps)
    else:
        # An image of one coil may have a phase, which such a target has not.
        assert target_kind is TargetKind.COMBINED, target_kind
        if images.dtype == jnp.uint8:
            images = images.astype(jnp.float32) / 255
        image = to_complex(images) if images.ndim == 4 else images.astype(jnp.complex64)
        measurement = undersample(image, mask)
    if sampling.noise:
        measurement = with_noise(measurement, sampling.noise, mask_key, ids)
    start = zero_filled(measurement)
    return Batch(start, measurement, to_channels(image), target_kind)


def with_noise(
    measurement: Measurement,
    noise: float,
    mask_key: RandomKey,
    ids: UInt32[Array, " frame"],
) -> Measurement:
    """Add noise to the measured samples of every frame.

    Args:
        measurement: samples of frames, of one coil or of several.
        noise: standard deviation of the real and of the imaginary part.
        mask_key: key of the masks, from which that of the noise is derived.
        ids: the frames' numbers; a frame has the same noise in whichever batch it is.
    """
    # A word and not a small number: the masks' own keys are folded from frame numbers.
    noise_key = jax.random.fold_in(mask_key, zlib.crc32(b"noise"))
    keys = jax.vmap(lambda i: jax.random.fold_in(noise_key, i))(ids)
    kspace = measurement.kspace
    drawn = jax.vmap(lambda key: jax.random.normal(key, (*kspace.shape[1:], 2)))(keys)
    noisy = kspace + noise * to_complex(drawn)
    return keep_measured(noisy, measurement.mask, measurement.coil_maps)


def draw_masks(
    sampling: Sampling,
    mask_key: RandomKey,
    ids: UInt32[Array, " frame"],
    shape: tuple[int, int],
) -> Bool[Array, "#frame #height #width"]:
    """Draw the mask of each frame; the arguments are those of `make_batch`.

    A frame has the same mask in whichever batch it comes.
    """
    keys = jax.vmap(lambda i: jax.random.fold_in(mask_key, i))(ids)
    return jax.vmap(lambda key: draw_mask(sampling, key, shape))(keys)


def epoch_order(
    order_key: RandomKey, epoch: int | Int[Array, ""], frames: int
) -> Int[Array, " frame"]:
    """Return the order in which an epoch visits the frames."""
    return jax.random.permutation(jax.random.fold_in(order_key, epoch), frames)


def frames_of_step(
    frames: Resident | Chunk,
    step: Int[Array, ""],
    steps_per_epoch: Int[Array, ""],
    batch: int,
) -> tuple[Stored, UInt32[Array, " frame"]]:
    """Return the images and numbers of the frames that `step` uses, inside `jit`.

    On several devices, of the frames that are this device's part.
    """
    if isinstance(frames, Resident):
        order = epoch_order(
            frames.order_key, step // steps_per_epoch, frames.images.shape[0]
        )
        first, share = devices.part_of_batch(batch)
        start = step % steps_per_epoch * batch + first
        chosen = jax.lax.dynamic_slice_in_dim(order, start, share)
        return frames.images[chosen], frames.ids[chosen]
    # A chunk is ordered already, by the host that read it.
    position = step - frames.first_step
    return frames.images[position], frames.ids[position]


class Split:
    """The frames of some subjects, served to compiled steps.

    Attributes:
        batch: frames per step.
        steps_per_epoch: whole batches; the rest of an epoch's order is left out.
        mesh: devices that share each batch.
    """

    def __init__(
        self,
        image_set: ImageSet,
        indices: Int[np.ndarray, " frame"],
        batch: int,
        order_key: RandomKey,
        steps_per_call: int,
        device_mib: float,
        mesh: Mesh | None = None,
    ) -> None:
        """Load the frames, or prepare to stream them.

        Args:
            image_set: images of the experiment.
            indices: frames of the split.
            batch: frames per step.
            order_key: decides the order within each epoch.
            steps_per_call: the most steps that one call of `frames` asks for.
            device_mib: a split larger than this many MiB is streamed.
            mesh: devices; as many as divide a batch unless given.

        Raises:
            InputError: there are fewer frames than a batch.
        """
        if len(indices) < batch:
            raise InputError(
                f"{image_set.name}: a batch of {batch} frames was asked of a split of "
                f"{len(indices)}; lower the batch or use more subjects"
            )
        self.batch = batch
        self.mesh = devices.mesh_for(batch) if mesh is None else mesh
        self.steps_per_epoch = len(indices) // batch
        self._image_set, self._indices = image_set, indices
        self._ids = image_set.frame_ids[indices]
        self._order_key, self._steps_per_call = order_key, steps_per_call
        # Of the epoch that is used, and of the next, that is read already.
        self._order = lru_cache(maxsize=2)(self._draw_order)
        self._reader: Iterator[np.ndarray] | None = None
        self._next_step = -1
        # One image gives the size of all, because a set has one shape and type.
        sample = image_set.images(indices[:1])
        self._resident = None
        if sample.nbytes * len(indices) <= device_mib * 2**20:
            images = devices.replicate(image_set.images(indices), self.mesh)
            ids = devices.replicate(self._ids, self.mesh)
            self._resident = Resident(images, ids, order_key)

    def frames(self, first_step: int, count: int) -> Resident | Chunk:
        """Return `count` steps from `first_step` on, as `frames_of_step` needs them."""
        if self._resident is not None:
            return self._resident
        if self._reader is None or self._next_step != first_step:
            self._reader = self._read_from(first_step)
        images = np.stack([next(self._reader) for _ in range(count)])
        self._next_step = first_step + count
        steps = range(first_step, self._next_step)
        ids = np.stack([self._ids[self._step_order(step)] for step in steps])
        # One shape, so one compiled program, however many steps are asked for.
        if missing := self._steps_per_call - count:  # a copy of all
            images = np.pad(images, [(0, missing)] + [(0, 0)] * (images.ndim - 1))
            ids = np.pad(ids, [(0, missing), (0, 0)])
        sharding = NamedSharding(self.mesh, OF_STEPS)
        images, ids = devices.put((images, ids), sharding)
        return Chunk(images, ids, jnp.asarray(first_step))

    def _step_order(self, step: int) -> Int[np.ndarray, " frame"]:
        """Return which frames this process reads for a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        batches = self._order(epoch)[: self.steps_per_epoch * self.batch]
        own = devices.rows_of_process(self.mesh, self.batch)
        return batches.reshape(-1, self.batch)[position, own]

    def _draw_order(self, epoch: int) -> Int[np.ndarray, " frame"]:
        return np.asarray(epoch_order(self._order_key, epoch, len(self._indices)))

    def _read_from(self, step: int) -> Iterator[np.ndarray]:
        """Yield the images of each step from `step` on, read ahead by threads.

        They read on over the end of an epoch, and are two calls ahead at most.
        """
        ahead = 2 * self._steps_per_call
        batches = grain.MapDataset.range(step, MOST_STEPS).map(self._read_step)
        options = grain.ReadOptions(min(ahead, READERS), prefetch_buffer_size=ahead)
        return iter(batches.to_iter_dataset(options))

    def _read_step(self, step: int) -> np.ndarray:
        return self._image_set.images(self._indices[self._step_order(step)])


def training_mask_key(seed: int, epoch: int | Int[Array, ""]) -> RandomKey:
    """Return the key of an epoch's masks: new masks for every frame each epoch."""
    return jax.random.fold_in(key_for(seed, "mask", "training"), epoch)


def fixed_mask_key(seed: int) -> RandomKey:
    """Return the key of the masks of validation and test, the same in every run.

    With a frame's number it depends on (seed, subject, slice, frame) alone, so all
    networks see the same masks.
    """
    return key_for(seed, "mask", "fixed")
