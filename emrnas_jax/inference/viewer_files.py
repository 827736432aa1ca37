"""Write reconstructed magnitudes for viewers: NIfTI, DICOM or PNG.

They stand beside the HDF5 of a result, which keeps complex images, masks and scores.
What the input says of the size and the place of its pixels is passed on; what it does
not say is not made up, and the files say so in words.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
from PIL import Image

from emrnas_jax.data.readers.dicom_library import require_pydicom
from emrnas_jax.data.readers.geometry import Geometry
from emrnas_jax.errors import InputError
from emrnas_jax.inference.dicom_files import write_dicom
from emrnas_jax.inference.viewer_images import FRAME_NAME, ViewerImages, on_grid

# NIfTI has no way to leave the size of pixels open.
UNKNOWN_MM = (1.0, 1.0, 1.0)


class ViewerFormat(NamedTuple):
    """A format of files for viewers.

    Attributes:
        ending: what follows the name of a result; of a file it begins with a dot, and a
            result of other endings is a folder.
        write: function that writes images to a new file, or into an empty folder.
        require: function that raises InputError if a library is missing.
        inside: ending of the files of a folder.
    """

    ending: str
    write: Callable[[Path, ViewerImages], None]
    require: Callable[[], None] = lambda: None
    inside: str = ""


def write_nifti(path: Path, images: ViewerImages) -> None:
    """Write one NIfTI file, float32 [column, row, slice(, frame)].

    Frames that were left out as empty are zero. Where the orientation is unknown both
    codes of the header are 0, which is NIfTI's way to say so.
    """
    volumes, first = on_grid(images)
    geometry, affine = images.geometry, images.geometry.affine
    if affine is not None:
        affine = affine.copy()
        affine[:3, 3] += first * affine[:3, 2]
    stored = volumes.transpose(3, 2, 0, 1)
    if stored.shape[-1] == 1:
        stored = stored[..., 0]
    image = nibabel.Nifti1Image(stored, affine)
    header: Any = image.header
    header.set_zooms((*(geometry.size_mm or UNKNOWN_MM), 1.0)[: stored.ndim])
    header.set_xyzt_units("mm")
    if affine is not None:
        image.set_sform(affine, geometry.space)
        image.set_qform(None, 0)
    assumed = ", 1 mm assumed" if geometry.size_mm is None else ""
    header["descrip"] = f"not for diagnosis; {geometry}{assumed}"[:79].encode()
    nibabel.save(image, path)


def write_pngs(folder: Path, images: ViewerImages) -> None:
    """Write every frame as an 8-bit PNG, grey from 0 to the largest of all frames."""
    white = max(float(images.magnitudes.max()), float(np.finfo(np.float32).tiny))
    for name, frame in zip(images.names(), images.magnitudes, strict=True):
        levels = np.round(frame / white * 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{name}.png")


FORMATS = {
    "nifti": ViewerFormat(".nii.gz", write_nifti),
    "dicom": ViewerFormat("_dicom", write_dicom, require_pydicom, ".dcm"),
    "png": ViewerFormat("_png", write_pngs, inside=".png"),
}
# HDF5 is written always, and alone unless another format is asked for.
HDF5 = "hdf5"


def geometry_warnings(name: str, geometry: Geometry) -> list[str]:
    """Warn where a viewer will show less than the user may believe.

    Args:
        name: key of `FORMATS`, or `HDF5`.
        geometry: place of the pixels, as the input states it.
    """
    if name not in ("nifti", "dicom") or geometry.affine is not None:
        return []
    size = " nor the size of its pixels" if geometry.size_mm is None else ""
    wrong = "sides and distances" if size else "sides"
    return [
        f"the input does not state how its slices lie in the patient{size}, so the "
        f"{wrong} that viewers show of the {name} files mean nothing"
    ]


def write_for_viewer(path: Path, name: str, images: ViewerImages) -> None:
    """Write a file, or a folder of files, whole or not at all.

    Args:
        path: the result; an earlier one is replaced.
        name: key of `FORMATS`.
        images: reconstructed magnitudes.

    Raises:
        InputError: a folder of that name holds other files, or a library is missing.
    """
    form = FORMATS[name]
    partial = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        if form.inside:
            partial.mkdir(parents=True)
            form.write(partial, images)
            require_replaceable(path, name)
            # Of a folder that holds results alone nothing else is lost.
            if path.exists():
                shutil.rmtree(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            form.write(partial, images)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        partial.unlink(missing_ok=True)


def require_replaceable(path: Path, name: str) -> None:
    """Raise InputError if a folder has the name of a result, and holds anything else.

    Args:
        path: the result; it need not exist.
        name: key of `FORMATS`.
    """
    inside = FORMATS[name].inside
    if not inside or not path.exists():
        return
    # By the whole name, because images of any origin have the same ending.
    own = re.compile(FRAME_NAME + re.escape(inside))
    files = path.iterdir() if path.is_dir() else [path]
    others = [
        file.name for file in files if not (file.is_file() and own.fullmatch(file.name))
    ]
    if others:
        raise InputError(
            f"{path}: holds {min(others)}, which is no file of a result, and would be "
            "replaced; give another --output, or move it away"
        )
