"""Data consistency for masks of whole lines, prepared once for many uses.

Along the readout the Fourier transform of a mask of lines cancels, so that data
consistency acts on each line of pixels along the phase encoding by itself, and alike on
all of them: x becomes z + N x. N is the circulant matrix that keeps the frequencies
that were not measured, z the image of those that were. One product with N costs less
than two Fourier transforms of the frame, on every device, and N and z are the same for
all components of a network.

Full masks and several coils have no such matrix; they take the functions of
`mri.consistency`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from emrnas_jax.mri.consistency import (
    CONSISTENCY,
    WEIGHTS,
    Weight,
    complete_hermitian,
    magnitude,
    partway,
    step_of,
)
from emrnas_jax.mri.fourier import to_channels, to_complex
from emrnas_jax.mri.measurement import Measurement, adjoint

Channels = Float[Array, "batch height width channel"]
# It takes an image, and its weight if the consistency has one.
Prepared = Callable[..., Channels]


def prepared_consistency(consistency: str, measurement: Measurement) -> Prepared:
    """Return a function that makes images agree with a measurement.

    Args:
        consistency: key of `mri.consistency.CONSISTENCY`.
        measurement: samples of the frames.

    Returns:
        a function of images, intensity in [0, 1], that returns such images: real
        channels alone for `real`, real and imaginary channels for all others. A
        second argument is the weight of a consistency that has one.

    Raises:
        InputError: the measurement has coils and the consistency takes none.
    """
    has_lines = 1 in measurement.mask.shape[1:] and measurement.coil_maps is None
    if not has_lines:
        return _direct(consistency, measurement)
    if consistency == "real":
        return _affine(complete_hermitian(measurement), is_real=True)
    single = _affine(measurement, is_real=False)

    def two_step(image: Channels) -> Channels:
        return single(_real(magnitude(to_complex(single(image)))))

    def gradient(image: Channels, step: Weight = WEIGHTS["gradient"]) -> Channels:
        return partway(image, single(image), step)

    def cg(image: Channels, weight: Weight = WEIGHTS["cg"]) -> Channels:
        return gradient(image, step_of(weight))

    prepared = {"single": single, "two_step": two_step, "gradient": gradient, "cg": cg}
    return prepared[consistency]


def channels_of(consistency: str) -> int:
    """Return how many channels the images of a prepared consistency have."""
    return 1 if consistency == "real" else 2


def _direct(consistency: str, measurement: Measurement) -> Prepared:
    function = CONSISTENCY[consistency]
    if consistency != "real":
        return lambda image, *weight: function(image, measurement, *weight)
    return lambda image: function(_real(image[..., 0]), measurement)[..., :1]


def _real(
    image: Float[Array, "batch height width"],
) -> Float[Array, "batch height width 2"]:
    return jnp.stack([image, jnp.zeros_like(image)], axis=-1)


def _affine(measurement: Measurement, is_real: bool) -> Prepared:
    """Return x -> z + N x for lines."""
    is_rows = measurement.mask.shape[2] == 1
    # The mask is one line wide, so that one row or column of it says everything.
    known = measurement.mask[:, :, 0] if is_rows else measurement.mask[:, 0, :]
    kept = circulant(~known)
    measured = to_channels(adjoint(measurement.kspace, measurement))
    if is_real:
        measured, matrix = measured[..., :1], kept.real
    else:
        # The product with a complex matrix, written with real numbers.
        rows = [[kept.real, -kept.imag], [kept.imag, kept.real]]
        matrix = jnp.concatenate([jnp.concatenate(r, axis=2) for r in rows], axis=1)

    def apply(image: Channels) -> Channels:
        # The lines' axis first, the channels' with it: one matrix product per frame.
        order = (0, 3, 1, 2) if is_rows else (0, 3, 2, 1)
        batch, channels, lines, others = (image.shape[axis] for axis in order)
        stacked = image.transpose(order).reshape(batch, channels * lines, others)
        product = jnp.matmul(matrix, stacked, precision=jax.lax.Precision.HIGHEST)
        back = (0, 2, 3, 1) if is_rows else (0, 3, 2, 1)
        unmeasured = product.reshape(batch, channels, lines, others).transpose(back)
        return measured + unmeasured

    return apply


def circulant(
    frequencies: Bool[Array, "batch line"],
) -> Complex[Array, "batch line line"]:
    """Return the matrices that keep these frequencies of a line of pixels.

    Args:
        frequencies: True for the frequencies that are kept, the zero frequency first.
    """
    response = jnp.fft.ifft(frequencies.astype(jnp.complex64))
    count = frequencies.shape[1]
    # Entry [i, j] depends on i - j alone: a product with it is a circular convolution.
    shift = (jnp.arange(count)[:, None] - jnp.arange(count)[None]) % count
    return response[:, shift]
