"""The images of an experiment as arrays, chosen and shaped by its settings.

Images are cut to the middle `height` x `width` or keep a side of their own, may be
reduced by averaging blocks of pixels, and are ordered by subject, slice and frame. They
may have several sizes then, a few in all.
"""

import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import SupportsIndex

import numpy as np
from jaxtyping import Float32, Int, Int32, Num, UInt8, UInt32

from emrnas_jax.data.coil_images import AXES, simulated, with_unit_maps
from emrnas_jax.data.data_settings import DataSettings
from emrnas_jax.data.records import Records, StoredImage
from emrnas_jax.data.sizes import cut_sizes, in_words, most_frequent
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.errors import InputError

Image = (
    UInt8[np.ndarray, "height width"]
    | Float32[np.ndarray, "height width"]
    | Float32[np.ndarray, "height width 2"]
    | Float32[np.ndarray, "height width 2 coil 2"]
)
Images = (
    UInt8[np.ndarray, "image height width"]
    | Float32[np.ndarray, "image height width"]
    | Float32[np.ndarray, "image height width 2"]
    | Float32[np.ndarray, "image height width 2 coil 2"]
)

# Records decoded at a time, to read many without holding them twice; of large ones,
# such as those of many coils, as many as make MIB_AT_ONCE.
CHUNK, MIB_AT_ONCE = 256, 256


class ImageSet:
    """Images in the order of subject, slice and frame, read from the cache on demand.

    With `len` and `[]` it is a random-access source for Grain.

    Attributes:
        name: name of the source.
        shapes: every height and width that images have after cut and reduction, the
            most frequent one first.
        shape_numbers: number of each image's height and width among `shapes`.
        complex_valued: whether images have real and imaginary parts.
        subjects: name of each image's subject.
        slices: number of each image's slice.
        frames: number of each image's time.
        coils: number of coils, measured or simulated; 0 for images of one coil.
        target_kind: what their images are to be compared with.
    """

    name: str
    shapes: tuple[tuple[int, int], ...]
    shape_numbers: Int[np.ndarray, " image"]
    complex_valued: bool
    subjects: tuple[str, ...]
    slices: Int32[np.ndarray, " image"]
    frames: Int32[np.ndarray, " image"]
    coils: int
    target_kind: TargetKind

    def __init__(self, name: str, records: Records, settings: DataSettings) -> None:
        """Choose the images of `settings` among the records.

        Raises:
            InputError: there are too few subjects, or an image is too small.
        """
        self.name = name
        self.complex_valued = settings.images == "complex"
        self.coils = settings.coils or settings.simulated_coils
        self.target_kind = TargetKind(settings.target)
        self._simulated = settings.simulated_coils
        self._block = settings.downsample
        chosen = _choose(records, settings)
        self._records, self._numbers = records, chosen
        self.subjects = tuple(records.subjects[number] for number in chosen)
        self.slices, self.frames = records.slices[chosen], records.frames[chosen]
        stored = np.stack([records.heights[chosen], records.widths[chosen]], axis=1)
        self._cuts = cut_sizes(
            stored,
            (settings.height, settings.width),
            settings.downsample,
            settings.sizes,
            lambda i: (
                f"{settings.path}: subject {self.subjects[i]}, slice {self.slices[i]}"
            ),
        )
        shapes, self.shape_numbers, _ = most_frequent(self._cuts // self._block)
        self.shapes = tuple((int(height), int(width)) for height, width in shapes)

    @property
    def shape(self) -> tuple[int, int]:
        """The most frequent height and width of the images."""
        return self.shapes[0]

    def of_each_shape(
        self, indices: Int[np.ndarray, " frame"]
    ) -> dict[tuple[int, int], Int[np.ndarray, " position"]]:
        """Return the positions of the frames of each size among some frames.

        Args:
            indices: numbers of the frames.

        Returns:
            by size, in the order of `shapes` and without those that no frame has,
            which of `indices` have it, in their order.
        """
        numbers = self.shape_numbers[indices]
        return {
            self.shapes[number]: np.flatnonzero(numbers == number)
            for number in np.unique(numbers).tolist()
        }

    @cached_property
    def frame_ids(self) -> UInt32[np.ndarray, " image"]:
        """A number for each image that depends on its name alone, for mask keys."""
        return frame_ids(self.subjects, self.slices, self.frames)

    def summary(self) -> dict[str, str | int]:
        """Return the source, the size, and checksums of names and of three images.

        The size is the most frequent one; where there are more, all are named too.
        """
        # Three images, because reading all would take minutes at every start.
        some = [self[i] for i in (0, len(self) // 2, len(self) - 1)]
        several = {"sizes": self.sizes_in_words()} if len(self.shapes) > 1 else {}
        return {
            "source": self.name,
            "images": len(self),
            "height": self.shape[0],
            "width": self.shape[1],
            **several,
            "names": zlib.crc32(self.frame_ids.tobytes()),
            "pixels": zlib.crc32(b"".join(image.tobytes() for image in some)),
        }

    def sizes_in_words(self) -> str:
        """Return every size; where there are several, with its number of images."""
        if len(self.shapes) == 1:
            return in_words(self.shape)
        counts = np.bincount(self.shape_numbers)
        return ", ".join(
            f"{in_words(shape)} ({count})"
            for shape, count in zip(self.shapes, counts, strict=True)
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.subjects)

    def __getitem__(self, index: SupportsIndex) -> Image:
        """Return one image, as `images` gives it."""
        return self.images([index.__index__()])[0]

    def images(self, indices: Sequence[int] | Int[np.ndarray, " image"]) -> Images:
        """Return images in the order of `indices`.

        They are uint8 grey levels where the source has 8 bits and nothing is averaged,
        float32 in [0, 1] otherwise. Complex images have a last axis of real and
        imaginary parts and a magnitude of at most 1; those of several coils are stored
        as in `data.coil_images`.

        Args:
            indices: numbers of images of one size.
        """
        chosen = np.asarray(indices, np.int64)
        if len(np.unique(self.shape_numbers[chosen])) > 1:
            raise ValueError("images of several sizes do not make one array")
        numbers, ids = self._numbers[chosen], self.frame_ids[chosen]
        if not len(numbers):
            return self.images([0])[:0]
        record = self._records.read(numbers[:1].tolist())[0]
        cut = self._cuts[chosen[0]]
        first = self._prepare(record, int(ids[0]), cut)
        images = np.empty((len(numbers), *first.shape), first.dtype)
        step = at_once(record.nbytes)
        for start in range(0, len(numbers), step):
            found = self._records.read(numbers[start : start + step].tolist())
            for position, stored in enumerate(found, start):
                images[position] = self._prepare(stored, int(ids[position]), cut)
        return images

    def _prepare(
        self, image: StoredImage, number: int, cut: Int[np.ndarray, "2"]
    ) -> Image:
        height, width = cut
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        # The middle: the object lies there, and the border of a frame is air.
        image = image[top : top + height, left : left + width]
        if image.ndim == 3 and not self.complex_valued:
            image = np.hypot(image[..., 0], image[..., 1])
        if self._block > 1:
            # Means of grey levels are no whole numbers, so they become intensities.
            scale = 255 if image.dtype == np.uint8 else 1
            image = block_mean(image, self._block) / np.float32(scale)
            if image.ndim == AXES:
                image = with_unit_maps(image)
        if self._simulated:
            image = simulated(image, self._simulated, number)
        return image


def at_once(nbytes: int) -> int:
    """Return how many arrays of `nbytes` bytes are read at a time, 1 to CHUNK."""
    return max(1, min(CHUNK, MIB_AT_ONCE * 2**20 // nbytes))


def frame_ids(
    subjects: Sequence[str],
    slices: Int32[np.ndarray, " image"],
    frames: Int32[np.ndarray, " image"],
) -> UInt32[np.ndarray, " image"]:
    """Return a number for each image that depends on its name alone.

    So an image keeps its masks when other subjects or frames are added or left out.
    """
    parts = zip(subjects, slices, frames, strict=True)
    names = ["/".join(map(str, part)) for part in parts]
    # A file's name, the subject's, may hold bytes that are no text.
    codes = [name.encode(errors="surrogateescape") for name in names]
    return np.array([zlib.crc32(code) for code in codes], np.uint32)


def block_mean(
    image: Num[np.ndarray, "height width *part"], block: int
) -> Float32[np.ndarray, "low_height low_width *part"]:
    """Return the means of blocks of `block` x `block` pixels."""
    height, width, *part = image.shape
    blocks = image.reshape(height // block, block, width // block, block, *part)
    return blocks.mean((1, 3), dtype=np.float32)


def _choose(records: Records, settings: DataSettings) -> Int[np.ndarray, " image"]:
    """Return the records to use, ordered by subject, slice and frame."""
    subjects = np.array(records.subjects)
    order = np.lexsort((records.frames, records.slices, subjects))
    names, starts = np.unique(subjects[order], return_index=True)
    if settings.subjects > len(names):
        raise InputError(
            f"{settings.path}: data.subjects asks for {settings.subjects}, found "
            f"{len(names)} subjects; lower it or set it to 0"
        )
    groups = np.split(order, starts[1:])[: settings.subjects or None]
    return np.concatenate([_spread(g, settings.frames_per_subject) for g in groups])


def _spread(
    numbers: Int[np.ndarray, " record"], count: int
) -> Int[np.ndarray, " chosen"]:
    """Return `count` of `numbers`, evenly spaced; all for 0 or if there are fewer."""
    if not count or count >= len(numbers):
        return numbers
    # The middles of equal parts: the ends of a volume are its emptiest slices.
    return numbers[(2 * np.arange(count) + 1) * len(numbers) // (2 * count)]
