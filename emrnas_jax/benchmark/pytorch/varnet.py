# pyright: reportMissingImports=false
"""The end-to-end variational network in PyTorch, with given coil maps.

Channels-last, instance norm, pooling and transposed convolutions by PyTorch's own, and
k-space as complex tensors with the zero frequency first.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import PyTree
from torch import Tensor, nn

from emrnas_jax.benchmark.pytorch import steps as torch_steps
from emrnas_jax.models.norm_unet import MULTIPLE, SLOPE
from emrnas_jax.models.varnet import VarNet
from emrnas_jax.mri.measurement import Measurement


class NormUNet(nn.Module):
    """The U-Net, and the normalisation of its images."""

    def __init__(self, width: int, pools: int) -> None:
        """Make the convolutions, none of which has a bias but the last."""
        super().__init__()
        widths = [width * 2**j for j in range(pools + 1)]
        inputs = [2, *widths[:-1]]
        self.down = nn.ModuleList(
            _twice(*own) for own in zip(inputs, widths, strict=True)
        )
        self.doubling = nn.ModuleList(
            nn.ConvTranspose2d(2 * own, own, 2, stride=2, bias=False)
            for own in widths[:-1]
        )
        self.up = nn.ModuleList(_twice(2 * own, own) for own in widths[:-1])
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return an image of the same size, both complex."""
        parts = torch.view_as_real(image).permute(0, 3, 1, 2)
        mean = parts.mean((2, 3), keepdim=True)
        deviation = parts.std((2, 3), keepdim=True)
        height, width = image.shape[1:]
        tall, wide = -height % MULTIPLE, -width % MULTIPLE
        edges = (wide // 2, wide - wide // 2, tall // 2, tall - tall // 2)
        x = nn.functional.pad((parts - mean) / deviation, edges)
        x = self._unet(x.contiguous(memory_format=torch.channels_last))
        x = x[:, :, tall // 2 :, wide // 2 :][:, :, :height, :width]
        back = (x * deviation + mean).permute(0, 2, 3, 1).contiguous()
        return torch.view_as_complex(back)

    def _unet(self, x: Tensor) -> Tensor:
        skips = []
        for number, pair in enumerate(self.down):
            if number:
                x = nn.functional.avg_pool2d(x, 2)
            x = _activated_twice(pair, x)
            skips.append(x)
        skips.pop()  # the lowest has no partner
        for doubling, pair in zip(
            reversed(self.doubling), reversed(self.up), strict=True
        ):
            x = torch.cat([_activated(doubling(x)), skips.pop()], 1)
            x = _activated_twice(pair, x)
        return self.last(x)


class Network(nn.Module):
    """All components; `forward` takes k-space, mask and coil maps of a batch."""

    def __init__(self, ours: VarNet) -> None:
        """Make a network of the size of ours."""
        super().__init__()
        self.unets = nn.ModuleList(
            NormUNet(ours.settings.width, ours.pools) for _ in range(ours.components)
        )
        self.steps = nn.Parameter(torch.ones(ours.components))

    def forward(self, measured: Tensor, mask: Tensor, maps: Tensor) -> Tensor:
        """Return complex images."""
        kspace = measured
        for step, unet in zip(self.steps, self.unets, strict=True):
            image = (maps.conj() * torch.fft.ifft2(kspace, norm="ortho")).sum(1)
            change = torch.fft.fft2(maps * unet(image)[:, None], norm="ortho")
            kspace = kspace - step * mask * (kspace - measured) - change
        return (maps.conj() * torch.fft.ifft2(kspace, norm="ortho")).sum(1)


def _twice(inputs: int, outputs: int) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Conv2d(own, outputs, 3, padding=1, bias=False) for own in (inputs, outputs)
    )


def _activated(x: Tensor) -> Tensor:
    return nn.functional.leaky_relu_(nn.functional.instance_norm(x), SLOPE)


def _activated_twice(pair: nn.Module, x: Tensor) -> Tensor:
    for convolution in pair.children():
        x = _activated(convolution(x))
    return x


@torch.no_grad()
def copy_weights(network: Network, params: PyTree) -> None:
    """Copy our weights."""
    for n, unet in enumerate(network.unets, 1):
        own = params[f"component_{n}"]
        network.steps[n - 1] = float(own["step"])
        own, pools = own["unet"], len(unet.doubling)
        levels = [f"down_{j + 1}" for j in range(pools)]
        named = [*zip([*levels, "bottom"], unet.down, strict=True)]
        named += [(f"up_{j + 1}", pair) for j, pair in enumerate(unet.up)]
        for name, pair in named:
            for j, convolution in enumerate(pair, 1):
                kernel = np.asarray(own[f"{name}_conv_{j}"]["kernel"])
                convolution.weight.copy_(torch.tensor(kernel.transpose(3, 2, 0, 1)))
        for j, doubling in enumerate(unet.doubling, 1):
            kernel = np.asarray(own[f"doubling_{j}"]["squares"]["kernel"])
            squares = kernel.reshape(len(kernel), 2, 2, -1).transpose(0, 3, 1, 2)
            doubling.weight.copy_(torch.tensor(squares))
        kernel = np.asarray(own["last"]["kernel"]).T[..., None, None]
        unet.last.weight.copy_(torch.tensor(kernel))
        unet.last.bias.copy_(torch.tensor(np.asarray(own["last"]["bias"])))


def runs(
    ours: VarNet, params: PyTree, measurement: Measurement
) -> dict[str, Callable[[], Tensor]]:
    """Return the reconstruction by PyTorch, plain and compiled, by name.

    Args:
        ours: our network.
        params: its weights.
        measurement: samples of several coils, with their maps.
    """
    torch_steps.prepare()
    network = Network(ours).eval().to(memory_format=torch.channels_last)
    copy_weights(network, params)
    mask = np.asarray(measurement.mask)[:, None]
    inputs = [
        torch.tensor(np.asarray(own))
        for own in (measurement.kspace, mask, measurement.coil_maps)
    ]

    def run_of(apply: Callable[..., Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with torch.inference_mode():
                return apply(*inputs)

        return run

    return {"eager": run_of(network), "compile": run_of(torch.compile(network))}
