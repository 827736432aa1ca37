"""The search space: Table 1 as data, and architectures as choices from it.

Operation o = 0..7 is the paper's O1..O8. Feature map 0 is the cell's input, map j the
output of the j-th convolution. Source: EMR-NAS, section 2.2, Table 1 and Figure 2.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emrnas_jax.errors import InputError

# Section 2.1: "the RIR BasicBlock is made of three operation units".
CELLS_PER_BLOCK = 3


@dataclass(frozen=True)
class Operation:
    """One candidate: 3x3 convolutions and how they are connected.

    Those of the paper are four convolutions of the cell's width; only those of
    `nas.wide_space` use the attributes that have defaults.

    Attributes:
        name: its name in architectures, without white space.
        dilations: dilation of each convolution; empty where a file of an older version
            holds the name alone.
        connections: dense connections of Table 1, out of 1, 2, 3.
        expansion: channels of the inner maps in units of the network's width.
        level: 1 for maps of half the network's resolution, -1 for twice as much.
        reach: pixels along the phase encoding that a first convolution of single
            channels reads, an odd number; 0 for none.
        is_present: False leaves the whole component out.
    """

    name: str
    dilations: tuple[int, ...]
    connections: tuple[int, ...]
    expansion: float = 1.0
    level: int = 0
    reach: int = 0
    is_present: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be built.

        Raises:
            InputError: the dilations or connections are of another form.
        """
        known = len(self.dilations) in (0, 4) or not self.connections
        if not known or min(self.dilations, default=1) < 1:
            raise InputError(
                f"operation {self.name}: expected four dilations of at least 1, found "
                f"{self.dilations}"
            )
        if not set(self.connections) <= {1, 2, 3}:
            raise InputError(
                f"operation {self.name}: expected connections out of 1, 2, 3, found "
                f"{self.connections}"
            )


TABLE_1 = (
    Operation("O1", (1, 2, 4, 1), (1, 2, 3)),
    Operation("O2", (1, 2, 4, 1), (2, 3)),
    Operation("O3", (1, 2, 4, 1), (1, 3)),
    Operation("O4", (1, 2, 4, 1), (1, 2)),
    Operation("O5", (1, 2, 4, 1), (1,)),
    Operation("O6", (1, 2, 4, 1), (2,)),
    Operation("O7", (1, 2, 4, 1), (3,)),
    Operation("O8", (1, 1, 1, 1), (1, 2, 3)),
)

# The candidates of a search: add your own here. Leave TABLE_1 as it is, because runs of
# older versions, which do not name their operations, are read by it.
OPERATIONS: tuple[Operation, ...] = (*TABLE_1,)


def absent_in(operations: Sequence[Operation]) -> int | None:
    """Return the position of the operation that leaves a component out, if any does."""
    return next((i for i, own in enumerate(operations) if not own.is_present), None)


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
        blocks: positions in `operations`, counted from 0, a tuple per RIR block.
        operations: the candidates that it was chosen from.
    """

    blocks: tuple[tuple[int, ...], ...]
    operations: tuple[Operation, ...] = field(default_factory=lambda: OPERATIONS)

    @property
    def cells(self) -> tuple[int, ...]:
        """All choices in network order."""
        return tuple(choice for block in self.blocks for choice in block)

    @property
    def chosen(self) -> tuple[tuple[Operation, ...], ...]:
        """The operations themselves, block by block."""
        return tuple(tuple(self.operations[c] for c in block) for block in self.blocks)

    @property
    def used(self) -> tuple[Operation, ...]:
        """The operations that some cell has, each once, in the order of candidates."""
        cells = set(self.cells)
        return tuple(own for i, own in enumerate(self.operations) if i in cells)

    def __str__(self) -> str:
        """Return the paper's notation, `[O5 O8 O8|O4 O1 O2]`."""
        blocks = (" ".join(own.name for own in block) for block in self.chosen)
        return f"[{'|'.join(blocks)}]"

    @staticmethod
    def parse(
        text: str, operations: tuple[Operation, ...] | None = None
    ) -> "Architecture":
        """Return the architecture written as `[O5 O8 O8|O4 O1 O2]`.

        Args:
            text: the paper's notation.
            operations: the candidates; `OPERATIONS` unless given.

        Raises:
            InputError: the text has another form, an operation that does not exist or
                blocks of different sizes.
        """
        # The brackets must hold the whole text: a part would be a smaller network.
        match = re.fullmatch(r"\s*\[([^\[\]]*)\]\s*", text)
        if not match:
            raise InputError(
                f"architecture {text!r}: expected blocks in brackets, such as "
                "[O5 O8 O8|O4 O1 O2]"
            )
        operations = OPERATIONS if operations is None else operations
        numbers = {operation.name: i for i, operation in enumerate(operations)}
        blocks = [block.split() for block in match[1].split("|")]
        for name in (name for block in blocks for name in block):
            if name not in numbers:
                raise InputError(
                    f"architecture {text!r}: no operation {name!r}; there are "
                    f"{', '.join(numbers)}, to be separated by spaces"
                )
        if not blocks[0] or len({len(block) for block in blocks}) != 1:
            raise InputError(
                f"architecture {text!r}: every block needs the same number of cells, "
                f"found {[len(block) for block in blocks]}"
            )
        parsed = tuple(tuple(numbers[n] for n in block) for block in blocks)
        return Architecture(parsed, operations)

    @staticmethod
    def from_cells(
        cells: Sequence[int],
        cells_per_block: int,
        operations: tuple[Operation, ...] | None = None,
    ) -> "Architecture":
        """Return the architecture with these choices, cut into blocks.

        Args:
            cells: positions in `operations`, counted from 0.
            cells_per_block: cells of each block.
            operations: the candidates; `OPERATIONS` unless given.
        """
        operations = OPERATIONS if operations is None else operations
        rows = np.asarray(cells, int).reshape(-1, cells_per_block).tolist()
        return Architecture(tuple(map(tuple, rows)), operations)


# Section 3.1: the architectures the paper found.
PRESETS = {
    name: Architecture.parse(text, TABLE_1)
    for name, text in {
        "cardiac": "[O5 O8 O8|O8 O8 O8|O4 O1 O2|O8 O8 O8|O6 O8 O8]",
        "brain": "[O6 O6 O2|O4 O1 O2|O3 O8 O1|O3 O6 O3|O3 O1 O3]",
    }.items()
}


# Which cells make one choice together (Table 3: "homogeneous").
SHARING = {
    "none": "every cell chooses for itself",
    "block": "all blocks are alike",
    "network": "one operation everywhere",
}


def cell_groups(components: int, cells_per_block: int, shared: str) -> list[int]:
    """Return for every cell the group of cells that it makes one choice with.

    Args:
        components: blocks of the network.
        cells_per_block: cells of each block.
        shared: a key of `SHARING`.

    Returns:
        Numbers of groups from 0, in the order of their first cells; alphas have one
        entry per group.
    """
    if shared == "network":
        return [0] * (components * cells_per_block)
    if shared == "block":
        return list(range(cells_per_block)) * components
    return list(range(components * cells_per_block))


def architecture_named(
    named: str | Architecture, operations: tuple[Operation, ...] | None = None
) -> Architecture:
    """Return a preset by its name, or the architecture that the text spells out.

    Args:
        named: the name or the paper's notation; an architecture is returned as it is.
        operations: the candidates; `OPERATIONS` unless given.

    Raises:
        InputError: the text is neither.
    """
    if isinstance(named, Architecture):
        return named
    return PRESETS[named] if named in PRESETS else Architecture.parse(named, operations)
