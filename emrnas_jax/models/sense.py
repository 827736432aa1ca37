"""SENSE as a network of the package: no weights, no training, several coils.

Its regularisation weight is chosen for each frame by generalised cross-validation
(`mri.sense.choose_weight`), unless it is given.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.errors import InputError
from emrnas_jax.mri import sense as solver
from emrnas_jax.mri.coils import joined_maps
from emrnas_jax.mri.fourier import to_channels
from emrnas_jax.mri.measurement import Measurement


class Sense(nn.Module):
    """The image that agrees best with the samples of several coils.

    Attributes:
        weight: regularisation weight; None to choose one for each frame.
        iterations: conjugate gradient steps.
    """

    weight: float | None = None
    iterations: int = solver.ITERATIONS

    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],  # noqa: ARG002
        measurement: Measurement,
        train: bool = False,  # noqa: ARG002 - called like every network
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct; the arguments are those of `cascade.Component`.

        Raises:
            InputError: the measurement has no coils.
        """
        if measurement.coil_maps is None:
            raise InputError(
                "SENSE needs k-space of several coils, and this is of one; use "
                "--model=tv or a trained network"
            )
        if self.weight is None:
            weight = solver.choose_weight(measurement, self.iterations)
        else:
            weight = jnp.full(1, self.weight, jnp.float32)
        images = solver.sense(measurement, weight, self.iterations)
        return to_channels(joined_maps(images))
