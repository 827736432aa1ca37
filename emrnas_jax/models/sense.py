"""SENSE as a network of the package: no training, several coils.

Its regularisation weight is chosen for each frame by generalised cross-validation
(`mri.sense.choose_weight`), or in a run, for all frames, on S_val
(`training.fit_total_variation`).
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.errors import InputError
from emrnas_jax.mri import sense as solver
from emrnas_jax.mri.coils import joined_maps
from emrnas_jax.mri.fourier import to_channels
from emrnas_jax.mri.measurement import Measurement

# About the best weight on a brain of 8 coils, measured four times too little.
STRENGTH = 0.01


def sense(iterations: int = solver.ITERATIONS) -> "FittedSense":
    """Return SENSE with one weight for all frames, which is fitted like a training.

    Args:
        iterations: conjugate gradient steps, at least 1.

    Raises:
        InputError: there are no iterations.
    """
    if iterations < 1:
        raise InputError(f"sense: found iterations={iterations}; at least 1 is needed")
    return FittedSense(iterations)


class FittedSense(nn.Module):
    """The image that agrees best with the samples, with a weight that is a parameter.

    Attributes:
        iterations: conjugate gradient steps.
    """

    iterations: int

    @nn.compact
    def __call__(
        self,
        zero_filled: Float[Array, "batch height width 2"],  # noqa: ARG002
        measurement: Measurement,
        train: bool = False,  # noqa: ARG002 - called like every network
    ) -> Float[Array, "batch height width 2"]:
        """Reconstruct; the arguments are those of `cascade.Component`."""
        # A parameter and not a setting, so that checkpoints hold it like any weights.
        strength = self.param("strength", lambda _: jnp.asarray(STRENGTH, jnp.float32))
        images = solver.sense(measurement, strength[None], self.iterations)
        return to_channels(joined_maps(images))


class Sense(nn.Module):
    """The image that agrees best with the samples, with a weight for each frame.

    Attributes:
        iterations: conjugate gradient steps.
    """

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
        weight = solver.choose_weight(measurement, self.iterations)
        images = solver.sense(measurement, weight, self.iterations)
        return to_channels(joined_maps(images))
