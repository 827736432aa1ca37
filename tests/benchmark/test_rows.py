"""Figures and ratios of rows, with programs whose times are known."""

import dataclasses

import pytest

from emrnas_jax.benchmark import jax_steps, rows
from emrnas_jax.benchmark.case import network_of
from emrnas_jax.benchmark.rows import figures, reconstruct_row, search_row, train_row
from emrnas_jax.evaluation.roofline import forward_work
from emrnas_jax.nas.space import OPERATIONS, sources


@pytest.fixture
def programs(clock, monkeypatch):
    """Programs in place of those that take seconds to compile."""
    made = {
        "reconstruction": clock.program(10, mib=4),
        "training_step": clock.program(30, mib=8),
        "search_weight_step": clock.program(36, mib=10),
        "search_alpha_step": clock.program(24, mib=6),
    }
    for name, program in made.items():
        monkeypatch.setattr(jax_steps, name, lambda _, own=program: own)
    return made


def test_a_reconstruction_is_compared_with_both_ceilings(case, programs):
    row = reconstruct_row(case, 3, with_torch=False)
    work = forward_work(network_of(case), (16, 16))
    assert row["step_ms"] == pytest.approx(10)
    assert row["frames_per_second"] == pytest.approx(200)
    assert row["temporary_mib"] == programs["reconstruction"].temporary_mib
    assert row["gflop_per_frame"] == pytest.approx(work.operations / 1e9)
    assert row["arithmetic_fraction"] == pytest.approx(200 * work.operations / 2e11)
    assert row["memory_fraction"] == pytest.approx(200 * work.traffic / 1e10)
    assert (row["gflops_ceiling"], row["gbytes_per_second_ceiling"]) == (200, 10)


@pytest.mark.usefixtures("programs")
def test_a_training_step_counts_three_reconstructions(case):
    one, three = (
        row(case, 1, with_torch=False) for row in (reconstruct_row, train_row)
    )
    assert three["gflop_per_frame"] == pytest.approx(3 * one["gflop_per_frame"])
    assert three["operations_per_byte"] == one["operations_per_byte"]
    assert three["step_ms"] == pytest.approx(30)


@pytest.mark.usefixtures("programs")
def test_a_search_is_compared_with_the_fixed_network_s_training(case):
    row = search_row(case, 3, with_torch=False)
    assert row["time_ratio"] == pytest.approx(36 / 30)
    assert row["memory_ratio"] == 10 / 8
    assert row["architecture_time_ratio"] == pytest.approx(24 / 30)
    assert row["architecture_memory_ratio"] == 6 / 8
    assert row["step_ms"] == row["fixed_path_step_ms"] == pytest.approx(36)


@pytest.mark.usefixtures("programs")
def test_the_parameters_of_a_search_are_those_of_all_eight_operations(case):
    """The convolutions of Table 1 by hand; no padding of the stacked weights counts."""

    def values(inputs, outputs):
        return 9 * inputs * outputs + outputs

    ends = values(2, 4) + values(4, 2)
    cell = sum(
        values(4 * len(sources(operation, j)), 4)
        for operation in OPERATIONS
        for j in range(4)
    )
    row = search_row(case, 1, with_torch=False)
    assert row["parameters"] == ends + cell


@pytest.mark.usefixtures("programs")
def test_beside_pytorch_the_path_of_the_architecture_is_timed_too(case, monkeypatch):
    theirs = {"torch_ms": 40.0, "torch_variant": "eager", "torch_ratio": 0.9}
    theirs |= {"torch_variants_ms": {"eager": 40.0}, "torch_errors": {}}

    def weights(_, __, beside, ___):
        assert len(list(beside)) == 2
        return rows.against_torch.Sides([45.0, 36.0, 30.0], theirs)

    monkeypatch.setattr(rows.against_torch, "compare_weight_step", weights)
    alphas = rows.against_torch.Sides([24.0], theirs | {"torch_ratio": 0.6})
    monkeypatch.setattr(rows.against_torch, "compare_alpha_step", lambda *_: alphas)
    row = search_row(case, 1, with_torch=True)
    assert (row["step_ms"], row["fixed_path_step_ms"]) == (45.0, 36.0)
    assert row["time_ratio"] == 36 / 30
    assert (row["torch_ratio"], row["torch_architecture_ratio"]) == (0.9, 0.6)


def test_less_precise_values_are_half_the_traffic(case, clock):
    program = clock.program(10)
    full, half = (
        figures("reconstruct", dataclasses.replace(case, precision=p), program, 10.0)
        for p in ("float32", "bf16")
    )
    assert half["mbytes_per_frame"] == full["mbytes_per_frame"] / 2
    assert half["gflop_per_frame"] == full["gflop_per_frame"]
