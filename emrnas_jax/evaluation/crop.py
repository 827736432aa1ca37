"""Cut images to their middle, the part that is scored.

The middle of `whole` pixels begins at `(whole - kept) // 2`, as fastMRI's crop does.
Images are arrays [frame, height, width, ...] of any library.
"""

from typing import Any

# Rows and columns of the images that are kept; None for all.
Size = tuple[int, int] | None


def middle(images: Any, size: Size) -> Any:
    """Return the middle of images.

    Args:
        images: images [frame, height, width, ...].
        size: rows and columns to keep; None for all.
    """
    if size is None:
        return images
    rows, columns = (
        slice((whole - own) // 2, (whole - own) // 2 + own)
        for whole, own in zip(images.shape[1:3], size, strict=True)
    )
    return images[:, rows, columns]


def cropped(images: Any, crop: int) -> Any:
    """Return the middle `crop` x `crop` pixels, or fewer where images are smaller.

    Args:
        images: images [frame, height, width, ...].
        crop: pixels on a side; 0 for the whole image.
    """
    if not crop:
        return images
    height, width = images.shape[1:3]
    return middle(images, (min(crop, height), min(crop, width)))
