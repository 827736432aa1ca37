"""PyTorch's networks compute what ours do; without PyTorch these tests are skipped."""

import dataclasses

import pytest

pytest.importorskip("torch")

from emrnas_jax.benchmark import against_torch, jax_steps
from emrnas_jax.benchmark.case import (
    Case,
    phantom_batch,
    sampled_paths,
    search_state,
)
from emrnas_jax.benchmark.convolutions import FORMS, convolution_row
from emrnas_jax.benchmark.pytorch import steps as torch_steps
from emrnas_jax.errors import InputError
from emrnas_jax.nas.space import Architecture

CASE = Case(Architecture.parse("[O5 O8]"), size=16, batch=2, width=4)
THEIRS = {"torch_ms", "torch_variant", "torch_ratio", "torch_variants_ms"}


@pytest.fixture(autouse=True)
def eager_alone(monkeypatch):
    """Compiling takes PyTorch half a minute."""
    variants = torch_steps.variants
    monkeypatch.setattr(torch_steps, "variants", lambda p: variants(p)[:1])


def test_images_agree_and_are_timed_in_turn():
    program = jax_steps.reconstruction(CASE)
    (own_ms,), theirs = against_torch.compare_reconstruction(CASE, program, 3)
    assert theirs.keys() >= THEIRS
    assert theirs["torch_variant"] == "eager"
    assert theirs["torch_errors"] == {}
    assert theirs["torch_difference"] < 1e-5
    assert theirs["torch_ratio"] == own_ms / theirs["torch_ms"]


def test_a_training_step_has_the_same_loss_and_gradients():
    program = jax_steps.training_step(CASE)
    (_, theirs) = against_torch.compare_training_step(CASE, program, 1)
    assert theirs["torch_difference"] < 2e-5


@pytest.mark.slow
def test_a_step_of_the_search_has_the_same_loss_and_gradients():
    program = jax_steps.search_weight_step(CASE)
    times, theirs = against_torch.compare_weight_step(CASE, program, [program.run], 1)
    assert theirs["torch_difference"] < 2e-5
    assert len(times) == 2


@pytest.mark.slow
@pytest.mark.parametrize("paths", [1, 2, 8])
def test_a_step_of_alphas_has_the_same_loss_and_gradient(paths):
    case = dataclasses.replace(CASE, paths=paths)
    program = jax_steps.search_alpha_step(case)
    _, theirs = against_torch.compare_alpha_step(case, program, 1)
    assert theirs["torch_difference"] < 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_a_convolution_is_timed_beside_the_same_of_pytorch(form):
    case = dataclasses.replace(CASE, batch=1)
    row = convolution_row(form, case, 2, 1, with_torch=True)
    assert row["torch_ratio"] == row["step_ms"] / row["torch_ms"]
    assert row["torch_gradient_ms"] > 0


def test_operations_that_did_not_run_are_not_stepped():
    state = search_state(CASE)
    data = phantom_batch(CASE.size, CASE.batch)
    variant = torch_steps.variants("float32")[0]
    timed = torch_steps.weight_step(CASE, state.weights, data, variant)
    cell = timed.network.components[0].cells[0]
    before = [operation.convolutions[0].weight.clone() for operation in cell]
    timed.run(sampled_paths(CASE)[0])
    moved = [
        not bool((operation.convolutions[0].weight == old).all())
        for operation, old in zip(cell, before, strict=True)
    ]
    assert [i for i, m in enumerate(moved) if m] == [CASE.architecture.cells[0]]


def test_another_network_is_refused_before_anything_is_timed(monkeypatch):
    monkeypatch.setattr("emrnas_jax.benchmark.pytorch.network.BETA", 0.3)
    with pytest.raises(InputError, match="something else"):
        against_torch.compare_reconstruction(CASE, jax_steps.reconstruction(CASE), 1)


def test_a_variant_that_fails_is_named_and_the_others_are_timed(monkeypatch):
    def fail(_):
        raise RuntimeError("no C++ compiler")

    eager = torch_steps.variants("float32")[0]
    compiled = torch_steps.Variant("compile", True, "float32")
    monkeypatch.setattr(torch_steps, "variants", lambda _: [eager, compiled])
    monkeypatch.setattr(torch_steps, "_compiled", fail)
    _, theirs = against_torch.compare_reconstruction(
        CASE, jax_steps.reconstruction(CASE), 1
    )
    assert theirs["torch_errors"] == {"compile": "RuntimeError: no C++ compiler"}
    assert theirs["torch_variant"] == "eager"
