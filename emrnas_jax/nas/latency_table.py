"""A latency table: how long each candidate operation takes on one device.

The cells of a network run one after another, so the time of an architecture is the sum
of its operations' times and of the rest, which all architectures share. With the table
a search knows the time of every architecture without running it.

Source: Cai et al., ProxylessNAS, ICLR 2019, section 3.3.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from msgspec import Struct

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json
from emrnas_jax.nas.space import Architecture, Operation

WAY_OUT = "make it anew with python -m emrnas_jax.latency"


class Measured(Struct, frozen=True, kw_only=True):
    """What the times of a table hold for; two tables are comparable if it is equal.

    Attributes:
        device: the device's name, and its number of cores.
        kind: kind of network, as in `models.networks.NETWORKS`.
        settings: arguments of the network's constructor, without the architecture.
        size: height and width of the frames, pixels.
        batch: frames that are reconstructed at once.
        coils: coils of the frames; 0 for images of one coil.
    """

    device: str
    settings: dict[str, Any]
    size: tuple[int, int]
    batch: int
    coils: int
    kind: str = "emrnas"  # tables of older versions are of no other


class Check(Struct, frozen=True, kw_only=True):
    """Times of whole architectures beside what the table predicts, ms per frame.

    Attributes:
        architectures: the architectures as text.
        predicted_ms: sum of the table for each.
        measured_ms: median of several runs of each.
        median_error: median of |predicted - measured| / measured.
        rank_correlation: Spearman's, 1 if the order is the same.
    """

    architectures: tuple[str, ...]
    predicted_ms: tuple[float, ...]
    measured_ms: tuple[float, ...]
    median_error: float
    rank_correlation: float


class LatencyTable(Struct, frozen=True, kw_only=True):
    """The file: times in milliseconds per frame.

    Attributes:
        measured: device, network and frames that the times hold for.
        jax: version of JAX.
        rest_ms: time of all but the cells: first and last convolutions, data
            consistency.
        operations_ms: time of one cell by the name of its operation.
        check: whole architectures beside the table; None if none were run.
    """

    measured: Measured
    jax: str
    rest_ms: float
    operations_ms: dict[str, float]
    check: Check | None = None

    def predict_ms(self, architecture: Architecture) -> float:
        """Return the predicted time of an architecture, ms per frame.

        Raises:
            InputError: the table lacks one of its operations.
        """
        cells = [own for block in architecture.chosen for own in block]
        return self.rest_ms + sum(map(self.time_of_cell, cells))

    def time_of_cell(self, operation: Operation) -> float:
        """Return the time of one cell with an operation, ms per frame.

        Raises:
            InputError: the table lacks the operation.
        """
        if operation.name not in self.operations_ms:
            raise InputError(
                f"the latency table has no operation {operation.name}; {WAY_OUT}"
            )
        return self.operations_ms[operation.name]

    @property
    def fastest_ms(self) -> float:
        """The time of the fastest architecture, ms per frame."""
        fastest = min(self.operations_ms.values())
        if fastest == 0:  # the others are left out, and one has to be there
            return self.rest_ms + min(ms for ms in self.operations_ms.values() if ms)
        return self.rest_ms + self._cells * fastest

    @property
    def slowest_ms(self) -> float:
        """The time of the slowest architecture, ms per frame."""
        return self.rest_ms + self._cells * max(self.operations_ms.values())

    @property
    def _cells(self) -> int:
        settings = self.measured.settings
        return settings["components"] * settings.get("cells_per_block", 1)


def times_by_group(
    table: LatencyTable, cell_groups: Sequence[int], operations: Sequence[Operation]
) -> Float[np.ndarray, "group op"]:
    """Return times whose sum over groups is the time of an architecture, ms per frame.

    The rest of the network, which all architectures share, is divided among the groups.

    Args:
        table: time of every operation.
        cell_groups: group of cells that each cell chooses with, counted from 0.
        operations: candidates of every cell.

    Raises:
        InputError: the table lacks one of the operations.
    """
    own = np.array([table.time_of_cell(operation) for operation in operations])
    cells = np.bincount(np.asarray(cell_groups))
    return cells[:, None] * own + table.rest_ms / len(cells)


def write_table(path: Path, table: LatencyTable) -> None:
    """Write a table, whole or not at all."""
    write_json(path, table)


def load_table(path: Path) -> LatencyTable:
    """Read a table of whichever device and network.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_json(path, LatencyTable, WAY_OUT)


def read_table(
    path: Path, wanted: Measured, *, any_device: bool = False
) -> LatencyTable:
    """Read a table and check that it is of this device, network and size of frames.

    Args:
        path: file that `write_table` wrote.
        wanted: what the times have to hold for.
        any_device: whether they may be those of another device.

    Raises:
        InputError: the file is missing or damaged, or of another device, network,
            precision or size; the message names the difference.
    """
    table = load_table(path)
    found, expected = (_flat(own) for own in (table.measured, wanted))
    for key in expected:
        if key == "device" and any_device:
            continue
        if found.get(key) != expected[key]:
            raise InputError(
                f"{path}: measured with {key} {found.get(key)!r}, and here it is "
                f"{expected[key]!r}; {WAY_OUT}"
            )
    return table


def _flat(measured: Measured) -> dict[str, Any]:
    own = {"device": measured.device, "kind": measured.kind, **measured.settings}
    return own | {
        "size": tuple(measured.size),
        "batch": measured.batch,
        "coils": measured.coils,
    }
