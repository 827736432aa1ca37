"""Plan which files are reconstructed and the path of each result."""

import collections
import dataclasses
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference.batches import BATCH
from emrnas_jax.inference.scan_files import made_from
from emrnas_jax.inference.scans import files_with, find_scans
from emrnas_jax.inference.trained import TrainedNetwork
from emrnas_jax.inference.viewer_files import FORMATS, HDF5


@dataclass(frozen=True)
class Settings:
    """The values of the flags of `reconstruct`.

    Attributes:
        input: file, or folder of files.
        output: folder of the results.
        reading: declarations about the files.
        batch: number of frames at once.
        overwrite: whether results that exist are replaced.
        format: key of `FORMATS`, the files for viewers that are written beside the
            HDF5; `HDF5` for none.
    """

    input: Path
    output: Path
    reading: Reading
    batch: int = BATCH
    overwrite: bool = False
    format: str = HDF5


@dataclass(frozen=True)
class Job:
    """One file and its results.

    Attributes:
        source: file to reconstruct.
        result: path of its HDF5.
        preview: path of its PNG.
        made_from: all that decides the result, to recognise one that is done already.
        format: key of `FORMATS`, or `HDF5`.
    """

    source: Path
    result: Path
    preview: Path
    made_from: dict
    format: str = HDF5

    @property
    def viewer(self) -> Path | None:
        """Path of the file or folder for viewers; None where none is wanted."""
        if self.format == HDF5:
            return None
        name = self.result.name.removesuffix(".h5")
        return self.result.with_name(name + FORMATS[self.format].ending)


def plan(model: TrainedNetwork, settings: Settings) -> list[Job]:
    """Return the files and the paths of their results, before anything is computed.

    Raises:
        InputError: there are no files, the folder for the results cannot be used, or
            the library of the format is missing.
    """
    if settings.format != HDF5:
        FORMATS[settings.format].require()
    output = settings.output
    files = find_scans(
        settings.input,
        # Results inside of the input's folder are no scans.
        lambda folder: _is_same(folder, output) or _holds_results(folder),
    )
    folder = settings.input if settings.input.is_dir() else settings.input.parent
    if _is_same(folder, output):
        raise InputError(f"--output={output} is the folder of the input; give another")
    # Now, and not after hours of reconstruction.
    _require_writable(output)
    # In lower case, because on some file systems A.h5 and a.h5 are one file.
    stems = collections.Counter(_key(file) for file in files)
    return [
        _job(model, settings, file, file.parent.relative_to(folder), stems)
        for file in files
    ]


def _is_same(folder: Path, other: Path) -> bool:
    """Return whether two paths lead to one folder, which need not exist."""
    return folder.absolute() == other.absolute() or (
        other.exists() and other.samefile(folder)
    )


def _holds_results(folder: Path) -> bool:
    """Return whether results of this program lie in a folder."""
    # Of one file, because all of them are results where the first is.
    first = min(folder.glob("[!.]*.h5"), default=None)
    return first is not None and made_from(first) is not None


def _require_writable(output: Path) -> None:
    """Make the folder for the results, and check that files can be written there.

    Raises:
        InputError: the folder cannot be made or written to.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    # Python 3.11 raises RuntimeError for links that lead in a circle.
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"--output={output}: no folder that can be written to ({reason})"
        ) from error


def _job(
    model: TrainedNetwork,
    settings: Settings,
    file: Path,
    below: Path,
    stems: collections.Counter,
) -> Job:
    # a.npz and a.h5 may stand beside each other, and need results of their own.
    name = file.name if stems[_key(file)] > 1 else _stem(file)
    folder = settings.output / below
    try:
        # Of a series of files the whole: any of them may change.
        states = [one.stat() for one in files_with(file)]
        size = sum(state.st_size for state in states)
        changed = max(state.st_mtime_ns for state in states)
    except OSError:  # reading it will fail, and be reported with the reason
        size, changed = -1, -1
    reading = dataclasses.asdict(settings.reading)
    del reading["masks"]  # can be large, so a checksum of them is kept
    del reading["form"]  # changes messages alone
    del reading["coils"]  # of images to train on; older results know nothing of it
    if not settings.reading.frames:
        del reading["frames"]  # results of all frames were made before it was known
    return Job(
        source=file,
        result=folder / f"{name}.h5",
        preview=folder / f"{name}.png",
        made_from={
            "input": str(file.absolute()),
            "bytes": size,
            "changed": changed,
            **model.origin(),
            "precision": model.record.settings.get("precision", "float32"),
            "mask": _fingerprint(settings.reading),
            **reading,
        },
        format=settings.format,
    )


def _fingerprint(reading: Reading) -> str | None:
    """Return a checksum of the declared masks, None without masks."""
    if reading.masks is None:
        return None
    values = reading.masks.values
    packed = np.packbits(values).tobytes()
    return f"{values.shape} {hashlib.sha256(packed).hexdigest()}"


def _key(file: Path) -> tuple[Path, str]:
    """Return a value that is equal for files whose results would have one name."""
    return file.parent, _stem(file).lower()


def _stem(file: Path) -> str:
    return Path(file.name.removesuffix(".gz")).stem
