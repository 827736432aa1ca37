"""The half-resolution cascade: convolutions on quarter-size maps, many consistencies.

A component sees the image, what the last data consistency has corrected, and a few
features of the component before, each square of 2 x 2 pixels as the channels of one. A
convolution thus costs a quarter of one at full resolution and reaches twice as far, and
the same milliseconds hold more components with data consistency after each.

Not published: this package's own network. Its parts are known: cascades with data
consistency (Schlemper et al., IEEE TMI 2018), squares of pixels as channels (Shi et
al., CVPR 2016), features handed from component to component (as in Putzky and Welling,
2017).
"""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.errors import InputError
from emrnas_jax.kernels.convolution import Map
from emrnas_jax.models.bodies import SLOPE, body_shapes, with_body
from emrnas_jax.models.layers import (
    Convolution,
    LayerSettings,
    Parameters,
    keep_image,
    learned_weight,
)
from emrnas_jax.models.squares import SQUARE, double, halve
from emrnas_jax.mri.line_consistency import (
    Prepared,
    channels_of,
    prepared_consistency,
)
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.nas.space import Operation


def half_resolution(
    components: int = 11,
    layers: int = 2,
    width: int = 32,
    memory: int = 24,
    consistency: str = "real",
    precision: str = "float32",
) -> "HalfResolution":
    """Return the half-resolution cascade; by default it has 310,988 parameters.

    Args:
        components: components, each followed by data consistency.
        layers: convolutions of a component between its first and its last one.
        width: channels of the feature maps.
        memory: channels that a component hands to the next one, at most `width`.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        precision: a name in `kernels.precision.PRECISIONS`.

    Raises:
        InputError: there are fewer channels than are handed on.
    """
    body = Operation("plain", (1,) * layers, ())
    settings = LayerSettings(width, precision)
    require_memory("half_resolution", memory, width)
    return HalfResolution((body,) * components, memory, settings, consistency)


def require_memory(kind: str, memory: int, width: int) -> None:
    """Raise InputError if more channels are handed on than there are."""
    if memory > width:
        raise InputError(
            f"{kind}: found memory={memory} of width={width} channels; use at most the "
            "width"
        )


class State(NamedTuple):
    """What a component hands to the next one.

    Attributes:
        image: the image, with the channels of the consistency.
        correction: what its data consistency has changed.
        memory: some features, of half the resolution; None before the first component.
    """

    image: Float[Array, "batch height width channel"]
    correction: Float[Array, "batch height width channel"]
    memory: Float[Array, "batch _ _ kept"] | None


class Component(nn.Module):
    """What all components do, around a body that each kind of them has for itself.

    Attributes:
        memory: channels that it hands to the next one.
        settings: layers of the network.
        consistency: a name in `mri.consistency.CONSISTENCY`.
        agree: this consistency, prepared for the measurement.
        is_along_rows: whether lines of k-space are its rows.
    """

    memory: int
    settings: LayerSettings
    consistency: str
    agree: Prepared
    is_along_rows: bool

    def around(self, body: Callable[[Map], Map], state: State) -> State:
        """Return the state after this component; call it in a compact method.

        Args:
            body: function of the features of its first convolution.
            state: state before it.
        """
        settings, (height, width, channels) = self.settings, state.image.shape[1:]
        first = Convolution(settings.width, 1, SLOPE, settings.precision, name="first")
        last = Convolution(SQUARE * channels, precision=settings.precision, name="last")
        maps = [halve(x).astype(settings.maps) for x in state[:2]]
        # Maps apart, not joined: the kernels read each where it lies.
        features = body(first(*maps, *[own for own in state[2:] if own is not None]))
        change = double(last(features).astype(state.image.dtype))
        proposed = state.image + change[:, :height, :width]
        agreed = self.agree(proposed, *learned_weight(self, self.consistency))
        return State(agreed, agreed - proposed, features[..., : self.memory])


class FixedComponent(Component):
    """A component with one body.

    Attributes:
        body: operation of the wide space.
    """

    body: Operation

    @nn.compact
    def __call__(self, state: State) -> State:
        """Return the state after this component."""

        def body(features: Map) -> Map:
            weights = [
                Parameters(shapes, name=f"conv_{j}")()
                for j, shapes in enumerate(body_shapes(self.body, self.settings), 1)
            ]
            own = self.body, weights, features, self.settings, self.is_along_rows
            return with_body(*own)

        return self.around(body, state)


class HalfResolution(nn.Module):
    """Components in sequence, each with its own body and weights.

    Attributes:
        bodies: the body of each component; one that is absent leaves its component out.
        memory: channels that a component hands to the next one.
        settings: layers of the network.
        consistency: a name in `mri.consistency.CONSISTENCY`.
    """

    bodies: tuple[Operation, ...]
    memory: int
    settings: LayerSettings
    consistency: str

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
        train: bool = False,  # noqa: ARG002 - there is no batch norm here
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct.

        Args:
            zero_filled: real and imaginary channels, intensity in [0, 1].
            measurement: k-space, mask and coil maps of the frames.
            train: ignored, because there is no batch norm.
        """
        agree = prepared_consistency(self.consistency, measurement)
        # A real image gains the samples that mirror measured ones; others gain nothing.
        image = agree(zero_filled[..., : channels_of(self.consistency)])
        state = State(image, jnp.zeros_like(image), None)
        is_along_rows = measurement.mask.shape[2] == 1
        present = [n for n, body in enumerate(self.bodies, 1) if body.is_present]
        for n in present:
            # Deep supervision and shorter prefixes use the images in between.
            if n != present[0]:
                keep_image(self, f"image_{n - 1}", both_channels(state.image))
            state = FixedComponent(
                self.memory,
                self.settings,
                self.consistency,
                agree,
                is_along_rows,
                self.bodies[n - 1],
                name=f"component_{n}",
            )(state)
        return both_channels(state.image)


def both_channels(
    image: Float[Array, "batch height width channel"],
) -> Float[Array, "batch height width 2"]:
    """Return the image with an imaginary channel, zero if it has none."""
    if image.shape[-1] == 2:
        return image
    return jnp.concatenate([image, jnp.zeros_like(image)], axis=-1)
