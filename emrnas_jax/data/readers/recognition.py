"""The one recognition of files, for images to train on and for scans to reconstruct."""

import collections
from collections.abc import Callable, Sequence
from pathlib import Path

from emrnas_jax.data.readers import (
    calgary_nifti,
    calgary_raw,
    cardiac_hdf5,
    cardiac_png,
    complex_hdf5,
    complex_matlab,
    dicom_images,
    hdf5,
    kspace_scan,
    magnitude_hdf5,
    nifti_images,
    real_hdf5,
    york,
)
from emrnas_jax.data.readers.kspace_conventions import CONFIG
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.data.readers.source import NamedImage, Source, read_file
from emrnas_jax.errors import InputError

# K-space with the convention that its files state.
KSPACE = kspace_scan.kspace_source(Reading("complex", "rows", form=CONFIG))

# The first that takes a file counts, so training prefers images to k-space beside them.
SOURCES = (
    york.SOURCE,
    cardiac_png.SOURCE,
    cardiac_hdf5.SOURCE,
    magnitude_hdf5.SOURCE,
    real_hdf5.SOURCE,
    complex_hdf5.SOURCE,
    complex_matlab.SOURCE,
    calgary_nifti.SOURCE,
    calgary_raw.SOURCE,
    nifti_images.SOURCE,
    dicom_images.SOURCE,
    KSPACE,
)


def recognise(path: Path) -> tuple[Source, list[Path]]:
    """Return the source of a folder, or of a single file, and its files by name.

    Files of no known name are passed over (masks, notes, contours), except HDF5
    files: those are recognised by their content, so an unknown one is a mistake.

    Raises:
        InputError: nothing is there, nothing is known, a file is damaged, or files of
            several sources lie together.
    """
    try:
        files = [path] if path.is_file() else sorted(_visible_files(path))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened ({error.strerror}); give a folder of images"
        ) from error
    if not files:
        raise InputError(f"{path}: holds no files; {known()}")
    found: dict[str, list[Path]] = {}
    sources = {source.name: source for source in SOURCES}
    for file in files:
        if source := source_of(file):
            found.setdefault(source.name, []).append(file)
    if not found:
        raise InputError(f"{path}: nothing recognised in {described(files)}; {known()}")
    # Two sources of one folder would mix scales and names of subjects.
    if len(found) > 1:
        kinds = "; ".join(
            f"{len(those)} of {name}, such as {those[0].name}"
            for name, those in found.items()
        )
        raise InputError(
            f"{path}: holds files of several sources ({kinds}); "
            "give each its own folder"
        )
    [(name, those)] = found.items()
    return sources[name], those


def read_images(path: Path) -> list[NamedImage]:
    """Return the images of one file of any known kind.

    Raises:
        InputError: the file is of no known kind, damaged or without images.
    """
    if path.is_dir():
        raise InputError(f"{path}: expected a file, found a folder")
    source, files = recognise(path)
    return list(read_file(source, files[0]))


def _visible_files(folder: Path) -> list[Path]:
    return [
        file
        for file in folder.iterdir()
        # Systems leave hidden files beside images, such as ._scan.h5.
        if file.is_file() and not file.name.startswith(".")
    ]


def source_of(file: Path) -> Source | None:
    """Return the source of a file, None for one that is to be passed over.

    Raises:
        InputError: the file is damaged, or HDF5 with unknown content.
    """
    for source in SOURCES:
        if source.takes(file):
            return source
    # Other files may be notes; HDF5 in a folder of images is data.
    if file.suffix in hdf5.SUFFIXES:
        found = sorted(hdf5.datasets(file)) or "none"
        raise InputError(f"{file}: found the datasets {found}; {known()}")
    return None


def firsts(files: Sequence[Path], together: Callable[[Path], list[Path]]) -> list[Path]:
    """Return files in their order, of those that are read together only the first."""
    found, read = [], set()
    for file in files:
        if file not in read:
            found.append(file)
            read.update(together(file))
    return found


def described(files: Sequence[Path]) -> str:
    """Return the number of files, their endings and the name of one, in words."""
    if not files:
        return "0 files"
    endings = collections.Counter(file.suffix or "no ending" for file in files)
    kinds = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(4))
    plural = "s" * (len(files) != 1)
    return f"{len(files)} file{plural} ({kinds}; such as {files[0].name})"


def known() -> str:
    """Return the kinds of files that are known, and a way to store other images."""
    lines = "\n".join(f"  {source.files}" for source in SOURCES)
    return (
        f"known are\n{lines}\nWrite other images (PNG, .npy) as one HDF5 file "
        "for each subject:\n"
        '  with h5py.File("subject_1.h5", "w") as file:\n'
        '      file["images"] = images  # [image, row, column]'
    )
