"""One measurement: the samples of k-space, where they were taken, with which coils.

The forward model is A x = M F S x. S multiplies the image by the sensitivity of each
coil, F is the orthonormal Fourier transform of each coil's image, and M keeps the
samples that the mask marks. Its adjoint is Aᴴ y = Sᴴ F⁻¹ M y. Without coil maps S is
the identity: the k-space is that of the image itself.

K-space has its zero frequency first. Masks of lines stay one line wide, `(batch,
height, 1)` or `(batch, 1, width)`; full masks work as well.

Source: Pruessmann et al., MRM 1999 (SENSE); Schlemper et al., IEEE TMI 2018.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from emrnas_jax.mri.fourier import fft2, ifft2, to_channels

# The axis of maps is there where there are several sets of coil maps.
Image = Complex[Array, "batch *map height width"]
# The coil axis is absent where the k-space is that of the image itself.
Kspace = Complex[Array, "batch *coil height width"]
Mask = Bool[Array, "#batch #height #width"]
CoilMaps = Complex[Array, "batch *map coil height width"]


class Measurement(NamedTuple):
    """Samples of a batch of frames, with their mask and coil maps; a PyTree of arrays.

    Attributes:
        kspace: complex64 samples, orthonormal, zero frequency first. Values where
            nothing was measured do not count.
        mask: True where k-space was measured, the same for all coils of a frame.
        coil_maps: complex64 sensitivity of each coil, with Σ|S|² = 1 over the coils in
            every pixel; 0 in pixels that no coil sees. None without a coil axis. Where
            an object is larger than the field of view, two points of it lie in one
            pixel; then there are two sets of maps, each with an image of its own.
    """

    kspace: Kspace
    mask: Mask
    coil_maps: CoilMaps | None = None


def undersample(
    image: Image, mask: Mask, coil_maps: CoilMaps | None = None
) -> Measurement:
    """Measure images: their k-space where `mask` is True, else 0.

    Args:
        image: complex images, intensity about [0, 1].
        mask: True where k-space is measured.
        coil_maps: sensitivity of each coil; None measures the image itself.
    """
    return keep_measured(_kspace_of(image, coil_maps), mask, coil_maps)


def keep_measured(
    kspace: Kspace, mask: Mask, coil_maps: CoilMaps | None = None
) -> Measurement:
    """Return the measurement of complete k-space: its samples where `mask` is True."""
    return Measurement(_measured(kspace, mask), mask, coil_maps)


def zero_filled(measurement: Measurement) -> Float[Array, "batch height width 2"]:
    """Return the real and imaginary channels of Aᴴ k, a network's input."""
    return to_channels(adjoint(measurement.kspace, measurement))


def forward(image: Image, measurement: Measurement) -> Kspace:
    """Return A x: what the coils and the mask of `measurement` see of an image."""
    return _measured(_kspace_of(image, measurement.coil_maps), measurement.mask)


def adjoint(kspace: Kspace, measurement: Measurement) -> Image:
    """Return Aᴴ y: the coils' images of measured samples, combined."""
    measured = _measured(kspace, measurement.mask)
    return _image_of(measured, measurement.coil_maps)


def normal(image: Image, measurement: Measurement) -> Image:
    """Return AᴴA x. Along an axis that is measured whole the transforms cancel."""
    mask, maps = measurement.mask, measurement.coil_maps
    axes = cut_axes(mask)
    kspace = transform(seen(image, maps), axes)
    return combined(transform_back(_measured(kspace, mask), axes), maps)


def cut_axes(mask: Mask) -> tuple[int, ...]:
    """Return the axes along which a mask leaves samples out: -2, -1, both or none.

    Along the others a transform and its inverse around the mask would change nothing.
    """
    return tuple(axis for axis in (-2, -1) if mask.shape[axis] > 1)


def hybrid(kspace: Kspace, mask: Mask) -> Kspace:
    """Return k-space that is transformed back along the axes that a mask leaves whole.

    Lines of it are measured or not as those of k-space are, and the transforms that are
    left, along `cut_axes`, cost half as much as those of both axes.
    """
    whole = tuple(axis for axis in (-2, -1) if axis not in cut_axes(mask))
    return transform_back(kspace, whole)


def transform(images: Kspace, axes: tuple[int, ...]) -> Kspace:
    """Return the orthonormal Fourier transform along some axes, or none."""
    return jnp.fft.fftn(images, axes=axes, norm="ortho") if axes else images


def transform_back(kspace: Kspace, axes: tuple[int, ...]) -> Kspace:
    """Return the inverse of `transform`."""
    return jnp.fft.ifftn(kspace, axes=axes, norm="ortho") if axes else kspace


def replace_measured(image: Image, measurement: Measurement) -> Image:
    """Return `image` with its measured samples replaced by those of `measurement`.

    This is the gradient step x + Aᴴ (k - A x). Because Σ|S|² = 1 it equals
    Sᴴ F⁻¹ (k where measured, F S x elsewhere), which is computed for any number of
    coils. Where no coil sees a pixel, the result is 0, as in the combined image.

    With one coil the samples of the result are the measured ones. Those of several
    coils are inconsistent with any one image unless they are free of noise, and one
    step moves towards them: it never increases |A x - k|.
    """
    mask, maps = measurement.mask, measurement.coil_maps
    # One coil keeps the samples to the bit; `mri.line_consistency` is faster for it.
    axes = (-2, -1) if maps is None else cut_axes(mask)
    # The same for all components of a network, which the compiler computes once.
    known = measurement.kspace if maps is None else hybrid(measurement.kspace, mask)
    # The sum x + Aᴴ(..) would round measured samples twice; a choice keeps them.
    expected = transform(seen(image, maps), axes)
    agreed = jnp.where(_beside(mask, expected), known, expected)
    return combined(transform_back(agreed, axes), maps)


def _kspace_of(image: Image, coil_maps: CoilMaps | None) -> Kspace:
    """Return F S x."""
    return fft2(seen(image, coil_maps))


def _image_of(kspace: Kspace, coil_maps: CoilMaps | None) -> Image:
    """Return Sᴴ F⁻¹ y."""
    return combined(ifft2(kspace), coil_maps)


def seen(image: Image, coil_maps: CoilMaps | None) -> Kspace:
    """Return S x: the image of every coil."""
    if coil_maps is None:
        return image
    seen = coil_maps * jnp.expand_dims(image, -3)
    return seen.sum(1) if seen.ndim == 5 else seen


def combined(images: Kspace, coil_maps: CoilMaps | None) -> Image:
    """Return Sᴴ y: the images of all coils combined, or the image itself."""
    if coil_maps is None:
        return images
    beside = images[:, None] if coil_maps.ndim == 5 else images
    return (coil_maps.conj() * beside).sum(-3)


def _measured(kspace: Kspace, mask: Mask) -> Kspace:
    # A choice and not a product: 0 · inf of a damaged sample would be NaN.
    return jnp.where(_beside(mask, kspace), kspace, 0)


def _beside(mask: Mask, kspace: Kspace) -> Bool[Array, "#batch *#coil #height #width"]:
    """Return the mask with an axis for the coils if k-space has one."""
    return mask if kspace.ndim == mask.ndim else mask[:, None]
