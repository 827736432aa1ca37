"""Masks of whole lines as one value that `jit` can take as a static argument.

Physics reads no files: `data.readers.mask_files` reads the masks, and `Sampling` gets
them as `LineMasks`.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class LineMasks:
    """Masks of lines, packed, with the zero frequency in the middle.

    Two values are equal if their masks are, wherever these come from.

    Attributes:
        packed: eight lines per byte, mask after mask. Python keeps the hash of bytes,
            so only the first of many compiled calls hashes all masks.
        shape: number of masks and of lines.
        where: file and variable of the masks, for messages.
    """

    packed: bytes = field(repr=False)
    shape: tuple[int, int]
    where: str = field(default="", compare=False)

    @staticmethod
    def pack(masks: Bool[np.ndarray, "mask line"], where: str = "") -> "LineMasks":
        """Return masks as a hashable value."""
        count, lines = masks.shape
        return LineMasks(np.packbits(masks).tobytes(), (count, lines), where)

    def unpack(self) -> Bool[np.ndarray, "mask line"]:
        """Return the masks as an array."""
        bits = np.frombuffer(self.packed, np.uint8)
        count = self.shape[0] * self.shape[1]
        return np.unpackbits(bits, count=count).astype(bool).reshape(self.shape)
