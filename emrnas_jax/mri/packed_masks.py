"""Masks as one value that `jit` can take as a static argument.

Physics reads no files: `data.readers.mask_files` reads the masks, and `Sampling` gets
them as `PackedMasks`.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class PackedMasks:
    """Masks of lines or of points, packed, with the zero frequency in the middle.

    Two values are equal if their masks are, wherever these come from.

    Attributes:
        packed: eight lines or points per byte, mask after mask. Python keeps the hash
            of bytes, so only the first of many compiled calls hashes all masks.
        shape: number of masks, and of lines, or of rows and columns.
        where: file and variable of the masks, for messages.
    """

    packed: bytes = field(repr=False)
    shape: tuple[int, ...]
    where: str = field(default="", compare=False)

    @staticmethod
    def pack(masks: Bool[np.ndarray, "mask ..."], where: str = "") -> "PackedMasks":
        """Return masks as a hashable value."""
        return PackedMasks(np.packbits(masks).tobytes(), masks.shape, where)

    @property
    def has_lines(self) -> bool:
        """Whether whole lines are measured, not points of rows and columns."""
        return len(self.shape) == 2

    def unpack(self) -> Bool[np.ndarray, "mask ..."]:
        """Return the masks as an array."""
        bits = np.frombuffer(self.packed, np.uint8)
        count = math.prod(self.shape)
        return np.unpackbits(bits, count=count).astype(bool).reshape(self.shape)
