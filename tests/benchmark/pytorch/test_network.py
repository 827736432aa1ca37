# pyright: reportMissingImports=false
"""Parts of PyTorch's network, each against the package's own or a plain sum."""

from typing import Any

import pytest

pytest.importorskip("torch")

import jax
import jax.numpy as jnp
import numpy as np
import torch

from emrnas_jax.benchmark.case import (
    Case,
    batch_of,
    initial_weights,
    network_of,
    phantom_batch,
)
from emrnas_jax.benchmark.pytorch import half_resolution
from emrnas_jax.benchmark.pytorch import steps as torch_steps
from emrnas_jax.benchmark.pytorch.network import (
    Network,
    copy_weights,
    two_step_consistency,
)
from emrnas_jax.mri import consistency
from emrnas_jax.nas.gates import GATES
from emrnas_jax.nas.space import OPERATIONS, Architecture

KEY = jax.random.key(3)
ALPHAS = jax.random.normal(KEY, (2, len(OPERATIONS)))


def tensor(array):
    return torch.tensor(np.asarray(array))


def test_the_consistency_is_the_package_s():
    batch = phantom_batch(16, 2)
    image = jax.random.normal(KEY, batch.target.shape)
    expected = consistency.two_step_consistency(image, batch.measurement)
    measured = (tensor(batch.measurement.kspace), tensor(batch.measurement.mask))
    found = two_step_consistency(tensor(image), *measured)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("operation", range(len(OPERATIONS)))
def test_every_operation_computes_the_same(operation):
    case = Case(Architecture.from_cells([operation], 1), size=16, batch=1, width=4)
    params, batch = initial_weights(case), phantom_batch(16, 1)
    expected = network_of(case).apply(
        {"params": params}, batch.zero_filled, batch.measurement
    )
    network = Network([[[OPERATIONS[operation]]]], 4)
    copy_weights(network, params, [0])
    with torch.no_grad():
        found = network(
            tensor(batch.zero_filled),
            tensor(batch.measurement.kspace),
            tensor(batch.measurement.mask),
        )
    np.testing.assert_allclose(found.numpy(), np.asarray(expected), atol=1e-5)


def test_every_weight_of_the_network_is_copied_once():
    case = Case(Architecture.parse("[O5 O8|O1 O2]"), size=16, batch=1, width=4)
    blocks = [[[OPERATIONS[c]] for c in block] for block in case.architecture.blocks]
    network = Network(blocks, 4)
    copied = [
        getattr(convolution, name)
        for convolution, own in network.convolutions(initial_weights(case), [0] * 4)
        for name in own
    ]
    assert len({id(one) for one in copied}) == len(copied)
    assert len(copied) == len(list(network.parameters()))


@pytest.mark.parametrize("paths", GATES)
def test_gates_have_the_same_value_and_gradient(paths):
    factors = np.random.default_rng(0).normal(size=(2, paths)).astype(np.float32)

    def total(alphas):
        return (GATES[paths](KEY, alphas, "sample").weights * factors).sum()

    gates = GATES[paths](KEY, ALPHAS, "sample")
    alphas = tensor(ALPHAS).requires_grad_()
    found = torch_steps._gate_weights(alphas, np.asarray(gates.choices))
    np.testing.assert_allclose(found.detach().numpy(), gates.weights, atol=1e-6)
    (found * tensor(factors)).sum().backward()
    expected = jax.grad(total)(ALPHAS)
    assert jnp.abs(expected).max() > 0
    np.testing.assert_allclose(alphas.grad.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_every_precision_has_an_eager_and_a_compiled_variant(precision):
    eager, compiled = torch_steps.variants(precision)
    assert (eager.compiled, compiled.compiled) == (False, True)
    assert {eager.precision, compiled.precision} == {precision}
    assert eager.name.split()[0] == "eager"
    assert compiled.name.split()[0] == "compile"


def test_the_half_resolution_cascade_computes_the_same():
    case = Case(Architecture.parse("[O1]"), 16, 2, network="half_resolution", strip=8)
    params, batch = initial_weights(case), batch_of(case)
    ours: Any = network_of(case)
    expected = jax.jit(ours.apply)(
        {"params": params}, batch.zero_filled, batch.measurement
    )
    network = half_resolution.Network(ours)
    copy_weights(network, params, [])
    with torch.no_grad():
        found = network(
            tensor(batch.zero_filled),
            tensor(batch.measurement.kspace),
            tensor(batch.measurement.mask),
        )
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)
