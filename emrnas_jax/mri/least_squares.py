"""The image that agrees with the samples of several coils and is near a given one.

`regularised` minimises over the complex image x

    |A x - k|² + λ |x - z|²,    A = M F S

by a fixed number of conjugate gradient steps from z. Gradients do not go back through
the steps: the minimum solves (AᴴA + λ) (x - z) = Aᴴ (k - A z), and the gradient of what
solves a linear equation solves one with the same matrix, by as many steps again.

Source: Aggarwal et al., IEEE TMI 2019 (MoDL), sections III-B and III-C.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from emrnas_jax.mri.conjugate_gradients import conjugate_gradients
from emrnas_jax.mri.measurement import Image, Measurement, adjoint, forward, normal

ITERATIONS = 10  # of MoDL's published program


def regularised(
    image: Image,
    measurement: Measurement,
    weight: float | Float[Array, ""],
    iterations: int = ITERATIONS,
) -> Image:
    """Return the image that agrees with the samples and is near `image`.

    Args:
        image: z, complex.
        measurement: samples, mask and coil maps.
        weight: λ, above 0.
        iterations: conjugate gradient steps, and those of the gradient.
    """
    damping = jnp.asarray(weight, jnp.float32).astype(image.dtype)

    def operator(change: Image) -> Image:
        return normal(change, measurement) + damping * change

    def solve(operator: Callable[[Image], Image], target: Image) -> Image:
        return conjugate_gradients(operator, target, jnp.zeros_like(target), iterations)

    missing = measurement.kspace - forward(image, measurement)
    target = adjoint(missing, measurement)
    # The transposed matrix is the conjugate one: Hermitian, so the same method solves.
    change = lax.custom_linear_solve(operator, target, solve, transpose_solve=solve)
    return image + change
