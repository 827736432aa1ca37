# pyright: reportMissingImports=false
"""The same networks in PyTorch, written plainly and well, to be timed beside ours.

Channels-last throughout: an image `[batch, height, width, 2]` is a complex image and,
with its axes exchanged, a channels-last feature map, without a copy. What a
convolution reads is concatenated; activations are in place.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import PyTree
from torch import Tensor, nn

from emrnas_jax.models.emrnas import BETA
from emrnas_jax.models.operations import SLOPE
from emrnas_jax.nas.space import Operation, sources


class CellOperation(nn.Module):
    """One operation of Table 1."""

    def __init__(self, operation: Operation, width: int) -> None:
        """Make its four convolutions."""
        super().__init__()
        # The table of the package itself, so that both sides have the same wiring.
        self.reads = [sources(operation, j) for j in range(4)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width * len(read), width, 3, padding=d, dilation=d)
            for read, d in zip(self.reads, operation.dilations, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the fourth convolution, `[batch, channel, h, w]`."""
        maps = [x]
        for j, convolution in enumerate(self.convolutions):
            read = [maps[s] for s in self.reads[j]]
            # `torch.cat` of one tensor would copy it.
            y = convolution(read[0] if len(read) == 1 else torch.cat(read, 1))
            maps.append(nn.functional.leaky_relu_(y, SLOPE) if j < 3 else y)
        return maps[4]


class Component(nn.Module):
    """Conv - residual-in-residual block - Conv - two-step consistency."""

    def __init__(self, cells: Sequence[Sequence[Operation]], width: int) -> None:
        """Make every operation of every cell."""
        super().__init__()
        self.first = nn.Conv2d(2, width, 3, padding=1)
        # Any, because PyTorch gives lists of modules no type of their members.
        self.cells: Any = nn.ModuleList(
            nn.ModuleList(CellOperation(operation, width) for operation in cell)
            for cell in cells
        )
        self.last = nn.Conv2d(width, 2, 3, padding=1)

    def forward(
        self,
        image: Tensor,
        kspace: Tensor,
        mask: Tensor,
        choices: list[list[int]],
        gates: Tensor | None,
    ) -> Tensor:
        """Return the improved image, `[batch, height, width, 2]`.

        Args:
            image: real and imaginary channels.
            kspace: measured samples, orthonormal, zero frequency first.
            mask: True where k-space was measured.
            choices: numbers of the operations that run, a list per cell.
            gates: factors of the operations, `[cell, path]`; None for one path of
                factor 1.
        """
        # A view: the channels of a channels-last image are last in memory already.
        x = self.first(image.permute(0, 3, 1, 2))
        h = x
        for c, cell in enumerate(self.cells):
            outputs = [cell[choice](h) for choice in choices[c]]
            if gates is not None:
                outputs = [gates[c, p] * y for p, y in enumerate(outputs)]
            # One pass over memory for the scaled sum, where `h + BETA * y` takes two.
            h = torch.add(h, sum(outputs[1:], outputs[0]), alpha=BETA)
        change = self.last(torch.add(x, h, alpha=BETA))
        return two_step_consistency(image + change.permute(0, 2, 3, 1), kspace, mask)


class Network(nn.Module):
    """Components in sequence; with one operation per cell, the fixed network."""

    def __init__(
        self, blocks: Sequence[Sequence[Sequence[Operation]]], width: int
    ) -> None:
        """Make the network; `blocks[n][c]` are the operations of a cell."""
        super().__init__()
        self.components: Any = nn.ModuleList(
            Component(block, width) for block in blocks
        )
        self.cells_per_block = len(blocks[0])

    def forward(
        self,
        zero_filled: Tensor,
        kspace: Tensor,
        mask: Tensor,
        choices: list[list[int]] | None = None,
        gates: Tensor | None = None,
    ) -> Tensor:
        """Reconstruct; by default every cell runs its first operation."""
        image, count = zero_filled, self.cells_per_block
        for n, component in enumerate(self.components):
            own = slice(n * count, (n + 1) * count)
            image = component(
                image,
                kspace,
                mask,
                [[0]] * count if choices is None else choices[own],
                None if gates is None else gates[own],
            )
        return image

    def convolutions(
        self, params: PyTree, choices: Sequence[int]
    ) -> Iterator[tuple[nn.Conv2d, dict[str, np.ndarray]]]:
        """Yield every convolution of a path with its part of `params`.

        The cells have all operations; or one, and then `choices` are zeros.

        Args:
            params: parameters of our fixed network, or values of that form (moments of
                Adam).
            choices: number of each cell's operation, in network order.

        Yields:
            The convolution, and its "weight" and "bias" in PyTorch's layout.
        """
        path = iter(choices)
        for n, component in enumerate(self.components, 1):
            own = params[f"component_{n}"]
            yield component.first, torch_layout(own["first"])
            yield component.last, torch_layout(own["last"])
            for c, cell in enumerate(component.cells, 1):
                parts = own["block"][f"cell_{c}"]
                for j, convolution in enumerate(cell[next(path)].convolutions, 1):
                    yield convolution, torch_layout(parts[f"conv_{j}"])


def two_step_consistency(image: Tensor, kspace: Tensor, mask: Tensor) -> Tensor:
    """Put the measured samples back into a complex image, then into its magnitude.

    PyTorch's gradient of the magnitude is 0 where the magnitude is 0.
    """
    first = _replace(torch.view_as_complex(image.contiguous()), kspace, mask)
    return torch.view_as_real(_replace(first.abs(), kspace, mask))


def _replace(image: Tensor, kspace: Tensor, mask: Tensor) -> Tensor:
    # Both axes, as in the package, although masks vary along one only.
    found = torch.fft.fft2(image, norm="ortho")
    return torch.fft.ifft2(torch.where(mask, kspace, found), norm="ortho")


def torch_layout(own: PyTree) -> dict[str, np.ndarray]:
    """Return kernel and bias of a convolution in PyTorch's layout."""
    # [height, width, in, out] becomes [out, in, height, width].
    kernel = np.asarray(own["kernel"]).transpose(3, 2, 0, 1)
    return {"weight": kernel, "bias": np.asarray(own["bias"])}


@torch.no_grad()
def copy_weights(network: Any, params: PyTree, choices: Sequence[int]) -> None:
    """Copy the weights of our fixed network into the path of `choices`."""
    for convolution, own in network.convolutions(params, choices):
        for name, value in own.items():
            getattr(convolution, name).copy_(torch.tensor(value))
