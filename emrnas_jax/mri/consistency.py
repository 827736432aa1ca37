"""Data consistency: put what was measured back into a network's image.

Images are real and imaginary channels, k-space is orthonormal with the zero frequency
first, and a mask is True where k-space was measured. Masks of lines stay one line
wide, `(batch, height, 1)` or `(batch, 1, width)`; full masks work as well.

`single` holds for every target. `two_step` and `real` assume a target that is a
magnitude: real and not negative for `two_step`, real for `real`.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Shaped

from emrnas_jax.mri.fourier import fft2, ifft2, to_channels, to_complex


def single_consistency(
    image: Float[Array, "batch height width 2"],
    kspace: Complex[Array, "batch height width"],
    mask: Bool[Array, "#batch #height #width"],
) -> Float[Array, "batch height width 2"]:
    """Put the measured samples back into `image`, once.

    Args:
        image: network output, real and imaginary channels, intensity in [0, 1].
        kspace: measured samples, orthonormal, zero frequency first.
        mask: True where k-space was measured.

    Source: Schlemper et al., IEEE TMI 2018, equation 6 without noise.
    """
    return to_channels(replace_measured(to_complex(image), kspace, mask))


def two_step_consistency(
    image: Float[Array, "batch height width 2"],
    kspace: Complex[Array, "batch height width"],
    mask: Bool[Array, "#batch #height #width"],
) -> Float[Array, "batch height width 2"]:
    """Put the measured samples back into `image`, as a complex then a real image.

    Args:
        image: network output, real and imaginary channels, intensity in [0, 1].
        kspace: measured samples, orthonormal, zero frequency first.
        mask: True where k-space was measured.

    Source: EMR-NAS section 2.1 (TDC); Zheng et al., NeurIPS 2019.
    """
    first = replace_measured(to_complex(image), kspace, mask)
    # The target is real, so the phase left by the first step is error.
    real = magnitude(first).astype(kspace.dtype)
    return to_channels(replace_measured(real, kspace, mask))


def real_consistency(
    image: Float[Array, "batch height width 2"],
    kspace: Complex[Array, "batch height width"],
    mask: Bool[Array, "#batch #height #width"],
) -> Float[Array, "batch height width 2"]:
    """Return the real image nearest to `image` that agrees with every measurement.

    The k-space of a real image is Hermitian, so a measured sample also fixes its
    mirror image at the negative frequency. Goes beyond the paper; for magnitude
    targets only.

    Args:
        image: network output; its imaginary channel is dropped.
        kspace: measured samples of a real image, orthonormal, zero frequency first.
            Where both samples of a mirrored pair were measured and differ, by noise,
            their Hermitian average counts.
        mask: True where k-space was measured.

    Returns:
        The image, its imaginary channel exactly zero.
    """
    mirrored_mask = mirror(mask)
    measured = jnp.where(mask, kspace, 0)
    both = measured + mirror(measured).conj()
    hermitian = jnp.where(mask & mirrored_mask, both / 2, both)
    real = image[..., 0].astype(kspace.dtype)
    result = replace_measured(real, hermitian, mask | mirrored_mask).real
    return jnp.stack([result, jnp.zeros_like(result)], axis=-1)


CONSISTENCY = {
    "single": single_consistency,
    "two_step": two_step_consistency,
    "real": real_consistency,
}


def replace_measured(
    image: Complex[Array, "batch height width"],
    kspace: Complex[Array, "batch height width"],
    mask: Bool[Array, "#batch #height #width"],
) -> Complex[Array, "batch height width"]:
    """Return `image` with its k-space replaced by `kspace` where `mask` is True."""
    return ifft2(jnp.where(mask, kspace, fft2(image)))


def mirror(
    array: Shaped[Array, "batch height width"],
) -> Shaped[Array, "batch height width"]:
    """Return the sample at the negative frequency: index k becomes -k, both axes."""
    return jnp.roll(jnp.flip(array, axis=(-2, -1)), shift=(1, 1), axis=(-2, -1))


def magnitude(
    image: Complex[Array, "*batch height width"],
) -> Float[Array, "*batch height width"]:
    """Return |image|, with the gradient 0 where the image is exactly 0.

    The plain square root of a sum of squares has no finite gradient at 0, and one such
    pixel turns a whole training into NaN.
    """
    zero = image == 0
    return jnp.where(zero, 0, jnp.abs(jnp.where(zero, 1, image)))
