"""Networks of the wide space: half-resolution cascades whose components differ.

Every component has a body of its own, an operation of `nas.wide_space`, or is left out.
The search network holds the bodies of all candidates, stacked along a first axis, and
the ends of each component, which all its bodies share. It scans over the components,
so that each operation is compiled once.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from emrnas_jax.errors import InputError
from emrnas_jax.models.bodies import body_shapes
from emrnas_jax.models.chosen_body import chosen_body
from emrnas_jax.models.half_resolution import (
    Component,
    HalfResolution,
    State,
    both_channels,
    require_memory,
)
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.squares import halve
from emrnas_jax.models.stacked_weights import STACKED, Shapes, initial_stack, unpack
from emrnas_jax.mri.line_consistency import (
    channels_of,
    prepared_consistency,
)
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import Architecture, Operation, architecture_named
from emrnas_jax.nas.wide_space import WIDE


def wide(
    architecture: str | Architecture,
    components: int = 15,
    width: int = 32,
    memory: int = 24,
    consistency: str = "real",
    precision: str = "float32",
) -> HalfResolution:
    """Return the network of an architecture of the wide space.

    Args:
        architecture: text such as `[pair|skip|low]`, or architecture.
        components: components, those that are left out included.
        width: channels of the feature maps.
        memory: channels that a component hands to the next one, at most `width`.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.

    Raises:
        InputError: the text is no architecture, has other than `components` blocks of
            one cell, leaves all components out, or fewer channels than are handed on.
    """
    parsed = architecture_named(architecture, WIDE)
    found = (len(parsed.blocks), len(parsed.blocks[0]))
    if found != (components, 1):
        raise InputError(
            f"architecture {parsed} has {found[0]} blocks of {found[1]} cells; the "
            f"settings ask for {components} of 1"
        )
    bodies = tuple(body for block in parsed.chosen for body in block)
    if not any(body.is_present for body in bodies):
        raise InputError(f"architecture {parsed}: every component is left out")
    require_memory("wide", memory, width)
    settings = LayerSettings(width, precision)
    return HalfResolution(bodies, memory, settings, consistency)


class SearchComponent(Component):
    """A component with all candidates for its body, in the form `nn.scan` asks for.

    Attributes:
        operations: the candidates.
        stored: number of operations whose weights are stored.
    """

    operations: tuple[Operation, ...]
    stored: int

    @nn.compact
    def __call__(self, state: State, gates: Gates) -> tuple[State, None]:
        """Return the state after the first path of `gates`, `[cell, path]`."""
        choice = gates.choices[0, 0]
        # The second axis is that of cells, of which a component has one.
        stacked = self.param(
            STACKED,
            lambda *given: initial_stack(*given)[None],
            self.stored,
            [body_shapes(own, self.settings) for own in self.operations],
        )
        if self.is_initializing():  # compiling every body is waste
            return self.around(lambda features: features, state), None
        vector = stacked[0, 0 if self.stored == 1 else choice]
        given = self.operations, self.settings, self.is_along_rows
        body = partial(chosen_body, *given, vector, choice)
        runs = jnp.array([own.is_present for own in self.operations])[choice]
        # Not a choice between two results: a component that is left out takes no time.
        state = nn.cond(
            runs,
            lambda own, state: own.around(body, state),
            lambda _, state: state,
            self,
            state,
        )
        return state, None


class WideSearchNetwork(nn.Module):
    """The over-complete network of the wide space: one path of it runs.

    Its settings are those of `wide`, and their defaults stand there. With
    `network.clone(stored=1)` it is the same network with the weights of one path alone,
    as `models.stacked_weights.take_active` gives them.

    Attributes:
        components: components, those that a path leaves out included.
        width: channels of the feature maps.
        memory: channels that a component hands to the next one.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.
        stored: number of operations whose weights are stored.
    """

    components: int
    width: int
    memory: int
    consistency: str
    precision: str = "float32"
    stored: int = len(WIDE)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The candidates of every component."""
        return WIDE

    @property
    def weight_shapes(self) -> list[Shapes]:
        """The shapes of the weights of every candidate."""
        settings = LayerSettings(self.width, self.precision)
        return [body_shapes(own, settings) for own in WIDE]

    @property
    def cells_per_block(self) -> int:
        """A component has one cell, its body."""
        return 1

    @property
    def cell_groups(self) -> list[int]:
        """The group of cells that each cell chooses with: each chooses for itself."""
        return list(range(self.components))

    def running(self, choices: Int[Array, "component 1"]) -> Bool[Array, " component"]:
        """Return which components run on a path; their ends rest where they do not."""
        return jnp.array([own.is_present for own in WIDE])[choices[:, 0]]

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
        gates: Gates,
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct along the first path of `gates`, `[component, path]`."""
        agree = prepared_consistency(self.consistency, measurement)
        image = agree(zero_filled[..., : channels_of(self.consistency)])
        settings = LayerSettings(self.width, self.precision)
        batch, height, width = halve(image).shape[:3]
        memory = jnp.zeros((batch, height, width, self.memory), settings.maps)
        start = State(image, jnp.zeros_like(image), memory)
        scanned = nn.scan(
            SearchComponent,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=self.components,
        )(
            self.memory,
            settings,
            self.consistency,
            agree,
            measurement.mask.shape[2] == 1,
            self.operations,
            self.stored,
            name="components",
        )
        # One cell for each component.
        own = jax.tree.map(lambda gate: gate[:, None], gates)
        return both_channels(scanned(start, own)[0].image)


def active_wide_weights(search_params: dict, architecture: Architecture) -> dict:
    """Copy the weights of an architecture out of a search network's parameters.

    Args:
        search_params: `params` of a `WideSearchNetwork`.
        architecture: architecture of the fixed network.

    Returns:
        `params` of `wide(architecture)`.
    """
    stacked = search_params["components"]
    width = stacked["first"]["bias"].shape[-1]
    params, is_first = {}, True
    for n, (body,) in enumerate(architecture.chosen):
        if not body.is_present:
            continue
        own = {
            name: jax.tree.map(lambda leaf, n=n: leaf[n], leaves)
            for name, leaves in stacked.items()
            if name != STACKED
        }
        if is_first:  # it has no memory to read
            kernel = own["first"]["kernel"]
            inputs = 2 * own["last"]["kernel"].shape[-1]
            own["first"] = own["first"] | {"kernel": kernel[:, :, :inputs]}
        shapes = body_shapes(body, LayerSettings(width))
        vector = stacked[STACKED][n, 0, WIDE.index(body)]
        for j, weights in enumerate(unpack(shapes, vector), 1):
            own[f"conv_{j}"] = weights
        params[f"component_{n + 1}"], is_first = own, False
    return params
