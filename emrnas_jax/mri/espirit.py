"""ESPIRiT: estimate coil maps from a fully measured region of k-space.

Blocks of neighbouring samples of all coils lie in a subspace, because every coil sees
one image through its smooth map. In the image, the projection onto that subspace is a
matrix G(r) between coils in every pixel, and the maps are its eigenvectors with the
eigenvalue 1. Where the image wraps around (the field of view is smaller than the
object), two eigenvalues are 1, and two maps are needed.

K-space has its zero frequency first, as everywhere inside the package.

Source: Uecker et al., MRM 2014. G is computed from the correlations of the subspace's
projection, at most 2 * kernel - 1 samples wide, rather than from the image of every
kernel, which gives the same matrices with far fewer transforms.
"""

from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from emrnas_jax.errors import InputError

SMALLEST_KERNEL = 3
# With the fourth power this is as 60 iterations: an eigenvalue of 0.9 beside one of 1
# leaves 0.2 % of its vector.
ITERATIONS = 15


@dataclass(frozen=True)
class EspiritSettings:
    """How maps are estimated; hashable, so that compiled functions take it.

    Attributes:
        maps: number of maps: 1, or 2 where the object is larger than the field of view.
        kernel: width of the blocks of k-space, in samples, 3 or more; less where the
            calibration region is not twice as wide.
        threshold: singular values of the calibration below this fraction of the largest
            count as noise, in [0, 1).
        crop: pixels whose eigenvalue is below this are outside of the object, and
            their maps are 0, in [0, 1].
        width: largest width of the calibration region that is used, in samples.
    """

    maps: int = 1
    kernel: int = 6
    threshold: float = 0.02
    crop: float = 0.9
    width: int = 24

    def __post_init__(self) -> None:
        """Refuse impossible values.

        Raises:
            InputError: a value is out of range.
        """
        for name, fits, wanted in (
            ("maps", 1 <= self.maps <= 2, "1 or 2"),
            ("kernel", self.kernel >= SMALLEST_KERNEL, f"{SMALLEST_KERNEL} or more"),
            ("threshold", 0 <= self.threshold < 1, "a fraction in [0, 1)"),
            ("crop", 0 <= self.crop <= 1, "a fraction in [0, 1]"),
            ("width", self.width >= self.kernel, "at least the kernel's width"),
        ):
            if not fits:
                raise InputError(
                    f"espirit.{name}: expected {wanted}, found {getattr(self, name)}"
                )


def espirit(
    kspace: Complex[Array, "coil height width"],
    region: tuple[slice, slice],
    settings: EspiritSettings = EspiritSettings(),
) -> tuple[Complex[Array, "map coil height width"], Float[Array, "map height width"]]:
    """Estimate coil maps.

    Args:
        kspace: samples, zero frequency first.
        region: rows and columns that are fully measured, in centred order, as
            `mri.calibration.calibration_region` returns them.
        settings: number of maps, kernel and thresholds.

    Returns:
        complex64 maps, 0 where no object is; the phase of the first coil is 0 in every
        pixel. And the eigenvalues, 1 inside of the object.

    Raises:
        InputError: the region is too small for any kernel, or there are fewer coils
            than maps.
    """
    sizes = [part.stop - part.start for part in region]
    if min(sizes) < 2 * SMALLEST_KERNEL:
        needed = f"{2 * SMALLEST_KERNEL} x {2 * SMALLEST_KERNEL}"
        raise InputError(
            f"calibration region: {sizes[0]} x {sizes[1]} samples around the zero "
            f"frequency are all measured, and coil maps need {needed}; measure more "
            "lines in the centre, or give coil maps (`reconstruct_kspace`)"
        )
    if kspace.shape[0] < settings.maps:
        raise InputError(
            f"coil maps: {settings.maps} maps need as many coils, found "
            f"{kspace.shape[0]}"
        )
    # A kernel that is too large for the region has too few positions to learn from.
    kernel = min(settings.kernel, min(sizes) // 2)
    settings = replace(settings, kernel=kernel)
    centred = jnp.fft.fftshift(kspace, axes=(-2, -1))
    calibration = centred[:, *_narrowed(region, kspace.shape[-2:], settings.width)]
    correlations = _correlations(calibration, settings)
    return _maps(correlations, kspace.shape[-2:], settings)


def explained(
    kspace: Complex[Array, "coil height width"],
    region: tuple[slice, slice],
    maps: Complex[Array, "map coil height width"],
) -> Float[Array, ""]:
    """Return the part of the energy of the calibration region that maps explain.

    It is 0.99 and more for good maps, and far less where the region was too small or
    too noisy, or one map is too few.

    Args:
        kspace: as in `espirit`.
        region: as in `espirit`.
        maps: as `espirit` returns them.
    """
    inside = np.zeros(kspace.shape[-2:], bool)
    inside[region] = True
    low = jnp.where(np.fft.ifftshift(inside)[None], kspace, 0)
    coils = jnp.fft.ifft2(low)
    images = jnp.sum(maps.conj() * coils[None], axis=1, keepdims=True)
    rest = coils - jnp.sum(maps * images, axis=0)
    return 1 - jnp.sum(jnp.abs(rest) ** 2) / jnp.sum(jnp.abs(coils) ** 2)


def _narrowed(
    region: tuple[slice, slice], shape: tuple[int, ...], width: int
) -> tuple[slice, slice]:
    """Return the part of a region within `width` samples around the zero frequency."""
    found = []
    for part, size in zip(region, shape, strict=True):
        low = max(part.start, size // 2 - width // 2)
        # As wide as possible where the region is not symmetric.
        high = min(part.stop, low + width)
        found.append(slice(max(part.start, high - width), high))
    return found[0], found[1]


@partial(jax.jit, static_argnames="settings")
def _correlations(
    calibration: Complex[Array, "coil height width"], settings: EspiritSettings
) -> Complex[Array, "coil coil lag lag"]:
    """Return the correlations of the projection onto the blocks of k-space.

    Entry [c, d, i, j] sums the projection's entries between samples of the coils c and
    d that lie (i, j) - (kernel - 1) samples apart, over the number of samples.
    """
    size = settings.kernel
    coils, height, width = calibration.shape
    blocks = jnp.stack(
        [
            calibration[:, i : height - size + 1 + i, j : width - size + 1 + j]
            for i in range(size)
            for j in range(size)
        ]
    ).reshape(size * size * coils, -1)
    # The Gram matrix is far smaller than the blocks, of which there are thousands.
    # Singular values are the roots of the Gram matrix's eigenvalues.
    values, vectors = jnp.linalg.eigh(blocks @ blocks.conj().T)
    kept = values > settings.threshold**2 * values[-1]
    signal = jnp.where(kept, vectors, 0).reshape(size, size, coils, -1)
    # Correlations over both axes of the block, by transforms that do not wrap around.
    lags = 2 * size - 1
    spectrum = jnp.fft.fft2(signal, s=(lags, lags), axes=(0, 1))
    product = jnp.einsum("ijcv,ijdv->cdij", spectrum, spectrum.conj())
    found = jnp.fft.ifft2(product) / size**2
    return jnp.roll(found, (size - 1, size - 1), axis=(-2, -1))


@partial(jax.jit, static_argnames=("shape", "settings"))
def _maps(
    correlations: Complex[Array, "coil coil lag lag"],
    shape: tuple[int, int],
    settings: EspiritSettings,
) -> tuple[Complex[Array, "map coil height width"], Float[Array, "map height width"]]:
    """Return the eigenvectors of G in every pixel, and their eigenvalues."""
    rows, columns = (_waves(size, settings.kernel) for size in shape)
    by_row = jnp.einsum("cdij,hi->hcdj", correlations, rows)

    def of_row(
        row: Complex[Array, "coil coil lag"],
    ) -> tuple[Complex[Array, "map coil pixel"], Float[Array, "map pixel"]]:
        # The pixels come last, so that every operation is one over whole vectors.
        return _leading(jnp.einsum("cdj,wj->cdw", row, columns), settings.maps)

    # Row by row: G of all pixels at once would take gigabytes with many coils.
    vectors, values = jax.lax.map(of_row, by_row)
    vectors, values = jnp.moveaxis(vectors, 0, 2), jnp.moveaxis(values, 0, 1)
    # Phase is free: the first coil gets none. An exact zero has no phase to remove.
    first = vectors[:, :1]
    length = jnp.where(first == 0, 1, jnp.abs(first)).astype(first.dtype)
    phase = jnp.where(first == 0, 1, first / length)
    inside = values >= settings.crop
    return jnp.where(inside[:, None], vectors * phase.conj(), 0), values


def _waves(size: int, kernel: int) -> Complex[Array, "size lag"]:
    """Return exp(2πi lag x / size) for the lags -(kernel - 1) to kernel - 1."""
    lags = np.arange(1 - kernel, kernel)
    turns = np.arange(size)[:, None] * lags % size / size
    return jnp.asarray(np.exp(2j * np.pi * turns), jnp.complex64)


def _leading(
    matrix: Complex[Array, "coil coil pixel"], count: int
) -> tuple[Complex[Array, "map coil pixel"], Float[Array, "map pixel"]]:
    """Return the eigenvectors of the largest eigenvalues of Hermitian matrices.

    Orthogonal iteration on the fourth power, whose eigenvectors are the same and whose
    eigenvalues lie further apart.
    """
    fourth = _product(squared := _product(matrix, matrix), squared)
    coils = matrix.shape[0]
    # Any start does that is not orthogonal to what is sought.
    start = np.exp(1j * np.arange(count * coils) ** 2).reshape(count, coils, 1)
    vectors = jnp.broadcast_to(
        jnp.asarray(start, jnp.complex64), (count, coils, matrix.shape[-1])
    )

    def improve(_: int | Array, vectors: Array) -> Array:
        return _orthonormal(_apply(fourth, vectors))

    vectors = jax.lax.fori_loop(0, ITERATIONS, improve, _orthonormal(vectors))
    moved = _apply(matrix, vectors)
    if count == 1:
        return vectors, jnp.sum(vectors.conj() * moved, axis=1).real
    # Vectors of equal eigenvalues come out mixed: solve the small problem that is left.
    small = jnp.einsum("acp,bcp->pab", vectors.conj(), moved)
    values, mixing = jnp.linalg.eigh(small)
    return jnp.einsum("acp,pab->bcp", vectors, mixing)[::-1], values.T[::-1]


def _apply(matrix: Array, vectors: Array) -> Array:
    return jnp.sum(matrix[None] * vectors[:, None], axis=2)


def _product(left: Array, right: Array) -> Array:
    return jnp.einsum("cdp,dep->cep", left, right)


def _orthonormal(
    vectors: Complex[Array, "map coil pixel"],
) -> Complex[Array, "map coil pixel"]:
    """Return the vectors made orthonormal, one after another."""
    done: list[Array] = []
    for vector in vectors:
        for other in done:
            vector = vector - other * jnp.sum(
                other.conj() * vector, axis=0, keepdims=True
            )
        norm = jnp.sqrt(jnp.sum(jnp.abs(vector) ** 2, axis=0, keepdims=True))
        done.append(vector / jnp.where(norm > 0, norm, 1).astype(vector.dtype))
    return jnp.stack(done)
