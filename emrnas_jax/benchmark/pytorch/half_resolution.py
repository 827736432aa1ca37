# pyright: reportMissingImports=false
"""The half-resolution cascade in PyTorch, with real consistency and masks of rows.

Channels-last as in `pytorch.network`, squares of pixels by PyTorch's own unshuffling,
and data consistency as one batched product with a matrix for each frame, which adds the
measured part at once.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import PyTree
from torch import Tensor, nn

from emrnas_jax.benchmark.pytorch.network import torch_layout
from emrnas_jax.models.bodies import SLOPE
from emrnas_jax.models.half_resolution import HalfResolution
from emrnas_jax.models.squares import SQUARE


class Component(nn.Module):
    """The convolutions of one component."""

    def __init__(self, inputs: int, layers: int, width: int) -> None:
        """Make the convolutions, in their order."""
        super().__init__()
        self.first = nn.Conv2d(inputs, width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1) for _ in range(layers)
        )
        self.last = nn.Conv2d(width, SQUARE, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the change of the image, squares as channels, and the features."""
        features = nn.functional.leaky_relu_(self.first(x), SLOPE)
        change = features
        for layer in self.layers:
            change = nn.functional.leaky_relu_(layer(change), SLOPE)
        features = features + change
        return self.last(features), features


class Network(nn.Module):
    """The whole cascade."""

    def __init__(self, ours: HalfResolution) -> None:
        """Make a network of the size of ours."""
        super().__init__()
        self.memory = ours.memory
        inputs = [
            2 * SQUARE + (ours.memory if n else 0) for n in range(len(ours.bodies))
        ]
        self.components = nn.ModuleList(
            Component(own, len(body.dilations), ours.settings.width)
            for own, body in zip(inputs, ours.bodies, strict=True)
        )

    def forward(self, zero_filled: Tensor, kspace: Tensor, mask: Tensor) -> Tensor:
        """Reconstruct; the arguments are those of `pytorch.network.Network`."""
        del zero_filled  # the Hermitian samples make another first image
        measured, matrix = _prepare(kspace, mask)
        image = torch.baddbmm(measured, matrix, measured)
        correction, features = torch.zeros_like(image), None
        for component in self.components:
            maps = [
                nn.functional.pixel_unshuffle(x[:, None], 2)
                for x in (image, correction)
            ]
            if features is not None:
                maps.append(features[:, : self.memory])
            x = torch.cat(maps, 1).contiguous(memory_format=torch.channels_last)
            squares, features = component(x)
            # Consistency is float32 in every precision.
            change = nn.functional.pixel_shuffle(squares, 2)[:, 0].float()
            with torch.autocast(image.device.type, enabled=False):
                agreed = torch.baddbmm(measured, matrix, image + change)
            image, correction = agreed, agreed - (image + change)
        return torch.stack([image, torch.zeros_like(image)], -1)

    def convolutions(
        self, params: PyTree, _: Sequence[int]
    ) -> Iterator[tuple[nn.Conv2d, dict[str, np.ndarray]]]:
        """Yield every convolution with its part of `params`, in PyTorch's layout."""
        for n, component in enumerate(self.components, 1):
            own = params[f"component_{n}"]
            yield component.first, torch_layout(own["first"])
            yield component.last, torch_layout(own["last"])
            for j, layer in enumerate(component.layers, 1):
                yield layer, torch_layout(own[f"conv_{j}"])


def _prepare(kspace: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the image of the Hermitian samples, and the matrix of what is unknown."""
    lines = mask[:, :, 0]
    mirrored = torch.roll(torch.flip(lines, (1,)), 1, 1)
    measured = torch.where(mask, kspace, 0)
    turned = torch.roll(torch.flip(measured, (1, 2)), (1, 1), (1, 2)).conj()
    both = measured + turned
    hermitian = torch.where((lines & mirrored)[:, :, None], both / 2, both)
    image = torch.fft.ifft2(hermitian, norm="ortho").real
    response = torch.fft.ifft((~(lines | mirrored)).to(torch.complex64)).real
    count = lines.shape[1]
    places = torch.arange(count, device=lines.device)
    shift = (places[:, None] - places[None]) % count
    return image.contiguous(), response[:, shift]
