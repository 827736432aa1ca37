"""Count a network's work and measure the device's ceilings: both sides of a roofline.

Work is counted from the layers that run, as often and at the resolution they run at.
Each kernel value takes two operations per pixel, and every feature map that a
convolution reads or writes passes through memory once. Fourier transforms (under 1 % of
the published network's arithmetic), batch norm and activations are left out, so a
network without kernels has no work.

The count is that of plain convolutions. Winograd's form, which the CPU's kernels use,
needs 16 products where they need 36, so a fraction of the ceiling can exceed 1.
Ceilings are measured here: arithmetic by a large matrix product, memory by a large
copy.
"""

import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.module import InterceptorContext
from jaxtyping import Array

from emrnas_jax.models.networks import blank_inputs
from emrnas_jax.runs.results import ROOFLINE

# A training step works as much as three reconstructions: its forward pass, the
# gradients of the feature maps and those of the kernels.
TRAINING_PASSES = 3


class Work(NamedTuple):
    """The work of reconstructing one frame.

    Attributes:
        operations: number of additions and multiplications.
        traffic: bytes of feature maps that pass through memory.
    """

    operations: float
    traffic: float

    @property
    def intensity(self) -> float:
        """Return the operations per byte."""
        return self.operations / self.traffic


class Ceilings(NamedTuple):
    """The most that the device does per second.

    Attributes:
        operations: additions and multiplications per second.
        traffic: bytes per second through memory.
    """

    operations: float
    traffic: float


def forward_work(
    network: nn.Module, shape: tuple[int, int], precision: str = "float32"
) -> Work:
    """Count the work of one frame's reconstruction; nothing is computed.

    Args:
        network: network whose kernels are parameters named `kernel`.
        shape: height and width of the frame, pixels.
        precision: precision of the feature maps, a key of `MATRIX_FORMS`.
    """
    # Pixels and kernel's shape of each convolution that runs.
    runs: list[tuple[int, tuple[int, ...]]] = []
    # Pixels of the feature map that each module around the running one reads.
    sizes = [math.prod(shape)]

    def note(
        call: Callable, arguments: tuple, named: dict, context: InterceptorContext
    ) -> Any:
        # A module that is given no feature map works on that of the module around it.
        maps = [a.shape for a in arguments if getattr(a, "ndim", 0) == 4]
        sizes.append(math.prod(maps[0][:3]) if maps else sizes[-1])
        result, module = call(*arguments, **named), context.module
        if context.method_name == "__call__" and module.has_variable(
            "params", "kernel"
        ):
            runs.append((sizes[-1], module.get_variable("params", "kernel").shape))
        sizes.pop()
        return result

    with nn.intercept_methods(note):
        # A new function each time, because JAX does not trace one again that it knows.
        jax.eval_shape(lambda: network.init(jax.random.key(0), *blank_inputs(*shape)))
    value_bytes = 2.0 if precision == "bf16" else 4.0
    operations = sum(2.0 * math.prod(kernel) * pixels for pixels, kernel in runs)
    traffic = sum(value_bytes * sum(kernel[-2:]) * pixels for pixels, kernel in runs)
    return Work(operations, traffic)


def roofline_figures(
    network: nn.Module, shape: tuple[int, int], precision: str
) -> dict[str, float]:
    """Return a frame's work and the ceilings of all devices, named as in `ROOFLINE`.

    Args:
        network: network whose kernels are parameters named `kernel`.
        shape: height and width of the frame, pixels.
        precision: precision of its convolutions, a key of `MATRIX_FORMS`.
    """
    values = (
        *forward_work(network, shape, precision),
        *measure_ceilings(precision),
    )
    # JAX can divide a CPU into several devices, which share the ceilings of the CPU.
    devices = 1 if jax.default_backend() == "cpu" else jax.device_count()
    scales = (1e9, 1e6, 1e9 / devices, 1e9 / devices)
    return {n: v / s for n, v, s in zip(ROOFLINE, values, scales, strict=True)}


def fractions(
    work: Work, frames_per_second: float, ceilings: Ceilings, passes: int = 1
) -> tuple[float, float]:
    """Return the fractions of both ceilings that are reached, arithmetic and memory.

    Args:
        work: work of one frame's reconstruction.
        frames_per_second: measured rate of the reconstruction or training.
        ceilings: ceilings of the device.
        passes: 1 for a reconstruction, `TRAINING_PASSES` for a training step.
    """
    rate = passes * frames_per_second
    return (
        work.operations * rate / ceilings.operations,
        work.traffic * rate / ceilings.traffic,
    )


def _product(precision: str | None) -> Callable[[Array], Array]:
    return lambda a: jnp.matmul(a, a, precision=precision)


# Type and product of the matrices that measure a precision's arithmetic. A CPU has no
# tf32, and is fast in float32 alone.
MATRIX_FORMS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "float32": ("float32", _product("highest")),
    "tf32": ("float32", _product("default")),
    "bf16": ("bfloat16", _product(None)),
}


@functools.cache  # a device's ceilings do not change while a program runs
def measure_ceilings(precision: str) -> Ceilings:
    """Measure the first device's arithmetic and memory, in about a second.

    Args:
        precision: precision of the arithmetic, a key of `MATRIX_FORMS`.
    """
    cpu = jax.default_backend() == "cpu"
    dtype, product = MATRIX_FORMS[precision]
    # Large enough that a product takes longer than its start, and small enough to last
    # less than a second.
    rows = 2048 if cpu else 8192
    matrix = jax.random.normal(jax.random.key(0), (rows, rows), jnp.dtype(dtype))
    # Larger than any cache, so that reading and writing it once is memory's speed.
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
