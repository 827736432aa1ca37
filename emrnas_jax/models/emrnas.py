"""EMR-NAS: residual-in-residual blocks, the network of an architecture, the search.

The search network holds all eight operations of every cell, stacked along two leading
axes (component, cell), and scans over both, so compile time does not grow with depth.
Source: EMR-NAS, section 2.1 and Figure 2.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from emrnas_jax.errors import InputError
from emrnas_jax.models.cascade import Cascade, Component
from emrnas_jax.models.cells import FixedCell, MixedCell
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.operations import Map, weight_shapes
from emrnas_jax.models.stacked_weights import STACKED, Shapes, unpack
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import (
    CELLS_PER_BLOCK,
    OPERATIONS,
    SHARING,
    Architecture,
    Operation,
    architecture_named,
    cell_groups,
)

BETA = 0.2  # residual scaling of ESRGAN, whose block the paper adopts


def residual(x: Map, change: Map, enabled: bool) -> Map:
    """Return `x + β · change`, or the change alone without residuals (ablation C)."""
    return x + BETA * change if enabled else change


class FixedBlock(nn.Module):
    """A residual-in-residual block of chosen operations."""

    operations: tuple[Operation, ...]
    settings: LayerSettings

    @nn.compact
    def __call__(self, x: Map, train: bool) -> Map:
        """Return the block's features."""
        h = x
        for n, operation in enumerate(self.operations, 1):
            cell = FixedCell(operation, self.settings, name=f"cell_{n}")
            h = residual(h, cell(h, train), self.settings.residual)
        return residual(x, h, self.settings.residual)


class _SearchCell(nn.Module):
    """A mixed cell with its residual, in the form `nn.scan` asks for."""

    settings: LayerSettings
    stored: int

    @nn.compact
    def __call__(self, h: Map, gates: Gates) -> tuple[Map, None]:
        change = MixedCell(self.settings, self.stored, name="cell")(h, gates)
        return residual(h, change, self.settings.residual), None


class SearchBlock(nn.Module):
    """A residual-in-residual block of mixed cells."""

    cells: int
    settings: LayerSettings
    stored: int = len(OPERATIONS)

    @nn.compact
    def __call__(self, x: Map, gates: Gates) -> Map:
        """Return the block's features; `gates` are `[cell, path]`."""
        cells = nn.scan(
            _SearchCell,
            # Each cell draws its own weights; the tree stacks them on a first axis.
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=self.cells,
            unroll=self.cells,
        )(self.settings, self.stored, name="cells")
        h, _ = cells(x, gates)
        return residual(x, h, self.settings.residual)


class SearchNetwork(nn.Module):
    """The over-complete network: every operation in every cell, few of them running.

    Its settings are those of `emrnas`, and their defaults stand here. With
    `network.clone(stored=1)` it is the same network with the weights of one path alone,
    as `models.stacked_weights.take_active` gives them.

    Attributes:
        components: cascades, each a block followed by data consistency.
        cells_per_block: cells of each block.
        width: channels of the feature maps.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        batch_norm: whether batch norm follows the activations of a cell.
        residual: whether cells and blocks add what they read.
        shared: a key of `nas.space.SHARING`.
        precision: a name in `kernels.precision.PRECISIONS`.
        stored: number of operations whose weights are stored.
    """

    components: int = 5  # N, section 3
    cells_per_block: int = CELLS_PER_BLOCK  # T = 3 N, section 3
    width: int = 16  # 324,186 parameters; section 3.3 has 0.33 M
    consistency: str = "two_step"  # TDC, section 2.1
    batch_norm: bool = False  # Table 3, A
    residual: bool = True
    shared: str = "none"  # Table 3: heterogeneous blocks
    precision: str = "float32"
    stored: int = len(OPERATIONS)

    @property
    def settings(self) -> LayerSettings:
        """The settings of its layers."""
        return LayerSettings(self.width, self.precision, self.batch_norm, self.residual)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The candidates of every cell."""
        return OPERATIONS

    @property
    def weight_shapes(self) -> list[Shapes]:
        """The shapes of the weights of every candidate."""
        return [weight_shapes(own, self.settings) for own in OPERATIONS]

    @property
    def cell_groups(self) -> list[int]:
        """The group of cells that each cell chooses with: its place in alphas."""
        return cell_groups(self.components, self.cells_per_block, self.shared)

    def running(
        self,
        choices: Int[Array, "component cell"],
    ) -> Bool[Array, " component"]:
        """Return which components run on a path: all of them."""
        return jnp.ones(choices.shape[:1], bool)

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
        gates: Gates,
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct along the paths of `gates`, `[component · cell, path]`."""
        make_block = partial(
            SearchBlock, self.cells_per_block, self.settings, self.stored
        )
        scanned = nn.scan(
            Component,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            # Every component has its own gates; all see the same measurement.
            in_axes=(0, nn.broadcast),  # pyright: ignore
            length=self.components,
        )(make_block, self.settings, self.consistency, name="components")
        grouped = jax.tree.map(
            lambda g: g.reshape(self.components, self.cells_per_block, -1), gates
        )
        return scanned(zero_filled, grouped, measurement)[0]


def fixed_network(
    architecture: Architecture,
    settings: LayerSettings,
    consistency: str = SearchNetwork.consistency,
) -> Cascade:
    """Return the network of an architecture, without switches."""
    blocks = (
        partial(FixedBlock, operations, settings) for operations in architecture.chosen
    )
    return Cascade(tuple(blocks), settings, consistency)


def emrnas(
    architecture: str | Architecture,
    components: int = SearchNetwork.components,
    cells_per_block: int = SearchNetwork.cells_per_block,
    width: int = SearchNetwork.width,
    consistency: str = SearchNetwork.consistency,
    batch_norm: bool = SearchNetwork.batch_norm,
    residual: bool = SearchNetwork.residual,
    shared: str = SearchNetwork.shared,
    precision: str = SearchNetwork.precision,
) -> Cascade:
    """Return the network of an architecture, or of its text, or of a preset's name.

    Args:
        architecture: preset, text such as `[O5 O8 O8|O4 O1 O2]`, or architecture.
        components: cascades, each a block followed by data consistency.
        cells_per_block: cells of each block.
        width: channels of the feature maps.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        batch_norm: whether batch norm follows the activations of a cell.
        residual: whether cells and blocks add what they read.
        shared: a key of `nas.space.SHARING`.
        precision: a name in `kernels.precision.PRECISIONS`.

    Raises:
        InputError: the text is no architecture, or has other than `components` blocks
            of `cells_per_block` cells, or cells that differ where they share a choice.
    """
    parsed = architecture_named(architecture)
    for operation in parsed.used:
        if len(operation.dilations) != 4:
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
    # As many different pairs as groups: each group has one operation alone.
    groups = cell_groups(components, cells_per_block, shared)
    if len(set(zip(groups, parsed.cells, strict=True))) != len(set(groups)):
        raise InputError(
            f"architecture {parsed}: networks.emrnas.shared={shared} says that "
            f"{SHARING[shared]}"
        )
    settings = LayerSettings(width, precision, batch_norm, residual)
    return fixed_network(parsed, settings, consistency)


def active_weights(search_params: dict, architecture: Architecture) -> dict:
    """Copy the weights of an architecture out of a search network's parameters.

    Args:
        search_params: `params` of a `SearchNetwork` without batch norm.
        architecture: architecture of the fixed network.

    Returns:
        `params` of `fixed_network(architecture)`.

    Raises:
        InputError: the architecture has another number of blocks or cells.
    """
    stacked = search_params["components"]
    operations = stacked["block"]["cells"]["cell"][STACKED]
    asked = (len(architecture.blocks), len(architecture.blocks[0]))
    if operations.shape[:2] != asked:
        raise InputError(
            f"architecture {architecture} has {asked[0]} blocks of {asked[1]} cells; "
            f"the search network has {operations.shape[0]} of {operations.shape[1]}"
        )
    # Without batch norm the width alone decides the shapes of the weights.
    settings = LayerSettings(width=stacked["first"]["bias"].shape[-1])
    params = {}
    for n, chosen in enumerate(architecture.chosen):
        block = {}
        for c, operation in enumerate(chosen):
            vector = operations[n, c, OPERATIONS.index(operation)]
            weights = unpack(weight_shapes(operation, settings), vector)
            block[f"cell_{c + 1}"] = {
                f"conv_{j + 1}": own for j, own in enumerate(weights)
            }
        # The ends, and the weight of the data consistency if it has one.
        others = {
            name: jax.tree.map(lambda leaf, n=n: leaf[n], own)
            for name, own in stacked.items()
            if name != "block"
        }
        params[f"component_{n + 1}"] = others | {"block": block}
    return params
