"""The place of pixels in the scanner or the patient, as far as a file states it.

The axes are those of the images of a `Scan`: columns, rows, slices. Nothing here is
guessed: what a file does not state stays unknown, and whoever writes images says so.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# NIfTI's code for positions in the coordinates of the scanner.
SCANNER = 1


class Geometry(NamedTuple):
    """The place of the pixels of a scan.

    Attributes:
        size_mm: distances of neighbouring columns, rows and slices, mm; None if they
            are unknown.
        affine: matrix from column, row, slice and 1 to mm towards the right, the front
            and the head of the patient, and 1; None if the orientation is unknown.
        space: NIfTI's code of the coordinates that `affine` leads to.
    """

    size_mm: tuple[float, float, float] | None = None
    affine: Float[np.ndarray, "4 4"] | None = None
    space: int = SCANNER

    def __str__(self) -> str:
        """Return in words what is known."""
        if self.affine is not None:
            return "pixel size and orientation from the file"
        if self.size_mm is not None:
            return "pixel size from the file; orientation unknown"
        return "pixel size and orientation unknown"


UNKNOWN = Geometry()


def from_affine(affine: Float[np.ndarray, "4 4"], space: int = SCANNER) -> Geometry:
    """Return the geometry of images with an affine of columns, rows and slices."""
    across, down, through = np.linalg.norm(affine[:3, :3], axis=0)
    size = float(across), float(down), float(through)
    return Geometry(size, np.asarray(affine, float), space)
