"""SENSE: the image that agrees best with the samples of several coils.

`sense` minimises over the complex image x

    |A x - k|² + λ |x|²,    A = M F S

with coil maps S, Fourier transform F and mask M, by conjugate gradients. Where an
object is larger than the field of view there are two sets of maps and two images, which
one sum of samples belongs to.

`choose_weight` chooses λ by generalised cross-validation, the one with the least

    |A x(λ) - k|² / (n - tr H(λ))²,    H = A (AᴴA + λ)⁻¹ Aᴴ

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
from jaxtyping import Array, Float

from emrnas_jax.mri.conjugate_gradients import conjugate_gradients, product, ratio
from emrnas_jax.mri.measurement import Image, Measurement, adjoint, normal
from emrnas_jax.randomness import key_for

ITERATIONS = 30
# Candidates for λ, in units of the largest eigenvalue of AᴴA, which is 1 where
# everything is measured: ten a decade.
WEIGHTS = tuple(10.0**exponent for exponent in np.arange(-40, 1) / 10)


@partial(jax.jit, static_argnames="iterations")
def sense(
    measurement: Measurement,
    weight: Float[Array, "#batch"],
    iterations: int = ITERATIONS,
) -> Image:
    """Return the images that agree best with the samples of several coils.

    Args:
        measurement: samples, mask and coil maps.
        weight: λ, 0 or more; of white noise the variance over the mean power of the
            image.
        iterations: conjugate gradient steps.

    Returns:
        complex images, one for each set of maps.
    """
    wanted = adjoint(measurement.kspace, measurement)
    ones = (1,) * (wanted.ndim - 1)
    damping = weight.reshape(-1, *ones).astype(wanted.dtype)

    def operator(image: Image) -> Image:
        return normal(image, measurement) + damping * image

    start = jnp.zeros_like(wanted)
    return conjugate_gradients(operator, wanted, start, iterations)


@partial(jax.jit, static_argnames="iterations")
def choose_weight(
    measurement: Measurement, iterations: int = ITERATIONS
) -> Float[Array, " batch"]:
    """Return λ of every frame by generalised cross-validation.

    Args:
        measurement: samples, mask and coil maps.
        iterations: steps of the two Lanczos runs.

    Returns:
        one of WEIGHTS for each frame.
    """
    kspace = measurement.kspace
    wanted = adjoint(kspace, measurement)
    values, parts = _quadrature(wanted, measurement, iterations)
    # By the same draw in every run: a weight must not depend on chance.
    drawn = jax.random.normal(key_for(0, "gcv"), (2, *wanted.shape))
    probe = jax.lax.complex(*drawn)
    probe_values, probe_parts = _quadrature(probe, measurement, iterations)
    measured = jnp.broadcast_to(measurement.mask[:, None], kspace.shape)
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


def _quadrature(
    start: Image, measurement: Measurement, iterations: int
) -> tuple[Float[Array, "batch node"], Float[Array, "batch node"]]:
    """Return nodes t and parts w with startᴴ f(AᴴA) start = Σ w f(t), for smooth f.

    The nodes are the eigenvalues of the matrix that Lanczos's method leaves.
    """
    size = jnp.sqrt(product(start, start))
    first = start * ratio(jnp.ones_like(size), size).astype(start.dtype)

    def step(
        state: tuple[Image, Image, Array], _: None
    ) -> tuple[tuple[Image, Image, Array], tuple[Array, Array]]:
        before, now, beta = state
        moved = normal(now, measurement) - beta.astype(now.dtype) * before
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
    parts = vectors[:, 0] ** 2 * size.reshape(-1, 1) ** 2
    # Rounding may leave eigenvalues just below the 0 that they cannot cross.
    return jnp.maximum(values, 0), parts
