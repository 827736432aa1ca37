"""Precisions of a network's convolutions and of their feature maps.

A precision concerns everything between a component's input image and the change that
is added to it. Images, Fourier transforms, data consistency, losses, weights, their
gradients and the optimizers' states stay float32 (complex64) in every precision.

- `float32`: true float32 on every device. It has to be asked for: by default GPUs
  round the operands of float32 products to TF32, TPUs to bfloat16.
- `tf32`: feature maps stay float32, the operands of products are rounded to TF32 (10
  bits after the point) by the tensor cores of NVIDIA GPUs since Ampere. TPUs take three
  passes of bfloat16, the nearest they have. CPUs have nothing like it: the same as
  float32.
- `bf16`: feature maps and kernels are bfloat16 (7 bits after the point), so half the
  memory and its traffic. Products are summed in float32 by cuDNN, the TPU, XLA's CPU
  compiler and the matrix units of Intel's server CPUs (AMX); each sum is rounded once,
  when it is stored.

Source: `jax.lax.Precision`; XLA allows TF32 in a convolution whose operands ask for
less than `HIGHEST`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike


class Precision(NamedTuple):
    """The number formats of a convolution.

    Attributes:
        maps: type of feature maps, and of the kernels they are convolved with.
        products: precision of the products, as XLA is asked for it.
    """

    maps: DTypeLike
    products: jax.lax.Precision


PRECISIONS = {
    "float32": Precision(jnp.float32, jax.lax.Precision.HIGHEST),
    "tf32": Precision(jnp.float32, jax.lax.Precision.HIGH),
    "bf16": Precision(jnp.bfloat16, jax.lax.Precision.DEFAULT),
}
