"""Data consistency: put what was measured back into a network's image.

Images are real and imaginary channels, intensity in [0, 1]; the conventions of k-space
and masks are those of `mri.measurement`.

`single`, `gradient` and `cg` hold for every target and any number of coils. `gradient`
and `cg` have a weight, which a network may learn: they go only part of the way to the
samples, and so leave part of their noise. `two_step` and `real` use that the target is
a magnitude: real and not negative for `two_step`, real for `real`.
"""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Shaped

from emrnas_jax.errors import InputError
from emrnas_jax.mri.fourier import to_channels, to_complex
from emrnas_jax.mri.least_squares import regularised
from emrnas_jax.mri.measurement import Measurement, replace_measured

# Weights of the consistencies that have one, before any training. That of `cg` is the
# start of MoDL's published program.
WEIGHTS = {"gradient": 1.0, "cg": 0.05}

Weight = float | Float[Array, ""]


def single_consistency(
    image: Float[Array, "batch height width 2"], measurement: Measurement
) -> Float[Array, "batch height width 2"]:
    """Put the measured samples back into `image`, once.

    Args:
        image: network output, real and imaginary channels, intensity in [0, 1].
        measurement: the samples, of one coil or of several.

    Source: Schlemper et al., IEEE TMI 2018, equation 6 without noise.
    """
    return to_channels(replace_measured(to_complex(image), measurement))


def two_step_consistency(
    image: Float[Array, "batch height width 2"], measurement: Measurement
) -> Float[Array, "batch height width 2"]:
    """Put the measured samples back into `image`, as a complex then a real image.

    Args:
        image: network output, real and imaginary channels, intensity in [0, 1].
        measurement: the samples of a magnitude image, without coils.

    Raises:
        InputError: the measurement has coils.

    Source: EMR-NAS section 2.1 (TDC); Zheng et al., NeurIPS 2019.
    """
    _require_no_coils("two_step", measurement)
    first = replace_measured(to_complex(image), measurement)
    # The target is real, so the phase left by the first step is error.
    real = magnitude(first).astype(measurement.kspace.dtype)
    return to_channels(replace_measured(real, measurement))


def real_consistency(
    image: Float[Array, "batch height width 2"], measurement: Measurement
) -> Float[Array, "batch height width 2"]:
    """Return the real image nearest to `image` that agrees with every measurement.

    The k-space of a real image is Hermitian, so a measured sample also fixes its
    mirror image at the negative frequency. Goes beyond the paper; for magnitude
    targets only.

    Args:
        image: network output; its imaginary channel is dropped.
        measurement: the samples of a real image, without coils. Where both samples of
            a mirrored pair were measured and differ, by noise, their Hermitian average
            counts.

    Returns:
        The image, its imaginary channel exactly zero.

    Raises:
        InputError: the measurement has coils.
    """
    completed = complete_hermitian(measurement)
    real = image[..., 0].astype(measurement.kspace.dtype)
    result = replace_measured(real, completed).real
    return jnp.stack([result, jnp.zeros_like(result)], axis=-1)


def gradient_consistency(
    image: Float[Array, "batch height width 2"],
    measurement: Measurement,
    step: Weight = WEIGHTS["gradient"],
) -> Float[Array, "batch height width 2"]:
    """Take a step of gradient descent towards the samples: x + t Aᴴ (k - A x).

    Args:
        image: network output x, real and imaginary channels, intensity in [0, 1].
        measurement: the samples k, of one coil or of several.
        step: t, between 0 and 2 to come nearer to the samples; 1 is `single`.

    Returns:
        the image. Where no coil sees a pixel, it goes as far towards 0.

    Source: Hammernik et al., MRM 2018.
    """
    return partway(image, single_consistency(image, measurement), step)


def cg_consistency(
    image: Float[Array, "batch height width 2"],
    measurement: Measurement,
    weight: Weight = WEIGHTS["cg"],
) -> Float[Array, "batch height width 2"]:
    """Return the image x with the least |A x - k|² + λ |x - z|².

    Args:
        image: network output z, real and imaginary channels, intensity in [0, 1].
        measurement: the samples k, of one coil or of several. With coil maps, x is
            found by `least_squares.ITERATIONS` steps of conjugate gradients.
        weight: λ, above 0.

    Source: Aggarwal et al., IEEE TMI 2019 (MoDL).
    """
    if measurement.coil_maps is None:
        # AᴴA is then a projection, and the minimum lies on the way to `single`.
        return gradient_consistency(image, measurement, step_of(weight))
    return to_channels(regularised(to_complex(image), measurement, weight))


def step_of(weight: Weight) -> Weight:
    """Return the step of `gradient` that equals `cg` without coil maps."""
    return 1 / (1 + weight)


def partway(
    image: Float[Array, "batch height width channel"],
    agreed: Float[Array, "batch height width channel"],
    step: Weight,
) -> Float[Array, "batch height width channel"]:
    """Return a point on the line through two images: the first at 0, the other at 1."""
    # Both are weighed, so that at 1 the other image comes out to the bit.
    return (1 - step) * image + step * agreed


def complete_hermitian(measurement: Measurement) -> Measurement:
    """Return the samples of a real image with those that their mirror images fix.

    Raises:
        InputError: the measurement has coils.
    """
    _require_no_coils("real", measurement)
    kspace, mask = measurement.kspace, measurement.mask
    mirrored_mask = mirror(mask)
    measured = jnp.where(mask, kspace, 0)
    both = measured + mirror(measured).conj()
    hermitian = jnp.where(mask & mirrored_mask, both / 2, both)
    return Measurement(hermitian, mask | mirrored_mask)


CONSISTENCY = {
    "single": single_consistency,
    "two_step": two_step_consistency,
    "real": real_consistency,
    # These two take their weight as a third argument.
    "gradient": gradient_consistency,
    "cg": cg_consistency,
}
ASSUME_MAGNITUDE = ("two_step", "real")


def require_suitable(consistency: str, images: str, where: str) -> None:
    """Check that a data consistency suits the images it is to be used for.

    Arrays do not show whether their images are real-valued, so a caller who knows it
    asks here before anything is trained.

    Args:
        consistency: key of `CONSISTENCY`.
        images: "magnitude" or "complex".
        where: setting that asks for the consistency, for the message.

    Raises:
        InputError: the consistency assumes magnitude images, and these are complex.
    """
    if images == "complex" and consistency in ASSUME_MAGNITUDE:
        raise InputError(
            f"{where}={consistency} assumes magnitude images, and data.images is "
            f"complex; use {_any_target()}"
        )


def _require_no_coils(consistency: str, measurement: Measurement) -> None:
    # A combined image of coils has the phase that the maps leave over.
    if measurement.coil_maps is not None:
        raise InputError(
            f"consistency={consistency} assumes magnitude images, and images of "
            f"several coils are complex; use {_any_target()}, or to reconstruct, "
            "--model=sense"
        )


def _any_target() -> str:
    """Return the consistencies that hold for every target, as a message lists them."""
    *first, last = (name for name in CONSISTENCY if name not in ASSUME_MAGNITUDE)
    return f"consistency={', '.join(first)} or {last}"


def mirror(
    array: Shaped[Array, "batch height width"],
) -> Shaped[Array, "batch height width"]:
    """Return the sample at the negative frequency: index k becomes -k, both axes."""
    # Reversed, index 0 is the last one; the roll puts the zero frequency back first.
    return jnp.roll(jnp.flip(array, axis=(-2, -1)), shift=(1, 1), axis=(-2, -1))


def magnitude(
    image: Complex[Array, "*batch height width"],
) -> Float[Array, "*batch height width"]:
    """Return |image|, with the gradient 0 where the image is exactly 0.

    The plain square root of a sum of squares has no finite gradient at 0, and one such
    pixel turns a whole training into NaN.
    """
    # Both choices are needed: the gradient of the unused value must be finite too.
    zero = image == 0
    return jnp.where(zero, 0, jnp.abs(jnp.where(zero, 1, image)))
