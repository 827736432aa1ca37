"""The mean over mirrored frames: a network sees each frame in four ways.

A convolutional network does not give mirrored images of mirrored frames; its errors
differ, and their mean is smaller. It costs four times as much.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from emrnas_jax.mri.fourier import fft2, ifft2
from emrnas_jax.mri.measurement import Measurement

Images = Float[Array, "batch height width 2"]
Apply = Callable[[PyTree, Images, Measurement], Images]
# Axes of an array's end, rows and columns, that are mirrored in each of the four ways.
WAYS: tuple[tuple[int, ...], ...] = ((), (-2,), (-1,), (-2, -1))


def mean_over_flips(apply: Apply) -> Apply:
    """Return a function that applies a network to four mirrored frames.

    Every one of the four images has the measured samples, so their mean has them too.

    Args:
        apply: function of variables, zero-filled images and measurement that returns
            images.
    """

    def averaged(
        variables: PyTree, zero_filled: Images, measurement: Measurement
    ) -> Images:
        total = jnp.zeros_like(zero_filled)
        for axes in WAYS:
            mirrored = mirror_measurement(measurement, axes)
            image = apply(variables, _flip_image(zero_filled, axes), mirrored)
            total += _flip_image(image, axes)
        return total / len(WAYS)

    return averaged


def mirror_measurement(measurement: Measurement, axes: tuple[int, ...]) -> Measurement:
    """Return the measurement of mirrored images.

    Args:
        measurement: samples of the frames.
        axes: -2 to exchange top and bottom, -1 for left and right.
    """
    if not axes:
        return measurement
    kspace, mask, maps = measurement
    # A mirrored image has the frequency k where the image has -k. Its phase differs by
    # that of a shift by one pixel, which the transforms take care of.
    for axis in axes:
        if mask.shape[axis] > 1:
            mask = jnp.roll(jnp.flip(mask, axis), 1, axis)
    mirrored = fft2(jnp.flip(ifft2(kspace), axes))
    return Measurement(mirrored, mask, None if maps is None else jnp.flip(maps, axes))


def _flip_image(image: Images, axes: tuple[int, ...]) -> Images:
    return jnp.flip(image, [axis - 1 for axis in axes]) if axes else image
