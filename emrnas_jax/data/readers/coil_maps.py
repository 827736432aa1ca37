"""Coil maps that are given, by a file or as an argument."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex64
from numpy.typing import ArrayLike

from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import normalise_maps


def check_maps(
    coil_maps: ArrayLike, shape: Sequence[int], where: str = "coil_maps"
) -> Complex64[np.ndarray, "frame coil height width"]:
    """Return given coil maps for every frame, scaled to Σ|S|² = 1.

    Args:
        coil_maps: sensitivities, for all frames or for each.
        shape: frames, coils, height and width of the k-space.
        where: file or argument, for messages.

    Raises:
        InputError: k-space has no coils, the maps are of another number or size, or not
            finite.
    """
    maps = np.asarray(coil_maps)
    if len(shape) != 4:
        raise InputError(f"{where}: k-space has no axis of coils; give coils=True")
    frames, *each = shape
    if maps.shape[-3:] != tuple(each) or maps.size not in (
        np.prod(each),
        np.prod(shape),
    ):
        raise InputError(
            f"{where}: found the shape {maps.shape} for k-space of {frames} frames "
            f"and {each[0]} coils of {each[1]} x {each[2]}; give {tuple(each)}, or one "
            "for every frame"
        )
    if not np.isfinite(maps).all():
        raise InputError(f"{where}: found NaN or infinite values")
    # The same for all frames, unless there are as many as frames.
    every = np.broadcast_to(maps.reshape(-1, *each), shape)
    return np.asarray(normalise_maps(jnp.asarray(every, jnp.complex64)))
