"""SENSE: the image that agrees best with the samples of several coils.

`sense` minimises over the complex image x

    |M F S x - k|² + λ |x|²

with coil maps S, Fourier transform F and mask M, by conjugate gradients. Where an
object is larger than the field of view there are two maps and two images, which one
sum of samples belongs to.

`choose_weight` chooses λ by generalised cross-validation, the one with the least

    |M F S x(λ) - k|² / (n - tr H(λ))²,    H = A (AᴴA + λ)⁻¹ Aᴴ,    A = M F S

over n samples. It needs no noise level, and also sees the errors of the maps. Both sums
follow for all λ at once from one Lanczos run each, started from Aᴴk and from a random
image.

Source: Pruessmann et al., MRM 2001 (iterative SENSE); Golub, Heath and Wahba,
Technometrics 1979 (the choice of λ); Golub and Meurant, 2010 (sums by Lanczos).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from emrnas_jax.mri.conjugate_gradients import conjugate_gradients, product, ratio
from emrnas_jax.randomness import key_for

ITERATIONS = 30
# Candidates for λ, in units of the largest eigenvalue of AᴴA, which is 1 where
# everything is measured: ten a decade.
WEIGHTS = tuple(10.0**exponent for exponent in np.arange(-40, 1) / 10)

Kspace = Complex[Array, "batch coil height width"]
Mask = Bool[Array, "#batch #height #width"]
CoilMaps = Complex[Array, "batch map coil height width"]
Images = Complex[Array, "batch map height width"]


@partial(jax.jit, static_argnames="iterations")
def sense(
    kspace: Kspace,
    mask: Mask,
    coil_maps: CoilMaps,
    weight: Float[Array, "#batch"],
    iterations: int = ITERATIONS,
) -> Images:
    """Return the images that agree best with the samples of several coils.

    Args:
        kspace: samples, zero frequency first; values where nothing was measured do not
            count.
        mask: True where k-space was measured.
        coil_maps: sensitivities, Σ|S|² = 1 over the coils of each map in every pixel
            that has an object, else 0.
        weight: λ, 0 or more; of white noise the variance over the mean power of the
            image.
        iterations: conjugate gradient steps.

    Returns:
        complex images, one for each map.
    """
    wanted = adjoint(kspace, mask, coil_maps)
    damping = weight[:, None, None, None].astype(wanted.dtype)

    def operator(images: Images) -> Images:
        return normal(images, mask, coil_maps) + damping * images

    start = jnp.zeros_like(wanted)
    return conjugate_gradients(operator, wanted, start, iterations)


@partial(jax.jit, static_argnames="iterations")
def choose_weight(
    kspace: Kspace, mask: Mask, coil_maps: CoilMaps, iterations: int = ITERATIONS
) -> Float[Array, " batch"]:
    """Return λ of every frame by generalised cross-validation.

    Args:
        kspace: as in `sense`.
        mask: as in `sense`.
        coil_maps: as in `sense`.
        iterations: steps of the two Lanczos runs.

    Returns:
        one of WEIGHTS for each frame.
    """
    wanted = adjoint(kspace, mask, coil_maps)
    values, parts = _quadrature(wanted, mask, coil_maps, iterations)
    # By the same draw in every run: a weight must not depend on chance.
    parts_of = jax.random.normal(key_for(0, "gcv"), (2, *wanted.shape))
    probe = jax.lax.complex(*parts_of)
    probe_values, probe_parts = _quadrature(probe, mask, coil_maps, iterations)
    measured = jnp.broadcast_to(mask[:, None], kspace.shape)
    energy = jnp.where(measured, jnp.abs(kspace) ** 2, 0).sum((1, 2, 3))
    samples = measured.sum((1, 2, 3)).astype(jnp.float32)
    weights = jnp.asarray(WEIGHTS, jnp.float32)[:, None, None]
    damped = values[None] + weights
    # |A x - k|² = |k|² - 2 <Aᴴk, x> + <x, AᴴA x>, each a sum over eigenvalues.
    explained = jnp.sum(parts[None] * (2 / damped - values[None] / damped**2), axis=-1)
    misfit = energy[None] - explained
    # The expectation of zᴴ K (K + λ)⁻¹ z is twice the trace: z has two real parts.
    share = probe_parts[None] * probe_values[None] / (probe_values[None] + weights)
    freedom = samples[None] - share.sum(-1) / 2
    score = jnp.where(freedom > 0, misfit / freedom**2, jnp.inf)
    return weights[jnp.argmin(score, axis=0), 0, 0]


def adjoint(kspace: Kspace, mask: Mask, coil_maps: CoilMaps) -> Images:
    """Return Aᴴ y for every map."""
    measured = jnp.where(mask[:, None], kspace, 0)
    images = jnp.fft.ifft2(measured, norm="ortho")
    return jnp.sum(coil_maps.conj() * images[:, None], axis=2)


def normal(images: Images, mask: Mask, coil_maps: CoilMaps) -> Images:
    """Return AᴴA x. Along an axis that is measured whole the transforms cancel."""
    axes = tuple(axis for axis in (-2, -1) if mask.shape[axis] > 1)
    coils = jnp.sum(coil_maps * images[:, :, None], axis=1)
    kspace = jnp.fft.fftn(coils, axes=axes) if axes else coils
    measured = jnp.where(mask[:, None], kspace, 0)
    back = jnp.fft.ifftn(measured, axes=axes) if axes else measured
    return jnp.sum(coil_maps.conj() * back[:, None], axis=2)


def _quadrature(
    start: Images, mask: Mask, coil_maps: CoilMaps, iterations: int
) -> tuple[Float[Array, "batch node"], Float[Array, "batch node"]]:
    """Return nodes t and parts w with startᴴ f(AᴴA) start = Σ w f(t), for smooth f.

    The nodes are the eigenvalues of the matrix that Lanczos's method leaves.
    """
    size = jnp.sqrt(product(start, start))
    first = start * ratio(jnp.ones_like(size), size).astype(start.dtype)

    def step(
        state: tuple[Images, Images, Array], _: None
    ) -> tuple[tuple[Images, Images, Array], tuple[Array, Array]]:
        before, now, beta = state
        moved = normal(now, mask, coil_maps) - beta.astype(now.dtype) * before
        alpha = product(now, moved)
        moved = moved - alpha.astype(now.dtype) * now
        length = jnp.sqrt(product(moved, moved))
        after = moved * ratio(jnp.ones_like(length), length).astype(now.dtype)
        return (now, after, length), (alpha, length)

    # Rounding makes old vectors come back, which repeats nodes but moves no sum.
    state = (jnp.zeros_like(first), first, jnp.zeros_like(size))
    _, (alphas, betas) = jax.lax.scan(step, state, None, length=iterations)
    alphas, betas = alphas.reshape(iterations, -1).T, betas.reshape(iterations, -1).T
    beside = jax.vmap(jnp.diag, (0, None))(betas[:, :-1], 1)
    matrix = jax.vmap(jnp.diag)(alphas) + beside + beside.swapaxes(1, 2)
    values, vectors = jnp.linalg.eigh(matrix)
    parts = vectors[:, 0] ** 2 * size[:, :, 0, 0] ** 2
    # Rounding may leave eigenvalues just below the 0 that they cannot cross.
    return jnp.maximum(values, 0), parts
