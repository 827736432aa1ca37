# pyright: reportMissingImports=false
"""PyTorch's programs that are timed: reconstruction, training step, search steps.

Every variant has a network and an optimizer of its own. The search is written the
plain ProxylessNAS way: every operation is a module, the sampled ones run, and what did
not run has no gradient and is not stepped. `torch.compile` compiles a fixed network
whole, and a search's operations one by one, because the path changes at every step.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import numpy as np
import torch
from jaxtyping import Array, PyTree
from torch import Tensor

from emrnas_jax.benchmark.case import Case, network_of
from emrnas_jax.benchmark.jax_steps import RATE
from emrnas_jax.benchmark.pytorch import half_resolution
from emrnas_jax.benchmark.pytorch.network import Network, copy_weights
from emrnas_jax.data.pipeline import Batch
from emrnas_jax.models.emrnas import active_weights
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.search_settings import SearchSettings

MIXTURE = len(OPERATIONS)


class Variant(NamedTuple):
    """A way in which PyTorch runs the network.

    Attributes:
        name: name of the variant in tables.
        compiled: whether `torch.compile` compiles it.
        precision: precision of the convolutions.
    """

    name: str
    compiled: bool
    precision: str


class Timed(NamedTuple):
    """A variant ready to run; `run` waits and returns the image or the loss.

    Attributes:
        run: function to time; a search's takes the path, or the gates.
        network: network whose weights `run` moves.
        optimizer: optimizer of a step, None for a reconstruction.
        alphas: alphas that a step of alphas moves, else None.
    """

    run: Callable[..., Tensor]
    network: Any
    optimizer: torch.optim.Optimizer | None = None
    alphas: Tensor | None = None


def prepare() -> None:
    """Give PyTorch the cores that our programs use, and room for compiled paths."""
    # A container may grant fewer cores than the machine has.
    usable = getattr(os, "sched_getaffinity", None)  # not on every system
    torch.set_num_threads(len(usable(0)) if usable else os.cpu_count() or 1)
    # By default PyTorch stops compiling after eight forms of an operation.
    torch._dynamo.config.cache_size_limit = 256


def variants(precision: str) -> list[Variant]:
    """Return the variants that compute in a precision of ours."""
    suffix = "" if precision == "float32" else f" {precision}"
    return [
        Variant(f"eager{suffix}", False, precision),
        Variant(f"compile{suffix}", True, precision),
    ]


def device() -> torch.device:
    """Return the GPU where our programs use one, else the CPU."""
    return torch.device("cuda" if jax.default_backend() == "gpu" else "cpu")


def device_name() -> str:
    """Return PyTorch's name of its device."""
    where = device()
    return torch.cuda.get_device_name(where) if where.type == "cuda" else "cpu"


def release() -> None:
    """Hand memory that PyTorch keeps for itself back to the device."""
    if device().type == "cuda":
        torch.cuda.empty_cache()


def reconstruction(case: Case, params: PyTree, data: Batch, variant: Variant) -> Timed:
    """Return the fixed network's forward pass with our weights, `params`."""
    network = _fixed(case, params).eval()
    apply = _compiled(network) if variant.compiled else network
    inputs, _ = _tensors(data)

    def run() -> Tensor:
        with torch.inference_mode(), precise(variant):
            return waited(apply(*inputs))

    return Timed(run, network)


def training_step(case: Case, params: PyTree, data: Batch, variant: Variant) -> Timed:
    """Return gradient and Adam, with coupled weight decay, of the fixed network."""
    network = _fixed(case, params)
    apply = _compiled(network) if variant.compiled else network
    settings = RetrainSettings()
    optimizer = torch.optim.Adam(
        network.parameters(),
        RATE,
        (settings.momentum, 0.999),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    inputs, target = _tensors(data)

    def run() -> Tensor:
        return _step(lambda: apply(*inputs), target, optimizer, variant)

    return Timed(run, network, optimizer)


def weight_step(
    case: Case, search_params: PyTree, data: Batch, variant: Variant
) -> Timed:
    """Return the search's step of the weights; `run` takes one choice per cell."""
    network = _over_complete(case, search_params, variant)
    settings = SearchSettings()
    optimizer = torch.optim.Adam(
        network.parameters(),
        RATE,
        (settings.momentum, 0.999),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    inputs, target = _tensors(data)

    def run(path: Array) -> Tensor:
        choices = np.asarray(path)[:, None].tolist()
        return _step(lambda: network(*inputs, choices), target, optimizer, variant)

    return Timed(run, network, optimizer)


def alpha_step(
    case: Case, search_params: PyTree, data: Batch, variant: Variant
) -> Timed:
    """Return the search's step of alphas; `run` takes gates and uses their choices."""
    network = _over_complete(case, search_params, variant).requires_grad_(False)
    settings = SearchSettings()
    cells = len(case.architecture.cells)
    alphas = torch.zeros(cells, MIXTURE, device=device(), requires_grad=True)
    optimizer = torch.optim.Adam(
        [alphas],
        RATE,
        (settings.alpha_momentum, 0.999),
        weight_decay=settings.alpha_weight_decay,
        fused=True,
    )
    inputs, target = _tensors(data)

    def run(gates: Gates) -> Tensor:
        choices = np.asarray(gates.choices)

        def image() -> Tensor:
            return network(*inputs, choices.tolist(), _gate_weights(alphas, choices))

        return _step(image, target, optimizer, variant)

    return Timed(run, network, optimizer, alphas)


def _step(
    image_of: Callable[[], Tensor],
    target: Tensor,
    optimizer: torch.optim.Optimizer,
    variant: Variant,
) -> Tensor:
    # None instead of zeros: Adam then leaves out operations that did not run, which
    # a zero gradient with weight decay would move.
    optimizer.zero_grad(set_to_none=True)
    with precise(variant):
        image = image_of()
    loss = ((image - target) ** 2).mean()
    # The loss is float32 in every precision, and the backward pass follows the forward
    # pass's types without autocast, as PyTorch recommends.
    loss.backward()
    optimizer.step()
    return waited(loss.detach())


def _gate_weights(alphas: Tensor, choices: np.ndarray) -> Tensor:
    """Return the weights of `nas.gates`, with their gradient to alphas."""
    index = torch.from_numpy(choices.astype(np.int64)).to(alphas.device)
    paths = index.shape[1]
    # The three ways of `nas.gates`: one sampled path, ProxylessNAS's pair, DARTS's sum.
    if paths == 2:  # p renormalised over the pair
        p = alphas.gather(1, index).softmax(1)
    else:
        p = alphas.softmax(1).gather(1, index)
    if paths == MIXTURE:
        return p
    # Straight-through: the value is the hard gate, the gradient is that of p.
    first = torch.zeros(paths, device=alphas.device)
    first[0] = 1
    return first + (p - p.detach())


def _fixed(case: Case, params: PyTree) -> Any:
    if case.network == "half_resolution":
        ours: Any = network_of(case)
        network = half_resolution.Network(ours)
        copy_weights(network, params, [])
        return _placed(network)
    blocks = [[[OPERATIONS[c]] for c in block] for block in case.architecture.blocks]
    network = Network(blocks, case.width)
    copy_weights(network, params, [0] * len(case.architecture.cells))
    return _placed(network)


def _over_complete(case: Case, search_params: PyTree, variant: Variant) -> Network:
    blocks = [[OPERATIONS for _ in block] for block in case.architecture.blocks]
    network = Network(blocks, case.width)
    cells = len(case.architecture.cells)
    # Eight paths that each run one operation everywhere reach all weights.
    for choice in range(len(OPERATIONS)):
        everywhere = [choice] * cells
        path = Architecture.from_cells(everywhere, len(blocks[0]))
        copy_weights(network, active_weights(search_params, path), everywhere)
    network = _placed(network)
    # One by one, because the path, and with it the whole network, changes every step.
    if variant.compiled:
        for component in network.components:
            for cell in component.cells:
                for operation in cell:
                    operation.compile(dynamic=False)
    return network


def _placed(network: Any) -> Any:
    for parameter in network.parameters():
        parameter.data = parameter.data.to(
            device(),
            memory_format=torch.channels_last
            if parameter.ndim == 4
            else torch.preserve_format,
        )
    return network


def _compiled(network: Any) -> Callable[..., Tensor]:
    return torch.compile(network, dynamic=False)


def _tensors(data: Batch) -> tuple[list[Tensor], Tensor]:
    """Return zero-filled images, k-space and masks; and the targets."""
    kspace, mask = data.measurement.kspace, data.measurement.mask
    zero_filled, kspace, mask, target = (
        torch.tensor(np.asarray(array)).to(device())
        for array in (data.zero_filled, kspace, mask, data.target)
    )
    return [zero_filled, kspace, mask], target


def precise(variant: Variant) -> AbstractContextManager[Any]:
    """Return the context in which a variant computes in its precision.

    Convolutions alone differ; Fourier transforms stay in float32.
    """
    torch.backends.cudnn.allow_tf32 = variant.precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = variant.precision == "tf32"
    # Lets cuDNN time its algorithms once for each shape, as XLA does.
    torch.backends.cudnn.benchmark = True
    return torch.autocast(
        device().type, torch.bfloat16, enabled=variant.precision == "bf16"
    )


def waited(result: Tensor) -> Tensor:
    """Return a result once it is computed: kernels of a GPU run asynchronously."""
    if result.is_cuda:
        torch.cuda.synchronize()
    return result
