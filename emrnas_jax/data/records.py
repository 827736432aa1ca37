"""The cache: images as ArrayRecord, built once by TFDS, without TensorFlow.

A build lies in `CACHE/LABEL/FINGERPRINT/frame_records/VERSION`. TFDS writes it under
another name and renames it when it is complete, so what a killed build leaves is never
taken for one; and a lock beside it lets one process build at a time.

The names of the images (subject, slice, frame) and their sizes are kept in the build's
metadata, so opening it reads no record.
"""

import contextlib
import hashlib
import io
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float32, Int32, UInt8

from emrnas_jax.data.readers.source import NamedImage
from emrnas_jax.errors import InputError
from emrnas_jax.machine.lock import wait_for_lock
from emrnas_jax.machine.progress import counted

LOG = logging.getLogger("emrnas_jax")

# Complex images have a last axis of real and imaginary parts.
StoredImage = (
    UInt8[np.ndarray, "_ _"]
    | Float32[np.ndarray, "_ _"]
    | Float32[np.ndarray, "_ _ 2"]
    | Float32[np.ndarray, "_ _ 2 _ 2"]
)

# TFDS wants a name and keeps "all" to itself; folds are drawn later, by subject.
SPLIT = "train"


@dataclass(frozen=True)
class Recipe:
    """Everything that a build is made from.

    Attributes:
        label: folder of this data set in the cache.
        fingerprint: text that changes when the images may have changed.
        dtype: type of the images: uint8, float32 or complex64.
        parts: files that hold the images, or numbers of phantoms.
        read: function that yields the images of one part.
        coils: number of coils of the images, float32 as in `data.coil_images`; 0 for
            images of one coil.
    """

    label: str
    fingerprint: str
    dtype: str
    parts: Sequence[Any]
    read: Callable[[Any], Iterator[NamedImage]]
    coils: int = 0


def file_fingerprint(files: Sequence[Path]) -> str:
    """Return a hash of the names, sizes and times of change of files."""
    states = [(file.name, file.stat()) for file in files]
    return hash_of([(name, state.st_size, state.st_mtime_ns) for name, state in states])


def hash_of(value: Any) -> str:
    """Return a hash of 16 hexadecimal digits of any value that JSON can write."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


class FrameRecords(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder of every source: one record per image."""

    # Raise it when the same files are read differently, so that old builds are left.
    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, recipe: Recipe, data_dir: str) -> None:
        self._recipe = recipe
        self._names = tfds.core.MetadataDict()
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        dtype, shape = np.dtype(self._recipe.dtype), (None, None)
        if dtype.kind == "c":  # records know no complex numbers
            dtype, shape = np.dtype(np.float32), (None, None, 2)
        if self._recipe.coils:
            shape = (None, None, 2, self._recipe.coils, 2)
        image = tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes")
        return tfds.core.DatasetInfo(
            builder=self,
            description="MR images, intensity in [0, 1] or grey levels 0 to 255.",
            features=tfds.features.FeaturesDict({"image": image}),
            metadata=self._names,
            disable_shuffling=True,
        )

    def _split_generators(
        self,
        dl_manager: tfds.download.DownloadManager,  # noqa: ARG002 (nothing is downloaded)
    ) -> dict[str, Iterator[tuple[int, dict[str, np.ndarray]]]]:
        return {SPLIT: self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        recipe = self._recipe
        names: dict[tuple[str, int, int], Any] = {}
        sizes = []
        name = f"building {recipe.label}"
        for part in counted(recipe.parts, len(recipe.parts), name, "parts read"):
            for named in recipe.read(part):
                name = (named.subject, named.slice, named.frame)
                if name in names:
                    raise InputError(
                        f"{part}: subject {name[0]}, slice {name[1]}, frame {name[2]} "
                        f"was already in {names[name]}; remove one of the two"
                    )
                # Names decide masks and order, so each is given once.
                names[name] = part
                sizes.append(named.image.shape[:2])
                image = np.ascontiguousarray(named.image, dtype=recipe.dtype)
                if image.dtype.kind == "c":
                    image = image.view(np.float32).reshape(*image.shape, 2)
                yield len(names) - 1, {"image": image}
        subjects, slices, frames = zip(*names, strict=True)
        heights, widths = zip(*sizes, strict=True)
        self._names.update(
            subjects=subjects,
            slices=slices,
            frames=frames,
            heights=heights,
            widths=widths,
        )


@dataclass(frozen=True)
class Records:
    """A complete build, open for reading.

    Attributes:
        folder: folder of the build.
        images: TFDS data source of `{"image": array}`, complex as a last axis of 2.
        subjects: subject of each record.
        slices: slice number of each record.
        frames: time of each record.
        heights: height of each record, pixels.
        widths: width of each record, pixels.
    """

    folder: Path
    images: Any
    subjects: tuple[str, ...]
    slices: Int32[np.ndarray, " record"]
    frames: Int32[np.ndarray, " record"]
    heights: Int32[np.ndarray, " record"]
    widths: Int32[np.ndarray, " record"]

    def read(self, numbers: Sequence[int]) -> list[StoredImage]:
        """Return the images of some records, in this order.

        Raises:
            InputError: the cache is damaged.
        """
        with _cache_errors(self.folder):
            return [record["image"] for record in self.images.__getitems__(numbers)]


def open_records(recipe: Recipe, cache: Path) -> Records:
    """Open the build of a recipe, which is made first if it is missing.

    Earlier builds with the same label are removed: their files have changed.

    Raises:
        InputError: an image cannot be used, or the cache cannot be written or read.
    """
    root = cache / recipe.label
    home = root / recipe.fingerprint
    folder = home / FrameRecords.name / str(FrameRecords.VERSION)
    try:
        if not folder.is_dir():
            root.mkdir(parents=True, exist_ok=True)
            with wait_for_lock(root / "lock", lambda: _say_waiting(root)):
                # Another process may have built it while this one waited.
                if not folder.is_dir():
                    for old in root.iterdir():
                        if old.is_dir():
                            shutil.rmtree(old)
                    _build(FrameRecords(recipe=recipe, data_dir=str(home)))
    except OSError as error:
        raise InputError(
            f"{cache}: the cache cannot be written ({error}); set data.cache to a "
            "folder with room for the images"
        ) from error
    with _cache_errors(folder):
        reader: Any = tfds.builder_from_directory(folder)
        images, index = reader.as_data_source(SPLIT), reader.info.metadata
        if len(images) != len(index["subjects"]):
            raise InputError(
                f"{folder}: found {len(images)} records and {len(index['subjects'])} "
                "names; remove this folder, it will be built again"
            )
        numbers = {
            name: np.asarray(index[name], np.int32)
            for name in ("slices", "frames", "heights", "widths")
        }
        return Records(folder, images, tuple(index["subjects"]), **numbers)


def _say_waiting(root: Path) -> None:
    LOG.info("%s: waiting for another process that builds", root)


def _build(builder: FrameRecords) -> None:
    LOG.info("building %s", builder.data_dir)
    # One bar per build is enough, and standard output belongs to the program.
    tfds.disable_progress_bar()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory() as unused,  # TFDS makes a folder for downloads
    ):
        builder.download_and_prepare(download_dir=unused)


@contextlib.contextmanager
def _cache_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    # What TFDS, protobuf and ArrayRecord raise has no common type.
    except Exception as error:
        raise InputError(
            f"{folder}: the cache is damaged ({error}); remove this folder, it will be "
            "built again"
        ) from error
