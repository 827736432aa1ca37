"""The batch of one training step: frames in the order of their epoch, varied by keys.

Everything follows from the number of the step, so a continued training sees the same.
"""

from jaxtyping import Array, Int

from emrnas_jax.data.pipeline import (
    Batch,
    Chunk,
    Resident,
    fixed_mask_key,
    frames_of_step,
    make_batch,
    training_mask_key,
)
from emrnas_jax.data.strips import Augmentation, augment, augmentation_key
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.mri.sampling import Sampling


def varied_batch(
    frames: Resident | Chunk,
    step: Int[Array, ""],
    size: int,
    augmentation: Augmentation,
    sampling: Sampling,
    seed: int,
    target_kind: TargetKind,
    has_fixed_masks: bool = False,
) -> Batch:
    """Return the batch of a step.

    Args:
        frames: frames of the training, or those that this call needs.
        step: number of the step, from 0.
        size: frames in a batch, over all devices.
        augmentation: strips and flips, new ones in each epoch.
        sampling: pattern from which masks are drawn.
        seed: the run's seed.
        target_kind: kind of target, as in `make_batch`.
        has_fixed_masks: whether each frame keeps one mask, as in validation; new ones
            are drawn in each epoch unless given.
    """
    images, ids, epoch = frames_of_step(frames, step, size)
    purpose = "validation" if has_fixed_masks else "training"
    key = augmentation_key(seed, purpose, epoch)
    images = augment(images, ids, key, augmentation, sampling.phase_encode)
    mask_key = (
        fixed_mask_key(seed) if has_fixed_masks else training_mask_key(seed, epoch)
    )
    return make_batch(images, ids, mask_key, sampling, target_kind)
