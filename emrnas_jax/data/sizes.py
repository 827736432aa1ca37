"""The few sizes that the images of an experiment are cut to.

Every size has compiled programs of its own and fills batches of its own, so there is a
bound. The most frequent sizes are kept; an image of another size is cut to the largest
of those that fits within it.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from emrnas_jax.errors import InputError

LOG = logging.getLogger("emrnas_jax")

Sizes = Int[np.ndarray, "image 2"]  # height and width of each image


def cut_sizes(
    stored: Sizes,
    wanted: tuple[int, int],
    block: int,
    most: int,
    name_of: Callable[[int], str],
) -> Sizes:
    """Return the height and width to which each image is cut.

    A line in the log says which images are cut further than was wanted.

    Args:
        stored: height and width of each image, pixels.
        wanted: height and width of the cut; 0 for an image's own side.
        block: side of the blocks of pixels that are averaged after the cut.
        most: the most sizes that there may be after the cut, at least 1.
        name_of: function that names an image by its number, for messages.

    Raises:
        InputError: an image is smaller than the cut, or than all sizes that are kept.
    """
    own = own_sizes(stored, wanted, block)
    for i in np.flatnonzero((own > stored).any(1) | (own == 0).any(1)).tolist():
        least = (wanted[0] or block, wanted[1] or block)
        raise InputError(
            f"{name_of(i)}: found {in_words(stored[i])} pixels, less than data.height "
            f"x data.width = {in_words(least)}; lower these"
            f"{'' if all(wanted) else ', or data.downsample'}"
        )
    kept, cuts, enough = few_sizes(own, most)
    for i in np.flatnonzero((cuts == 0).any(1)).tolist():
        raise InputError(
            f"{name_of(i)}: {in_words(own[i])} pixels are less than all of the most "
            f"frequent sizes, {', '.join(map(in_words, kept))}; set data.sizes to at "
            f"least {enough}, remove the file, or set data.height and data.width"
        )
    if (own != cuts).any():
        LOG.warning("data.sizes=%d: %s", most, _changes_in_words(own, cuts))
    return cuts


def _changes_in_words(own: Sizes, cuts: Sizes) -> str:
    pairs = np.concatenate([own, cuts], axis=1)[(own != cuts).any(1)]
    found, _, counts = most_frequent(pairs)
    return "; ".join(
        f"{count} images of {in_words(pair[:2])} pixels are cut to {in_words(pair[2:])}"
        for pair, count in zip(found, counts, strict=True)
    )


def in_words(size: Sequence[int] | Int[np.ndarray, "2"]) -> str:
    """Return a height and a width as text, such as 640 x 368."""
    return f"{size[0]} x {size[1]}"


def own_sizes(stored: Sizes, wanted: tuple[int, int], block: int) -> Sizes:
    """Return the height and width that each image would be cut to alone.

    Args:
        stored: height and width of each image, pixels.
        wanted: height and width of the cut; 0 for an image's own side.
        block: number that has to divide both sides: those of the images are lowered.
    """
    own = stored // block * block
    return np.where(np.array(wanted) > 0, wanted, own)


def most_frequent(
    sizes: Int[np.ndarray, "image side"],
) -> tuple[
    Int[np.ndarray, "size side"], Int[np.ndarray, " image"], Int[np.ndarray, " size"]
]:
    """Return the sizes that there are, each image's number among them, and the counts.

    The most frequent size comes first, and of equally frequent ones the largest.
    """
    found, numbers, counts = np.unique(
        sizes, axis=0, return_inverse=True, return_counts=True
    )
    order = np.lexsort((-found.prod(1), -counts))
    ranks = np.argsort(order)  # of each found size in the new order
    return found[order], ranks[numbers.reshape(-1)], counts[order]


def few_sizes(sizes: Sizes, most: int) -> tuple[Int[np.ndarray, "kept 2"], Sizes, int]:
    """Cut images to the most frequent sizes.

    Args:
        sizes: height and width of each image, pixels.
        most: the most sizes that are kept, at least 1.

    Returns:
        the sizes that are kept; the size of each image after the cut, 0 where none of
        them fits within it; and the least number of sizes with which all images fit.
    """
    found, numbers, _ = most_frequent(sizes)
    # fits[i, j]: size j can be cut from size i.
    height, width = found.T
    fits = (height <= height[:, None]) & (width <= width[:, None])
    kept = found[:most]
    pixels = np.where(fits[:, :most], kept.prod(1), 0)
    best = kept[pixels.argmax(1)]
    best[pixels.max(1) == 0] = 0
    enough = int(fits.argmax(1).max()) + 1
    return kept, best[numbers], enough
