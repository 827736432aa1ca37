"""The search space: Table 1 as data, and architectures as choices from it.

Operation o = 0..7 is the paper's O1..O8. Feature map 0 is the cell's input, map j the
output of the j-th convolution. Source: EMR-NAS, section 2.2, Table 1 and Figure 2.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from emrnas_jax.errors import InputError
from emrnas_jax.files import write_json

CELLS_PER_BLOCK = (
    3  # section 2.1: "the RIR BasicBlock is made of three operation units"
)


@dataclass(frozen=True)
class Operation:
    """One candidate: four 3x3 convolutions, their dilations and dense connections."""

    name: str
    dilations: tuple[int, int, int, int]
    connections: tuple[int, ...]


OPERATIONS = (
    Operation("O1", (1, 2, 4, 1), (1, 2, 3)),
    Operation("O2", (1, 2, 4, 1), (2, 3)),
    Operation("O3", (1, 2, 4, 1), (1, 3)),
    Operation("O4", (1, 2, 4, 1), (1, 2)),
    Operation("O5", (1, 2, 4, 1), (1,)),
    Operation("O6", (1, 2, 4, 1), (2,)),
    Operation("O7", (1, 2, 4, 1), (3,)),
    Operation("O8", (1, 1, 1, 1), (1, 2, 3)),
)


def sources(operation: Operation, convolution: int) -> tuple[int, ...]:
    """Return the feature maps that a convolution (0..3) reads, oldest first.

    Connection k carries map k - 1 to every later convolution except the next one,
    which receives it anyway. Figure 2 does not print its wiring; this reading gives
    the published Cardiac architecture 324,186 parameters (the paper says 0.33 M).
    """
    carried = [k - 1 for k in operation.connections if k - 1 < convolution]
    return (*sorted(carried), convolution)


@dataclass(frozen=True)
class Architecture:
    """One operation for every cell, block by block.

    Attributes:
        blocks: operations counted from 0, a tuple per RIR block.
    """

    blocks: tuple[tuple[int, ...], ...]

    @property
    def cells(self) -> tuple[int, ...]:
        """All choices in network order."""
        return tuple(choice for block in self.blocks for choice in block)

    def __str__(self) -> str:
        """Return the paper's notation, `[O5 O8 O8|O4 O1 O2]`."""
        return "[" + "|".join(" ".join(_names(block)) for block in self.blocks) + "]"

    @staticmethod
    def parse(text: str) -> "Architecture":
        """Return the architecture written as `[O5 O8 O8|O4 O1 O2]`.

        Raises:
            InputError: the text has another form, an operation that does not exist or
                blocks of different sizes.
        """
        match = re.fullmatch(r"\s*\[([^\[\]]*)\]\s*", text)
        if not match:
            raise InputError(
                f"architecture {text!r}: expected blocks in brackets, such as "
                "[O5 O8 O8|O4 O1 O2]"
            )
        numbers = {operation.name: i for i, operation in enumerate(OPERATIONS)}
        blocks = [block.split() for block in match[1].split("|")]
        for name in (name for block in blocks for name in block):
            if name not in numbers:
                raise InputError(
                    f"architecture {text!r}: no operation {name!r}; there are "
                    f"{', '.join(numbers)}"
                )
        if not blocks[0] or len({len(block) for block in blocks}) != 1:
            raise InputError(
                f"architecture {text!r}: every block needs the same number of cells, "
                f"found {[len(block) for block in blocks]}"
            )
        return Architecture(tuple(tuple(numbers[n] for n in b) for b in blocks))

    @staticmethod
    def from_cells(cells: Sequence[int], cells_per_block: int) -> "Architecture":
        """Return the architecture with these choices, cut into blocks."""
        rows = np.asarray(cells, int).reshape(-1, cells_per_block)
        return Architecture(tuple(tuple(int(c) for c in row) for row in rows))


def _names(block: tuple[int, ...]) -> list[str]:
    return [OPERATIONS[choice].name for choice in block]


# Section 3.1: the architectures the paper found.
PRESETS = {
    "cardiac": Architecture.parse("[O5 O8 O8|O8 O8 O8|O4 O1 O2|O8 O8 O8|O6 O8 O8]"),
    "brain": Architecture.parse("[O6 O6 O2|O4 O1 O2|O3 O8 O1|O3 O6 O3|O3 O1 O3]"),
}


# Which cells make one choice together (Table 3: "homogeneous").
SHARED = {
    "none": "every cell chooses for itself",
    "block": "all blocks are alike",
    "network": "one operation everywhere",
}


def choosing_rows(components: int, cells_per_block: int, shared: str) -> list[int]:
    """Return for every cell the row of alphas that it follows.

    Args:
        components: blocks of the network.
        cells_per_block: cells of each.
        shared: a key of `SHARED`.
    """
    if shared == "network":
        return [0] * (components * cells_per_block)
    if shared == "block":
        return list(range(cells_per_block)) * components
    return list(range(components * cells_per_block))


def architecture_named(text: str) -> Architecture:
    """Return a preset by its name, or the architecture that the text spells out."""
    return PRESETS[text] if text in PRESETS else Architecture.parse(text)


def write_architecture(
    path: Path,
    architecture: Architecture,
    probabilities: Float[np.ndarray, "cell op"] | None = None,
) -> None:
    """Write an architecture and, where it was searched, its p as JSON, atomically."""
    record: dict = {"architecture": str(architecture)}
    if probabilities is not None:
        record["probabilities"] = np.asarray(probabilities, float).tolist()
    write_json(path, record)


def read_architecture(
    path: Path,
) -> tuple[Architecture, Float[np.ndarray, "cell op"] | None]:
    """Read what `write_architecture` wrote: the architecture and p (None if absent).

    Raises:
        InputError: the file is missing or is not an architecture.
    """
    try:
        record = json.loads(path.read_text())
        architecture = Architecture.parse(record["architecture"])
        if record.get("probabilities") is None:
            return architecture, None
        probabilities = np.asarray(record["probabilities"], float)
        expected = (len(architecture.cells), len(OPERATIONS))
        if probabilities.shape != expected:
            raise InputError(
                f"probabilities of shape {probabilities.shape}, expected {expected}"
            )
        return architecture, probabilities
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: no readable architecture ({error}); run --stage=search again"
        ) from error
