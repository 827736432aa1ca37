"""From images to batches: order, masks and under-sampling, inside the compiled step.

A data set that fits stays on the device (`Resident`); a larger one is read ahead and
handed over a few steps at a time (`Chunk`): `data.split` makes both. They give the same
batches with the same masks, because order and masks depend on keys, epoch and frame
alone. Of a batch that several devices share, each makes its own part.
"""

import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Float, Int, Key, Num, UInt32

from emrnas_jax.data.coil_images import AXES, parted
from emrnas_jax.data.targets import TargetKind, target_of_coils
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


class Numbering(NamedTuple):
    """How the steps of a training count those of frames of one size.

    Attributes:
        ahead: number by which the training's step is ahead of the frames' own: steps
            without these frames were taken too.
        steps_per_epoch: number of steps in which all frames are seen once.
    """

    ahead: Int[Array, ""]
    steps_per_epoch: Int[Array, ""]


class Resident(NamedTuple):
    """All frames of one size, on each device; each epoch has its own order."""

    images: Stored
    ids: UInt32[Array, " frame"]
    order_key: RandomKey
    numbering: Numbering


class Chunk(NamedTuple):
    """The frames of a few steps, each device with its part of every batch.

    The first step is the frames' own.
    """

    images: Num[Array, "step frame height width *part"]
    ids: UInt32[Array, "step frame"]
    first_step: Int[Array, ""]
    numbering: Numbering


OF_STEPS = PartitionSpec(None, devices.AXIS)  # of arrays `step frame ...`


def frame_specs(frames: Resident | Chunk) -> Chunk | PartitionSpec:
    """Return how frames lie on the devices, for `devices.on_every_device`."""
    if isinstance(frames, Resident):
        return devices.SHARED
    shared = devices.SHARED
    return Chunk(OF_STEPS, OF_STEPS, shared, shared)  # pyright: ignore


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
    frames: Resident | Chunk, step: Int[Array, ""], batch: int
) -> tuple[Stored, UInt32[Array, " frame"], Int[Array, ""]]:
    """Return the images and numbers of the frames that a step uses, inside `jit`.

    On several devices, of the frames that are this device's part.

    Args:
        frames: frames that `data.split` has handed over for this step.
        step: the training's step.
        batch: frames per step, on all devices together.

    Returns:
        the images, the frames' numbers, and the epoch.
    """
    step = step - frames.numbering.ahead
    epoch = step // frames.numbering.steps_per_epoch
    if isinstance(frames, Resident):
        order = epoch_order(frames.order_key, epoch, frames.images.shape[0])
        first, share = devices.part_of_batch(batch)
        start = step % frames.numbering.steps_per_epoch * batch + first
        chosen = jax.lax.dynamic_slice_in_dim(order, start, share)
        return frames.images[chosen], frames.ids[chosen], epoch
    # A chunk is ordered already, by the host that read it.
    position = step - frames.first_step
    return frames.images[position], frames.ids[position], epoch


def training_mask_key(seed: int, epoch: int | Int[Array, ""]) -> RandomKey:
    """Return the key of an epoch's masks: new masks for every frame each epoch."""
    return jax.random.fold_in(key_for(seed, "mask", "training"), epoch)


def fixed_mask_key(seed: int) -> RandomKey:
    """Return the key of the masks of validation and test, the same in every run.

    With a frame's number it depends on (seed, subject, slice, frame) alone, so all
    networks see the same masks.
    """
    return key_for(seed, "mask", "fixed")
