"""Total variation as a network of the package: one value, its strength, is its weight.

It needs no training data: its default strength was measured once. In a run the strength
is chosen on S_val (`training.fit_total_variation`) and stored like the weights of any
network.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import joined_maps
from emrnas_jax.mri.consistency import CONSISTENCY, WEIGHTS
from emrnas_jax.mri.fourier import to_channels
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.mri.total_variation import restore

# The median of the best strengths of 24 subjects (0.001 to 0.01; grid of four values a
# decade) on two frames of each of the York cardiac subjects 1 to 24, 256 x 256, 15 %
# cartesian masks. Its neighbours on the grid lose 0.01 and 0.04 dB in the mean over
# subjects.
STRENGTH = 3e-3
MEASURED_ON = (256, 256)  # height and width, pixels

# After 30 iterations the PSNR of 12 such frames was within 0.02 dB in the mean, 0.12 dB
# for single frames, of that after 300, for strengths from 0.001 to 0.01.
ITERATIONS = 30


class TotalVariation(nn.Module):
    """Compressed sensing by total variation, and without coils data consistency.

    Attributes:
        iterations: number of iterations of `mri.total_variation.restore`.
        consistency: a name in `mri.consistency.CONSISTENCY`.
    """

    iterations: int
    consistency: str

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
        found = restore(measurement, strength, self.iterations)
        if measurement.coil_maps is not None:
            # One more step towards the samples would bring their noise back.
            return to_channels(joined_maps(found))
        return CONSISTENCY[self.consistency](to_channels(found), measurement)


def tv(
    iterations: int = ITERATIONS,
    consistency: str = "single",
    precision: str = "float32",
) -> TotalVariation:
    """Return the network of total variation.

    Args:
        iterations: at least 1.
        consistency: a name in `mri.consistency.CONSISTENCY`, of those without a weight.
        precision: "float32", the only one.

    Raises:
        InputError: there are no iterations, or the consistency has a weight, or another
            precision is asked for.
    """
    if iterations < 1:
        raise InputError(f"tv: found iterations={iterations}; at least 1 is needed")
    if consistency in WEIGHTS:
        raise InputError(
            f"tv: consistency={consistency} has a weight that networks learn, and tv "
            "learns nothing but its strength; use consistency=single"
        )
    if precision != "float32":
        raise InputError(
            f"tv: found precision={precision!r}; it has no convolutions and computes "
            "in float32 alone"
        )
    return TotalVariation(iterations, consistency)
