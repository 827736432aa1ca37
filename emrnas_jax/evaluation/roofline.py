"""The work of a network, and what the device could do: the two sides of a roofline.

Work is counted from the network: two operations per kernel value and pixel; every
feature map read and written once per use. It holds for networks whose kernels all run
once per pixel of the image, and leaves out Fourier transforms (under 1 % of the
published network's arithmetic). It is that of plain convolutions: Winograd's form,
which the CPU's kernels use, needs 16 products for 36, so more than the ceiling can be
reached. Ceilings are measured here: arithmetic by a large matrix product, memory by a
large copy.
"""

import functools
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

# What files say of a network's work per frame and of its device.
ROOFLINE = (
    "gflop_per_frame",
    "mbytes_per_frame",
    "gflops_ceiling",
    "gbytes_per_second_ceiling",
)

# Of a training step, in reconstructions: forward, gradient of maps, of kernels.
TRAINING_PASSES = 3


class Work(NamedTuple):
    """What one frame's reconstruction takes.

    Attributes:
        operations: additions and multiplications.
        traffic: bytes of feature maps through memory.
    """

    operations: float
    traffic: float

    @property
    def intensity(self) -> float:
        """Operations per byte."""
        return self.operations / self.traffic


class Ceilings(NamedTuple):
    """What the device does per second at best."""

    operations: float
    traffic: float


def forward_work(params: PyTree, pixels: int, precision: str = "float32") -> Work:
    """Count the work of one frame's reconstruction.

    Args:
        params: of the network, arrays or shapes.
        pixels: of the frame.
        precision: of the feature maps, a key of `MATRIX_FORMS`.
    """
    shapes = [leaf.shape for leaf in jax.tree.leaves(params) if leaf.ndim == 4]
    value_bytes = 2.0 if precision == "bf16" else 4.0
    operations = sum(2.0 * math.prod(shape) for shape in shapes) * pixels
    traffic = sum(value_bytes * (shape[2] + shape[3]) for shape in shapes) * pixels
    return Work(operations, traffic)


def roofline_figures(params: PyTree, pixels: int, precision: str) -> dict[str, float]:
    """Return a frame's work and the ceilings of all devices, named as in `ROOFLINE`.

    Args:
        params: of the network.
        pixels: of the frame.
        precision: of its convolutions, a key of `MATRIX_FORMS`.
    """
    values = (
        *forward_work(params, pixels, precision),
        *measure_ceilings(precision),
    )
    # The devices of a CPU are parts of it, and its ceilings are those of the whole.
    devices = 1 if jax.default_backend() == "cpu" else jax.device_count()
    scales = (1e9, 1e6, 1e9 / devices, 1e9 / devices)
    return {n: v / s for n, v, s in zip(ROOFLINE, values, scales, strict=True)}


def fractions(
    work: Work, frames_per_second: float, ceilings: Ceilings, passes: int = 1
) -> tuple[float, float]:
    """Return the achieved parts of both ceilings, arithmetic and memory, in [0, 1].

    Args:
        work: of one frame's reconstruction.
        frames_per_second: that were reconstructed, or trained on.
        ceilings: of the device.
        passes: 1 for a reconstruction, `TRAINING_PASSES` for a training step.
    """
    rate = passes * frames_per_second
    return (
        work.operations * rate / ceilings.operations,
        work.traffic * rate / ceilings.traffic,
    )


def _product(precision: str | None) -> Callable[[Array], Array]:
    return lambda a: jnp.matmul(a, a, precision=precision)


# How each precision multiplies matrices; the CPU knows float32 alone.
MATRIX_FORMS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "float32": ("float32", _product("highest")),
    "tf32": ("float32", _product("default")),
    "bf16": ("bfloat16", _product(None)),
}


@functools.cache  # a device's ceilings do not change while a program runs
def measure_ceilings(precision: str) -> Ceilings:
    """Measure the first device's arithmetic and memory, in about a second.

    Args:
        precision: of the arithmetic, a key of `MATRIX_FORMS`.
    """
    cpu = jax.default_backend() == "cpu"
    dtype, product = MATRIX_FORMS[precision]
    rows = 2048 if cpu else 8192
    matrix = jax.random.normal(jax.random.key(0), (rows, rows), jnp.dtype(dtype))
    # Larger than any cache; read once and written once.
    line = jnp.zeros(2**25 if cpu else 2**28)
    product_s = _least_s(jax.jit(product), matrix)
    copy_s = _least_s(jax.jit(lambda a: a + 1), line)
    return Ceilings(2 * rows**3 / product_s, 2 * line.nbytes / copy_s)


def _least_s(function: Callable[[Array], Array], array: Array) -> float:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        jax.block_until_ready(function(array))
        seconds.append(time.perf_counter() - start)
    return min(seconds)  # the first compiles; a ceiling is what was reached at best
