# pyright: reportMissingImports=false
"""PyTorch's 3x3 convolution alone, channels-last."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Array
from torch import Tensor

from emrnas_jax.benchmark.pytorch import steps as torch_steps


def runs(
    x: Array, kernel: Array, dilation: int, precision: str
) -> list[Callable[[], Any]]:
    """Return the runs: forward (gives its map), and forward with both gradients.

    Args:
        x: feature map, `[batch, height, width, in]`.
        kernel: kernel, `[3, 3, in, out]`.
        dilation: dilation of the kernel, pixels.
        precision: precision of the arithmetic: float32, tf32 or bf16.
    """
    torch_steps.prepare()
    variant = torch_steps.variants(precision)[0]
    image = _tensor(x, (0, 3, 1, 2), precision)
    weight = _tensor(kernel, (3, 2, 0, 1), precision)

    def convolution() -> Tensor:
        return torch.nn.functional.conv2d(
            image, weight, padding=dilation, dilation=dilation
        )

    def forward() -> Tensor:
        with torch.no_grad(), torch_steps.precise(variant):
            return torch_steps.waited(convolution())

    def both() -> None:
        # Otherwise gradients would be added to those of the run before.
        image.grad = weight.grad = None
        with torch_steps.precise(variant):
            y = convolution()
            (y * y).sum(dtype=torch.float32).backward()
        assert weight.grad is not None
        torch_steps.waited(weight.grad)

    return [forward, both]


def _tensor(array: Array, axes: tuple[int, ...], precision: str) -> Tensor:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    tensor = torch.tensor(np.asarray(array, np.float32)).permute(*axes)
    tensor = tensor.to(torch_steps.device(), dtype, memory_format=torch.channels_last)
    return tensor.requires_grad_()
