"""EMR-NAS: residual-in-residual blocks, the network of an architecture, the search.

The search network holds all eight operations of every cell, stacked along two leading
axes (component, cell), and scans over both, so compile time does not grow with depth.
Source: EMR-NAS, section 2.1 and Figure 2.
"""

from functools import partial

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from emrnas_jax.errors import InputError
from emrnas_jax.models.cascade import Cascade, Component
from emrnas_jax.models.cells import FixedCell, MixedCell
from emrnas_jax.models.operations import Map
from emrnas_jax.models.stacked_weights import ROWS, unpack
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import (
    OPERATIONS,
    SHARED,
    Architecture,
    Operation,
    architecture_named,
    choosing_rows,
)

BETA = 0.2  # residual scaling of ESRGAN, whose block the paper adopts


def residual(x: Map, change: Map, enabled: bool) -> Map:
    """Return `x + β · change`, or the change alone without residuals (ablation C)."""
    return x + BETA * change if enabled else change


class FixedBlock(nn.Module):
    """A residual-in-residual block of chosen operations."""

    operations: tuple[Operation, ...]
    width: int
    batch_norm: bool = False
    residual: bool = True
    precision: str = "float32"

    @nn.compact
    def __call__(self, x: Map, train: bool) -> Map:
        """Return the block's features."""
        h = x
        for n, operation in enumerate(self.operations, 1):
            cell = FixedCell(
                operation,
                self.width,
                self.batch_norm,
                self.precision,
                name=f"cell_{n}",
            )
            h = residual(h, cell(h, train), self.residual)
        return residual(x, h, self.residual)


class _SearchCell(nn.Module):
    """A mixed cell with its residual, in the form `nn.scan` asks for."""

    width: int
    batch_norm: bool
    residual: bool
    rows: int
    precision: str

    @nn.compact
    def __call__(self, h: Map, gates: Gates) -> tuple[Map, None]:
        cell = MixedCell(
            self.width, self.batch_norm, self.rows, self.precision, name="cell"
        )
        change = cell(h, gates)
        return residual(h, change, self.residual), None


class SearchBlock(nn.Module):
    """A residual-in-residual block of mixed cells."""

    cells: int
    width: int
    batch_norm: bool = False
    residual: bool = True
    rows: int = len(OPERATIONS)
    precision: str = "float32"

    @nn.compact
    def __call__(self, x: Map, gates: Gates) -> Map:
        """Return the block's features; `gates` are `[cell, path]`."""
        cells = nn.scan(
            _SearchCell,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=self.cells,
            unroll=self.cells,
        )(
            self.width,
            self.batch_norm,
            self.residual,
            self.rows,
            self.precision,
            name="cells",
        )
        h, _ = cells(x, gates)
        return residual(x, h, self.residual)


class SearchNetwork(nn.Module):
    """The over-complete network: every operation in every cell, few of them running.

    `network.clone(rows=1)` is the same network with the weights of one path alone, as
    `models.stacked_weights.take_active` gives them.
    """

    components: int = 5
    cells_per_block: int = 3
    width: int = 16
    consistency: str = "two_step"
    batch_norm: bool = False
    residual: bool = True
    shared: str = "none"
    precision: str = "float32"
    rows: int = len(OPERATIONS)

    @property
    def choosing_rows(self) -> list[int]:
        """The row of alphas that each cell follows; see `nas.space.SHARED`."""
        return choosing_rows(self.components, self.cells_per_block, self.shared)

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
        gates: Gates,
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct along the paths of `gates`, `[component · cell, path]`."""
        make_block = partial(
            SearchBlock,
            self.cells_per_block,
            self.width,
            self.batch_norm,
            self.residual,
            self.rows,
            self.precision,
        )
        scanned = nn.scan(
            Component,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=(0, nn.broadcast),  # pyright: ignore
            length=self.components,
        )(make_block, self.width, self.consistency, self.precision, name="components")
        grouped = jax.tree.map(
            lambda g: g.reshape(self.components, self.cells_per_block, -1), gates
        )
        return scanned(zero_filled, grouped, measurement)[0]


def fixed_network(
    architecture: Architecture,
    width: int = 16,
    consistency: str = "two_step",
    batch_norm: bool = False,
    residual: bool = True,
    precision: str = "float32",
) -> Cascade:
    """Return the network of an architecture, without switches."""
    blocks = (
        partial(FixedBlock, operations, width, batch_norm, residual, precision)
        for operations in architecture.chosen
    )
    return Cascade(tuple(blocks), width, consistency, precision)


def emrnas(
    architecture: str | Architecture,
    components: int = 5,  # N, section 3
    cells_per_block: int = 3,  # T = 3 N, section 3
    width: int = 16,  # 324,186 parameters; section 3.3 has 0.33 M
    consistency: str = "two_step",  # TDC, section 2.1
    batch_norm: bool = False,  # Table 3, A
    residual: bool = True,
    shared: str = "none",  # Table 3: heterogeneous blocks
    precision: str = "float32",
) -> Cascade:
    """Return the network of an architecture, or of its text, or of a preset's name.

    Raises:
        InputError: the text is no architecture, or has other than `components` blocks
            of `cells_per_block` cells, or cells that differ where they share a choice.
    """
    parsed = architecture_named(architecture)
    for operation in parsed.used:
        if not operation.dilations:
            raise InputError(
                f"architecture {parsed}: a file of an older version names "
                f"{operation.name} without its dilations; add {operation.name} to "
                "OPERATIONS in emrnas_jax/nas/space.py"
            )
    found = (len(parsed.blocks), len(parsed.blocks[0]))
    if found != (components, cells_per_block):
        raise InputError(
            f"architecture {parsed} has {found[0]} blocks of {found[1]} cells; the "
            f"settings ask for {components} of {cells_per_block}"
        )
    rows = choosing_rows(components, cells_per_block, shared)
    if len(set(zip(rows, parsed.cells, strict=True))) != len(set(rows)):
        raise InputError(
            f"architecture {parsed}: networks.emrnas.shared={shared} says that "
            f"{SHARED[shared]}"
        )
    return fixed_network(parsed, width, consistency, batch_norm, residual, precision)


def active_weights(search_params: dict, architecture: Architecture) -> dict:
    """Copy the weights of an architecture out of a search network's parameters.

    Args:
        search_params: `params` of a `SearchNetwork` without batch norm.
        architecture: what the fixed network consists of.

    Returns:
        `params` of `fixed_network(architecture)`.

    Raises:
        InputError: the architecture has another number of blocks or cells.
    """
    stacked = search_params["components"]
    rows = stacked["block"]["cells"]["cell"][ROWS]
    asked = (len(architecture.blocks), len(architecture.blocks[0]))
    if rows.shape[:2] != asked:
        raise InputError(
            f"architecture {architecture} has {asked[0]} blocks of {asked[1]} cells; "
            f"the search network has {rows.shape[0]} of {rows.shape[1]}"
        )
    width = stacked["first"]["bias"].shape[-1]
    params = {}
    for n, operations in enumerate(architecture.chosen):
        block = {}
        for c, operation in enumerate(operations):
            row = rows[n, c, OPERATIONS.index(operation)]
            weights = unpack(operation, row, width, False)
            block[f"cell_{c + 1}"] = {
                f"conv_{j + 1}": own for j, own in enumerate(weights)
            }
        ends = {
            end: jax.tree.map(lambda leaf, n=n: leaf[n], stacked[end])
            for end in ("first", "last")
        }
        params[f"component_{n + 1}"] = ends | {"block": block}
    return params
