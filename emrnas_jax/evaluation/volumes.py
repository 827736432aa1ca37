"""Score volumes; a volume is all slices of one subject at one time.

Test frames come in batches that cut through volumes. So the largest value of each
volume, which SSIM needs in every slice, is looked up before; PSNR and NMSE of a volume
follow from its slices' mean squares.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from emrnas_jax.data.coil_images import AXES, combined, root_sum_of_squares
from emrnas_jax.data.image_set import Images, ImageSet, at_once
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.crop import cropped
from emrnas_jax.runs.scores import ALL_SLICES, Scores


def volume_of_frames(
    subjects: Sequence[str], frames: Int[np.ndarray, " frame"]
) -> tuple[Int[np.ndarray, " volume"], Int[np.ndarray, " frame"]]:
    """Return the first frame of every volume, and the volume of each frame.

    Volumes are ordered by subject and time.

    Args:
        subjects: name of each frame's subject.
        frames: number of each frame's time.
    """
    names = np.unique(np.asarray(subjects), return_inverse=True)[1]
    _, first, volumes = np.unique(
        np.stack([names, frames]), axis=1, return_index=True, return_inverse=True
    )
    return first, volumes.reshape(-1)


def volume_peaks(
    image_set: ImageSet, indices: Int[np.ndarray, " frame"], crop: int = 0
) -> Float[np.ndarray, " frame"]:
    """Return, for each frame, the largest magnitude of its volume; 1 if all is black.

    Args:
        image_set: data set of the frames.
        indices: numbers of the frames; slices that are not among them do not count.
        crop: pixels on a side of the middle that counts; 0 for the whole image.
    """
    peaks = np.zeros(len(indices), np.float32)
    for positions in image_set.of_each_shape(indices).values():
        # A few at a time: a test set may be larger than the memory.
        step = at_once(image_set.images(indices[positions[:1]]).nbytes)
        for start in range(0, len(positions), step):
            some = positions[start : start + step]
            targets = _targets(image_set.images(indices[some]), image_set.target_kind)
            peaks[some] = cropped(targets, crop).max((1, 2))
    subjects = [image_set.subjects[i] for i in indices]
    _, volumes = volume_of_frames(subjects, image_set.frames[indices])
    # Unlike `largest[volumes] = peaks`, this keeps the maximum of repeated indices.
    largest = np.zeros(volumes.max() + 1, np.float32)
    np.maximum.at(largest, volumes, peaks)
    # Two black volumes are equal, not undefined.
    return np.where(largest > 0, largest, 1)[volumes]


def require_volumes(image_set: ImageSet, indices: Int[np.ndarray, " frame"]) -> None:
    """Check that all slices of every volume have one size.

    Args:
        image_set: data set of the frames.
        indices: numbers of the frames.

    Raises:
        InputError: slices of a volume have several sizes.
    """
    subjects = [image_set.subjects[i] for i in indices]
    first, volumes = volume_of_frames(subjects, image_set.frames[indices])
    numbers = image_set.shape_numbers[indices]
    others = np.flatnonzero(numbers != numbers[first][volumes])
    if len(others):
        i, other = indices[first[volumes[others[0]]]], indices[others[0]]
        sizes = (
            f"{height} x {width}"
            for height, width in (
                image_set.shapes[image_set.shape_numbers[own]] for own in (i, other)
            )
        )
        raise InputError(
            f"{image_set.name}: subject {image_set.subjects[i]}, frame "
            f"{image_set.frames[i]}: slices of {' and '.join(sizes)} pixels are no "
            "volume that can be scored; set evaluation.convention to one of frames, or "
            "data.height and data.width"
        )


def _targets(
    images: Images, kind: TargetKind
) -> Float[np.ndarray, "image height width"]:
    """Return the magnitudes of the targets of images, as `make_batch` makes them."""
    if images.ndim == 1 + AXES:
        rss = kind is TargetKind.RSS
        return root_sum_of_squares(images) if rss else np.abs(combined(images))
    if images.ndim == 4:
        return np.hypot(images[..., 0], images[..., 1])
    return images.astype(np.float32) / (255 if images.dtype == np.uint8 else 1)


def scores_of_volumes(
    slices: Scores,
    squared_error: Float[np.ndarray, " frame"],
    energy: Float[np.ndarray, " frame"],
    peak: Float[np.ndarray, " frame"],
) -> Scores:
    """Return one score per volume, from those of its slices.

    Args:
        slices: scores of each frame, whose SSIM has the data range of its volume.
        squared_error: squared error of each frame, averaged over its pixels.
        energy: squared values of each target, averaged over its pixels.
        peak: largest value of each frame's volume.
    """
    first, volumes = volume_of_frames(slices.subject, slices.frame)
    # All slices have the same number of pixels, so a volume's mean over its pixels is
    # the mean of its slices' means.
    error, power, ssim = (
        np.bincount(volumes, values) / np.bincount(volumes)
        for values in (squared_error, energy, slices.ssim)
    )
    # A perfect volume divides by zero, and is set below.
    with np.errstate(divide="ignore", invalid="ignore"):
        psnr_db = 20 * np.log10(peak[first]) - 10 * np.log10(error)
        nmse = error / power
    return Scores(
        tuple(slices.subject[i] for i in first),
        np.full(len(first), ALL_SLICES),
        slices.frame[first],
        np.where(error == 0, np.inf, psnr_db),
        ssim,
        np.where(error == 0, 0, nmse),
    )
