"""Measure the 3 x 3 convolution alone, in every form and with every dilation.

Seven of the eight operations of Table 1 are dilated, so these figures decide which form
a platform runs.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from emrnas_jax.benchmark.against_torch import require_equal
from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.programs import NO_OPTIONS, Program, compiled
from emrnas_jax.benchmark.rows import Row
from emrnas_jax.kernels import xla
from emrnas_jax.kernels.convolution import convolve
from emrnas_jax.machine.timing import median_ms

DILATIONS = (1, 2, 4)


def as_in_networks(x: Array, kernel: Array, dilation: int, precision: str) -> Array:
    """Convolve as the networks here do on this platform."""
    bias = jnp.zeros(kernel.shape[-1])
    return convolve((x,), kernel, bias, dilation, precision=precision)


# The direct form with an option of XLA that hands dilated convolutions and their
# gradients to cuDNN, which may then round float32 to TF32 (openxla/xla#32718).
NATIVE_FUSED = "native_fused"

# (feature map, kernel, dilation, precision) -> feature map.
FORMS: dict[str, Callable[[Array, Array, int, str], Array]] = (
    {"as in networks": as_in_networks}
    | {name: form.convolution for name, form in xla.FORMS.items()}
    | {NATIVE_FUSED: xla.direct}
)
OPTIONS = {NATIVE_FUSED: {"xla_gpu_experimental_enable_conv_fusion": True}}


def is_exact_enough(form: str, precision: str) -> bool:
    """Return whether a form computes in a precision, as far as is known."""
    return form != NATIVE_FUSED or precision != "float32"


def convolution_row(
    form: str, case: Case, dilation: int, repeats: int, with_torch: bool
) -> Row:
    """Measure one form: forward, and forward with both gradients.

    Args:
        form: key of `FORMS`.
        case: batch, size and width of the feature maps, and the precision.
        dilation: dilation of the kernel, pixels.
        repeats: number of timings whose median is taken.
        with_torch: whether PyTorch's convolution is timed in turn.
    """
    # As in the networks: bf16 concerns the feature maps, kernels are kept in float32.
    dtype = jnp.bfloat16 if case.precision == "bf16" else jnp.float32
    keys = jax.random.split(jax.random.key(0))
    shape = (case.batch, case.size, case.size, case.width)
    x = jax.random.normal(keys[0], shape, dtype)
    kernel = jax.random.normal(keys[1], (3, 3, case.width, case.width))
    forward, both = _programs(form, case.precision, x, kernel, dilation)
    runs = [forward.run, both.run]
    if with_torch:
        from emrnas_jax.benchmark.pytorch import convolution as torch_convolution

        # Eager alone: `torch.compile` calls the same library for one convolution.
        theirs = torch_convolution.runs(x, kernel, dilation, case.precision)
        found = theirs[0]().permute(0, 2, 3, 1).float().cpu().numpy()
        expected = np.asarray(forward.run(), np.float32)
        # Relative to the largest value, because these maps are no intensities.
        require_equal(
            float(np.abs(found - expected).max() / np.abs(expected).max()),
            case.precision,
            "eager",
        )
        runs += theirs
    times = median_ms(runs, repeats)
    row: Row = {
        "command": "convolution",
        "form": form,
        "dilation": dilation,
        "size": case.size,
        "batch": case.batch,
        "width": case.width,
        "precision": case.precision,
        "step_ms": times[0],
        "gradient_ms": times[1],
    }
    if with_torch:
        row |= {
            "torch_ms": times[2],
            "torch_gradient_ms": times[3],
            "torch_variant": "eager",
            "torch_ratio": times[0] / times[2],
            "torch_gradient_ratio": times[1] / times[3],
        }
    return row


def _programs(
    form: str, precision: str, x: Array, kernel: Array, dilation: int
) -> tuple[Program, Program]:
    convolution = FORMS[form]

    # Squared, so that the gradients depend on the output as in a training: the gradient
    # of a plain sum is a constant, which a compiler could fold.
    def total(x: Array, kernel: Array) -> Array:
        y = convolution(x, kernel, dilation, precision)
        return (y * y).sum(dtype=jnp.float32)

    def forward(x: Array, kernel: Array) -> Array:
        return convolution(x, kernel, dilation, precision)

    options = OPTIONS.get(form, NO_OPTIONS)
    return (
        compiled(forward, x, kernel, options=options),
        compiled(jax.grad(total, argnums=(0, 1)), x, kernel, options=options),
    )
