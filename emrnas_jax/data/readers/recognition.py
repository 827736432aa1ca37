"""Which source the files of a folder belong to."""

import collections
from collections.abc import Sequence
from pathlib import Path

from emrnas_jax.data.readers import (
    calgary_nifti,
    calgary_raw,
    cardiac_hdf5,
    cardiac_png,
    complex_hdf5,
    hdf5,
    magnitude_hdf5,
    real_hdf5,
    york,
)
from emrnas_jax.data.readers.source import NamedImage, Source, read_file
from emrnas_jax.errors import InputError

SOURCES = (
    york.SOURCE,
    cardiac_png.SOURCE,
    cardiac_hdf5.SOURCE,
    magnitude_hdf5.SOURCE,
    real_hdf5.SOURCE,
    complex_hdf5.SOURCE,
    calgary_nifti.SOURCE,
    calgary_raw.SOURCE,
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
        if source := _source_of(file):
            found.setdefault(source.name, []).append(file)
    if not found:
        raise InputError(f"{path}: nothing recognised in {described(files)}; {known()}")
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
        if file.is_file() and not file.name.startswith(".")
    ]


def _source_of(file: Path) -> Source | None:
    for source in SOURCES:
        if source.takes(file):
            return source
    if file.suffix in hdf5.SUFFIXES:
        found = sorted(hdf5.datasets(file)) or "none"
        raise InputError(f"{file}: found the datasets {found}; {known()}")
    return None


def described(files: Sequence[Path]) -> str:
    """Return how many files there are, of which endings, and the name of one."""
    if not files:
        return "0 files"
    endings = collections.Counter(file.suffix or "no ending" for file in files)
    kinds = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(4))
    plural = "s" * (len(files) != 1)
    return f"{len(files)} file{plural} ({kinds}; such as {files[0].name})"


def known(*others: str) -> str:
    """Return what files are known, and how others are made known.

    Args:
        others: files that are known beside those of the sources.
    """
    lines = "\n".join(f"  {files}" for files in (*others, *(s.files for s in SOURCES)))
    return (
        f"known are\n{lines}\nWrite other images (PNG, DICOM, .npy) as one HDF5 file "
        "for each subject:\n"
        '  with h5py.File("subject_1.h5", "w") as file:\n'
        '      file["images"] = images  # [image, row, column]'
    )
