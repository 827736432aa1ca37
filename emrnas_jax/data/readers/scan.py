"""The frames of one file, as training and reconstruction both get them.

Every reader of k-space gives a `Scan`: complete images, or measured k-space with its
mask. `Reading` holds the user's declarations about it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex64, Float32, Int32, Num

from emrnas_jax.data.readers.kspace_conventions import FLAG
from emrnas_jax.data.readers.kspace_masks import Masks
from emrnas_jax.data.readers.mask_files import StoredMask


@dataclass(frozen=True)
class Reading:
    """The user's declarations about files.

    Attributes:
        images: "magnitude" or "complex", the kind of image that the network takes.
        phase_encode: `rows` or `columns`, the network's phase-encode axis.
        convention: key of `kspace_conventions.CONVENTIONS`; "" for the file's own.
        norm: key of `kspace_conventions.NORMS`; "" for the file's own.
        fully_sampled: whether k-space with zero lines, such as padding, is complete.
        scale: intensity of k-space's images that shall be 1; 0 for the file's largest.
        masks: one mask for all frames, or one for each; they replace a file's own.
        form: way in which the user makes these declarations: `FLAG`, or `CONFIG` when
            images to train on are read.
        axes: names of the axes of k-space, separated by commas; "" for the file's own.
        frames: frames to read, as `first:end` or one number; "" for all.
        coils: number of coils of the images to train on; 0 for one coil.
    """

    images: str
    phase_encode: str
    convention: str = ""
    norm: str = ""
    fully_sampled: bool = False
    scale: float = 0.0
    masks: StoredMask | None = None
    form: str = FLAG
    axes: str = ""
    frames: str = ""
    coils: int = 0


class Scan(NamedTuple):
    """The frames of one file; either `images` or `kspace` is None.

    Complete k-space of several coils stays k-space, and has a `target`.

    Attributes:
        subjects: subject of every frame; the file's name where files name nobody.
        slices: slice number of every frame, from 0 unless the file numbers otherwise.
        frames: time of every frame, from 0.
        images: complete images as `make_batch` takes them.
        kspace: measured samples in the package's convention, zero elsewhere; the axis
            of coils is absent where there is one.
        mask: True where k-space was measured. With complete images it is where k-space
            shall be measured, or None for a mask to be drawn.
        scale: factor from the network's intensities to those of the file.
        stored_as: convention and norm of its k-space in words, or what images are.
        warnings: a sentence for everything in the file that is uncertain.
        target: magnitudes of complete k-space of several coils, the root of the sum of
            squares over the coils.
        coil_maps: maps of the coils, Σ|S|² = 1, where the file has them; None to
            estimate those of several coils.
        acquired: True for the part of complete k-space that is no padding, where masks
            are drawn; None for all of it.
        size: rows and columns of the image that are kept, in its middle; None for all.
    """

    subjects: tuple[str, ...]
    slices: Int32[np.ndarray, " frame"]
    frames: Int32[np.ndarray, " frame"]
    images: Num[np.ndarray, "frame height width *part"] | None
    kspace: Complex64[np.ndarray, "frame *coil height width"] | None
    mask: Masks | None
    scale: float
    stored_as: str = ""
    warnings: tuple[str, ...] = ()
    target: Float32[np.ndarray, "frame height width"] | None = None
    coil_maps: Complex64[np.ndarray, "frame coil height width"] | None = None
    acquired: Masks | None = None
    size: tuple[int, int] | None = None

    @property
    def values(self) -> np.ndarray:
        """`images` or `kspace`, whichever there is."""
        values = self.images if self.kspace is None else self.kspace
        assert values is not None
        return values

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the frames, pixels."""
        if self.kspace is not None:
            return self.kspace.shape[-2], self.kspace.shape[-1]
        return self.values.shape[1], self.values.shape[2]

    @property
    def kind(self) -> tuple:
        """A value that is equal for scans that can be joined in one batch."""
        # Masks of lines and of samples have other shapes, so they cannot be joined.
        forms = tuple(
            None if mask is None else mask.shape[1:]
            for mask in (self.mask, self.acquired)
        )
        kinds = (self.kspace, self.target, self.coil_maps)
        content = tuple(array is None for array in kinds)
        values = self.values
        return content, values.shape[1:], values.dtype, forms, self.size
