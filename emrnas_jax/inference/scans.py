"""The scans to reconstruct: files found in a folder, and the frames of each.

Files of images and of k-space are recognised and read as for training
(`data.readers`), with two differences: k-space may have lines missing, and where a file
holds images and k-space, it is its k-space that is reconstructed.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from emrnas_jax.data.readers import hdf5, kspace_files
from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry
from emrnas_jax.data.readers.given_masks import given_masks
from emrnas_jax.data.readers.kspace_frames import parse_frames, require_frames
from emrnas_jax.data.readers.kspace_geometry import kspace_geometry
from emrnas_jax.data.readers.kspace_scan import network_images, read_kspace
from emrnas_jax.data.readers.mask_checks import require_centre
from emrnas_jax.data.readers.recognition import (
    SOURCES,
    described,
    firsts,
    known,
    recognise,
    source_of,
)
from emrnas_jax.data.readers.scan import Reading, Scan
from emrnas_jax.data.readers.source import Source, read_file
from emrnas_jax.errors import InputError

# These suffixes say nothing of the content, so every such file is read and reported.
BY_CONTENT = (kspace_files.NPZ, *hdf5.SUFFIXES)


def find_scans(
    path: Path, leave_out: Callable[[Path], bool] = lambda _: False
) -> list[Path]:
    """Return a file, or the files of a folder that may hold scans, by name.

    Args:
        path: file, or folder that is searched with its folders.
        leave_out: function that returns whether a folder is passed over.

    Raises:
        InputError: there is nothing at `path`, or nothing known.
    """
    if path.is_file():
        return [path]
    # A folder is searched, a file is taken whatever its name.
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    files = sorted(_files_below(path, leave_out))
    if not files:
        raise InputError(f"{path}: holds no files")
    found = [file for file in files if _may_be_scan(file)]
    if not found:
        raise InputError(f"{path}: nothing recognised in {described(files)}; {known()}")
    return firsts(found, files_with)


def _files_below(path: Path, leave_out: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield all files that are not hidden; links to folders are not followed."""
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not leave_out(here / name)
        ]
        for name in names:
            file = here / name
            # A link that leads nowhere is reported when it is read.
            if not name.startswith(".") and (file.is_file() or _is_broken_link(file)):
                yield file


def files_with(path: Path) -> list[Path]:
    """Return the files that are read together with one, itself among them.

    A file that cannot be used is alone here, and is reported when it is read.
    """
    # Not opened, which would take long in a folder of thousands.
    if path.suffix in BY_CONTENT:
        return [path]
    try:
        source = next(source for source in SOURCES if source.takes(path))
        return source.together(path)
    except (InputError, MemoryError, StopIteration):
        return [path]


def _is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.is_dir()


def _may_be_scan(path: Path) -> bool:
    """Return whether a file is known, or cannot be read and is reported then."""
    try:
        return path.suffix in BY_CONTENT or _is_known(path)
    except (InputError, MemoryError):
        return True


def _is_known(path: Path) -> bool:
    return any(source.takes(path) for source in SOURCES)


def read_scan(path: Path, how: Reading) -> Scan:
    """Read the frames of one file.

    Frames without content (constant images, empty k-space) are left out; the others
    keep their numbers.

    Raises:
        InputError: the file is damaged, of no known kind, or holds other images than
            the network was trained on.
    """
    # An .npz without k-space goes this way too, to be refused with what it holds.
    if path.suffix == kspace_files.NPZ or kspace_files.takes(path):
        return read_kspace(path, how)
    if path.suffix in hdf5.SUFFIXES and not _is_known(path):
        found = {name: str(kind) for name, kind in hdf5.datasets(path).items()}
        raise InputError(
            f"{path}: holds no `kspace`, `images` or `frames` that is known, but the "
            f"datasets {found or 'none'}; store k-space or images [frame, row, column]"
        )
    return _read_images(path, how)


def geometry_of(path: Path, shape: tuple[int, int], axes: str = "") -> Geometry:
    """Return the place of the pixels of a file that was reconstructed.

    Args:
        path: file of images or of k-space.
        shape: height and width of its frames.
        axes: names of the axes of k-space; "" for the file's own.

    Raises:
        InputError: the file is damaged.
    """
    if path.suffix == kspace_files.NPZ or kspace_files.takes(path):
        return kspace_geometry(path, shape, axes)
    source = source_of(path)
    return UNKNOWN if source is None else source.geometry(path)


def _read_images(path: Path, how: Reading) -> Scan:
    source, _ = recognise(path)
    if how.images == "complex" and source.dtype != "complex64":
        raise InputError(
            f"{path}: holds magnitudes ({source.name}), and the network was trained on "
            "complex images; use a network trained on magnitudes (or, with "
            "--model=tv, --images=magnitude)"
        )
    # Whole: the frames of a file are reconstructed together.
    named = list(read_file(source, path))
    frames = parse_frames(how.frames)
    require_frames(frames, len(named), path)
    named = named[frames]
    images = np.stack([one.image for one in named])
    mask, warnings = None, _unused_flags(how)
    if how.masks is not None:
        mask = given_masks(how.masks, images.shape, None, how.phase_encode, str(path))
        warnings += require_centre(mask, f"{path}: --mask={how.masks.where}")
    is_complex = images.dtype.kind == "c"
    return Scan(
        subjects=tuple(one.subject for one in named),
        slices=np.array([one.slice for one in named], np.int32),
        frames=np.array([one.frame for one in named], np.int32),
        images=network_images(images, how.images) if is_complex else images,
        kspace=None,
        mask=mask,
        # Readers of images bring them to [0, 1], and forget the file's own scale.
        scale=1.0,
        stored_as=_simulated(source, path),
        warnings=tuple(warnings),
    )


def _simulated(source: Source, path: Path) -> str:
    """Return what images are, and that their k-space was never measured, in words."""
    kind = "complex images" if source.dtype == "complex64" else "magnitudes"
    about = source.about(path)
    return f"{about}{', ' if about else ''}k-space simulated from {kind}"


def _unused_flags(how: Reading) -> list[str]:
    """Warn of declarations about k-space, which images have no use for."""
    declared = {
        "kspace_convention": how.convention,
        "kspace_norm": how.norm,
        "kspace_axes": how.axes,
        "scale": how.scale,
        "fully_sampled": how.fully_sampled,
    }
    flags = [f"--{name}" for name, value in declared.items() if value]
    return [f"{', '.join(flags)}: not used, these are images"] if flags else []
