"""Training on strips of frames and on mirrored frames, cut inside the compiled step.

Where whole lines along the readout are measured, the Fourier transform along the
readout has no effect on which samples are known. The task therefore falls apart into
one task for each pixel of the readout, and a strip of neighbouring ones, with the same
mask, is exactly the same task as the frame: its zero-filled image and its data
consistency are those of the frame, cut to the strip. A step of strips costs as much
less as they are narrower, and sees as many more frames.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key, Num, UInt32

from emrnas_jax.errors import InputError
from emrnas_jax.randomness import key_for

Stored = Num[Array, "frame height width *part"]
AXES = {"rows": 2, "columns": 1}  # axis of the readout by that of the phase encoding


@dataclass(frozen=True)
class Augmentation:
    """How frames are varied before they are measured; hashable, for compiled steps.

    Attributes:
        strip: width of the strip that is cut from each frame, pixels along the readout;
            0 keeps whole frames.
        flips: whether frames are mirrored at random, along either axis or both.
    """

    strip: int = 0
    flips: bool = False


def augmentation_key(
    seed: int, purpose: str, epoch: int | Int[Array, ""]
) -> Key[Array, ""]:
    """Return the key of an epoch's strips and flips.

    Args:
        seed: the run's seed.
        purpose: what the frames are used for, "training" or "validation".
        epoch: number of the epoch: each has other strips.
    """
    return jax.random.fold_in(key_for(seed, "augmentation", purpose), epoch)


def augment(
    images: Stored,
    ids: UInt32[Array, " frame"],
    key: Key[Array, ""],
    augmentation: Augmentation,
    phase_encode: str,
) -> Num[Array, "frame _ _ *part"]:
    """Cut a strip from each frame and mirror it, inside `jit`.

    Args:
        images: frames as they are stored, a last axis of real and imaginary parts or
            none.
        ids: the frames' numbers; with `key` they decide strips and flips, so a frame
            has the same ones in whichever batch and on whichever device it is.
        key: key that all frames of an epoch share.
        augmentation: what is done.
        phase_encode: "rows" or "columns", the axis along which lines are left out; no
            strip cuts it.

    Raises:
        InputError: the strip is wider than the frames.
    """
    if augmentation == Augmentation():
        return images
    axis = AXES[phase_encode]
    require_strip(augmentation.strip, images.shape[axis], "strip")
    # By the frame's number: the same strip in resident and in streamed data, and on
    # any number of devices.
    starts, mirrored = jax.vmap(
        lambda i: _draw(jax.random.fold_in(key, i), augmentation, images.shape[axis])
    )(ids)
    if augmentation.strip:
        cut = jax.vmap(
            lambda image, start: jax.lax.dynamic_slice_in_dim(
                image, start, augmentation.strip, axis - 1
            )
        )
        images = cut(images, starts)
    if augmentation.flips:
        for own in (1, 2):
            # A choice rather than a branch, because each frame decides for itself.
            chosen = jnp.expand_dims(mirrored[:, own - 1], range(1, images.ndim))
            images = jnp.where(chosen, jnp.flip(images, own), images)
    return images


def _draw(
    key: Key[Array, ""], augmentation: Augmentation, width: int
) -> tuple[Int[Array, ""], Bool[Array, "2"]]:
    """Draw where a strip begins, and along which axes it is mirrored."""
    # Both are drawn whatever is switched on, so that one setting does not change what
    # another one draws.
    strip_key, flip_key = jax.random.split(key)
    last = width - augmentation.strip
    start = jax.random.randint(strip_key, (), 0, last + 1)
    return start, jax.random.bernoulli(flip_key, shape=(2,))


def require_strip(strip: int, width: int, setting: str) -> None:
    """Check that a strip fits into the frames.

    Args:
        strip: width of the strip, pixels; 0 for whole frames.
        width: side of the frames along the readout, pixels.
        setting: name of the setting, for the message.

    Raises:
        InputError: the strip is wider than the frames.
    """
    if strip > width:
        raise InputError(
            f"{setting}: a strip of {strip} pixels is wider than the frames, which "
            f"have {width} along the readout; use at most that, or 0 for whole frames"
        )
