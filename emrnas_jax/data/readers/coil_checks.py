"""Checks of the axis of coils."""

import numpy as np
from jaxtyping import Complex64

# Samples a side of the coarse images by which coils are compared, and the correlation
# of their magnitudes above which they are perhaps no coils. Of a brain of 8 coils the
# two most different ones have 0.01.
COARSE, ALIKE = 32, 0.95


def coil_warnings(
    kspace: Complex64[np.ndarray, "frame *coil height width"],
) -> list[str]:
    """Warn of coils that measured nothing, or that are perhaps no coils."""
    if kspace.ndim == 3:
        return []
    count, found = kspace.shape[1], []
    empty = np.flatnonzero(~kspace.any(axis=(0, 2, 3)))
    if len(empty):
        names = ", ".join(str(coil) for coil in empty)
        found.append(f"coil {names} of {count}, counted from 0, measured nothing")
    # What coils see differs from one side of the object to the other.
    middle = np.fft.fftshift(kspace[len(kspace) // 2], axes=(1, 2))
    rows, columns = (
        slice(max(size // 2 - COARSE // 2, 0), size // 2 + COARSE // 2)
        for size in middle.shape[1:]
    )
    views = np.abs(np.fft.ifft2(middle[:, rows, columns])).reshape(count, -1)
    views = np.delete(views, empty, axis=0)
    if len(views) > 1 and np.corrcoef(views).min() > ALIKE:
        height, width = kspace.shape[2:]
        found.append(
            f"the images of all {count} coils are alike, so the axis may be of times "
            f"or echoes; if it is, store kspace.reshape(-1, {height}, {width})"
        )
    return found
