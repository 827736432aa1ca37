"""The kinds of target that several coils have, and how an image is compared with each.

The target of one coil is its image. Several coils have no one image: their maps combine
them to a complex one, or the root of the sum of their squares is taken, which needs no
maps and has no phase.
"""

from enum import StrEnum

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import root_sum_of_squares
from emrnas_jax.mri.consistency import magnitude
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.mri.measurement import combined


# Without arrays in it, so a batch can hold it, and a program is compiled for each kind.
@jax.tree_util.register_static
class TargetKind(StrEnum):
    """The kind of target, by the value of `data.target`.

    Attributes:
        COMBINED: the image itself, or that which the maps of several coils combine,
            Sᴴ y; it has a phase where images are complex.
        RSS: the root of the sum of squares of the coils' images, with an imaginary part
            of zero; fastMRI's `reconstruction_rss`.
    """

    COMBINED = "combined"
    RSS = "rss"


def require_target(target: str, coils: int) -> None:
    """Check the setting `data.target`.

    Args:
        target: its value.
        coils: number of coils; 0 for images of one.

    Raises:
        InputError: there is no such kind, or not for so many coils.
    """
    kinds = [kind.value for kind in TargetKind]
    if target not in kinds:
        raise InputError(f"data.target: found {target!r}; use {' or '.join(kinds)}")
    if target != TargetKind.COMBINED and not coils:
        raise InputError(
            f"data.target: {target} is of several coils, and there is one; set "
            "data.coils or data.simulated_coils, or data.target to combined"
        )


def target_of_coils(
    images: Complex[Array, "frame coil height width"],
    coil_maps: Complex[Array, "frame coil height width"],
    kind: TargetKind,
) -> Complex[Array, "frame height width"]:
    """Return the target of complete images of several coils."""
    if kind is TargetKind.RSS:
        return root_sum_of_squares(images).astype(images.dtype)
    return combined(images, coil_maps)


def as_compared(
    image: Float[Array, "*batch height width 2"], kind: TargetKind
) -> Float[Array, "*batch height width 2"]:
    """Return a network's image in the form of a target of this kind.

    A root of a sum of squares has no phase, so of the image |x| remains, as the real
    channel; its gradient is 0 where the image is exactly 0.
    """
    if kind is TargetKind.COMBINED:
        return image
    length = magnitude(to_complex(image))
    return jnp.stack([length, jnp.zeros_like(length)], axis=-1)
