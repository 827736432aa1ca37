"""What is measured on a GPU runs to its end on the CPU, at tiny sizes."""

import json

import pytest

from emrnas_jax.benchmark import gpu
from emrnas_jax.benchmark.command import main
from emrnas_jax.benchmark.gpu import Planned, measure_all
from emrnas_jax.benchmark.jax_steps import Case
from emrnas_jax.nas.space import PRESETS

CASE = Case(PRESETS["cardiac"], 256, 1)


@pytest.mark.slow
def test_the_whole_plan_runs_on_the_cpu(tmp_path, monkeypatch, capsys):
    # PyTorch has tests of its own, and compiling takes it minutes.
    monkeypatch.setattr(gpu, "torch_is_installed", lambda: False)
    # On a CPU tf32 is float32, whose programs have tests of their own.
    monkeypatch.setattr(gpu, "PRECISIONS", ("bf16",))
    monkeypatch.setattr(gpu, "EPOCH_FRAMES", 16)
    options = ["--size=16", "--width=4", "--architecture=[O8]", "--repeats=1"]
    main(["gpu", *options, "--batches", "2", f"--output={tmp_path}"])
    record = json.loads((tmp_path / "results.json").read_text())
    assert not [row for row in record["rows"] if row.keys() & {"error", "skipped"}]
    sections = {row["section"] for row in record["rows"]}
    steps = {"reconstruct", "train-step", "search-step"}
    assert sections == steps | {"epoch", "convolution"}
    assert record["device"] in (tmp_path / "results.md").read_text()
    assert (tmp_path / "roofline.png").exists()
    assert "not measured" not in capsys.readouterr().out


def figures(milliseconds):
    row = {"command": "reconstruct", "step_ms": milliseconds, "batch": 8}
    return lambda: row | {"precision": "float32"}


def failing():
    raise RuntimeError("RESOURCE_EXHAUSTED: out of memory\nand more")


def test_a_row_that_fails_says_its_error_and_the_others_are_kept(tmp_path):
    rows = [Planned("a", "one", figures(4.0)), Planned("a", "two", failing)]
    rows.append(Planned("a", "three", figures(16.0)))
    one, two, three = measure_all(rows, tmp_path, 60.0)
    assert one["note"] == "target 1 ms per frame: met"
    assert two["error"] == "RuntimeError: RESOURCE_EXHAUSTED: out of memory"
    assert three["note"] == "target 1 ms per frame: missed"
    assert "out of memory" in (tmp_path / "results.md").read_text()


def test_rows_without_time_are_named_and_measured_by_the_next_run(tmp_path):
    rows = [Planned("a", "one", figures(4.0)), Planned("a", "two", failing)]
    skipped = measure_all(rows, tmp_path, -1.0)
    assert all(row["skipped"] for row in skipped)
    assert measure_all(rows, tmp_path, 60.0)[0]["step_ms"] == 4.0
    rows[0] = Planned("a", "one", failing)  # it is there already
    rows[1] = Planned("a", "two", figures(5.0))
    again = measure_all(rows, tmp_path, 60.0)
    assert [row["step_ms"] for row in again] == [4.0, 5.0]


def test_rows_with_a_target_come_first_and_every_batch_is_there():
    labels = [row.label for row in gpu.plan(CASE, gpu.BATCHES, 7)]
    assert labels[0] == "reconstruct, batch 8, float32"
    assert len(labels) == len(set(labels))
    for batch in gpu.BATCHES:
        for precision in gpu.PRECISIONS:
            assert f"reconstruct, batch {batch}, {precision}" in labels
    for command in ("train-step", "search-step"):
        for batch in (8, 32):
            assert f"{command}, batch {batch}, bf16" in labels
    assert "direct, dilation 4, tf32" in labels


@pytest.mark.parametrize(
    ("batch", "precision", "limit"),
    [(1, "bf16", 5.0), (4, "tf32", None), (8, "tf32", 1.0), (128, "bf16", 0.4)],
)
def test_targets_are_those_of_the_page(batch, precision, limit):
    assert gpu.target_ms_per_frame(batch, precision) == limit
