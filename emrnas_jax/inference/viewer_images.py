"""Reconstructed magnitudes with their names and places, to write for viewers.

They come from a reconstruction, or from its HDF5 when that was made before.
"""

from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Float32, Int32

from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry
from emrnas_jax.data.readers.source import reading

# Form of the names of frames.
FRAME_NAME = r"slice_\d{4,}_frame_\d{4,}"


class ViewerImages(NamedTuple):
    """Reconstructed magnitudes and what a viewer needs to know of them.

    Attributes:
        magnitudes: magnitudes of every frame on the scale of the scan.
        slices: slice number of every frame.
        frames: time of every frame.
        geometry: place of the pixels.
        network: name of the network.
        made_from: text that differs where another result may differ.
        stored_as: what the input is, in words; empty if there is nothing to say.
    """

    magnitudes: Float32[np.ndarray, "frame height width"]
    slices: Int32[np.ndarray, " frame"]
    frames: Int32[np.ndarray, " frame"]
    geometry: Geometry
    network: str
    made_from: str
    stored_as: str = ""

    @property
    def about(self) -> str:
        """What the input is, to stand before other words."""
        return f"{self.stored_as}; " if self.stored_as else ""

    def names(self) -> list[str]:
        """Return a name for every frame, for files of single frames."""
        return [
            f"slice_{slice_:04d}_frame_{frame:04d}"
            for slice_, frame in zip(self.slices, self.frames, strict=True)
        ]


def read_viewer_images(path: Path) -> ViewerImages:
    """Return the images of the HDF5 of a result, whose place it does not keep.

    Raises:
        InputError: the file is damaged.
    """
    with reading(path), h5py.File(path) as file:
        stored: dict[str, Any] = {
            name: file[name] for name in ("reconstruction", "slice", "frame")
        }
        images, slices, frames = (one[()] for one in stored.values())
        network, origin = (str(file.attrs[name]) for name in ("network", "made_from"))
        stored_as = str(file.attrs.get("stored_as", ""))
    magnitudes = np.abs(images).astype(np.float32)
    return ViewerImages(magnitudes, slices, frames, UNKNOWN, network, origin, stored_as)


def on_grid(
    images: ViewerImages,
) -> tuple[Float32[np.ndarray, "slice time height width"], int]:
    """Return the frames as volumes over time, and the number of the first slice.

    Frames that were left out, because they are empty, are zero. Where places are known,
    slices that were left out keep theirs; elsewhere their numbers may be any.
    """
    first = int(images.slices.min())
    numbers, position = np.unique(images.slices, return_inverse=True)
    count = len(numbers)
    if images.geometry.affine is not None:
        position, count = images.slices - first, int(images.slices.max()) - first + 1
    times, time = np.unique(images.frames, return_inverse=True)
    shape = (count, len(times), *images.magnitudes.shape[1:])
    volumes = np.zeros(shape, np.float32)
    volumes[position, time] = images.magnitudes
    return volumes, first
