"""The plan of a GPU's measurements, with rows that are made by hand."""

import json

import pytest

from emrnas_jax.benchmark import gpu
from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.command import main
from emrnas_jax.benchmark.gpu import Planned, measure_all
from emrnas_jax.benchmark.rows import STEPS
from emrnas_jax.nas.space import PRESETS

CASE = Case(PRESETS["cardiac"], 256, 1)


@pytest.fixture
def measured(monkeypatch, row):
    """Rows without measuring them: real ones have tests of their own."""

    def step(command):
        return lambda case, *_: row(
            command, case.size, case.batch, precision=case.precision
        )

    def convolution(form, _, dilation, *__):
        return {"command": "convolution", "form": form, "dilation": dilation}

    def pipeline(*_):
        return [
            row("train-step", step_ms=ms, percent=percent)
            for ms, percent in ((80.0, 0.0), (82.0, 2.5), (84.0, 5.0))
        ]

    for name in STEPS:
        monkeypatch.setitem(STEPS, name, step(name))
    monkeypatch.setattr(gpu, "convolution_row", convolution)
    monkeypatch.setattr(gpu, "pipeline_rows", pipeline)
    monkeypatch.setattr(gpu, "torch_is_installed", lambda: False)
    # The plot is drawn after every row, and there are many.
    monkeypatch.setattr(gpu, "PRECISIONS", ("bf16",))
    monkeypatch.setattr(gpu, "DILATIONS", (2,))


@pytest.mark.usefixtures("measured")
def test_the_command_measures_the_whole_plan(tmp_path, capsys):
    options = ["--size=16", "--width=4", "--architecture=[O8]", "--batches=8"]
    main(["gpu", *options, f"--output={tmp_path}"])
    record = json.loads((tmp_path / "results.json").read_text())
    assert not [row for row in record["rows"] if row.keys() & {"error", "skipped"}]
    sections = {row["section"] for row in record["rows"]}
    steps = {"reconstruct", "train-step", "search-step"}
    assert sections == steps | {"epoch", "convolution"}
    assert record["device"] in (tmp_path / "results.md").read_text()
    assert (tmp_path / "roofline.png").exists()
    text = capsys.readouterr().out
    assert f"{len(record['rows'])} rows measured" in text
    assert "not measured" not in text


@pytest.mark.usefixtures("measured")
def test_an_epoch_is_compared_with_its_target(monkeypatch):
    row = gpu._epoch(CASE, 8)
    assert row["seconds_per_epoch"] == pytest.approx(82e-3 * (2900 // 8))
    assert row["constant_step_ms"] == 80
    assert "target 31 s: met; data +2.5 %, streamed +5.0 %" in row["note"]
    monkeypatch.setattr(gpu, "EPOCH_TARGET_S", 1.0)
    assert "target 1 s: missed" in gpu._epoch(CASE, 8)["note"]


def test_rows_of_another_device_are_measured_again(tmp_path):
    rows = [Planned("a", "one", figures(4.0))]
    measure_all(rows, tmp_path, 60.0)
    path = tmp_path / "results.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"device": "another device"}))
    rows[0] = Planned("a", "one", figures(5.0))
    assert measure_all(rows, tmp_path, 60.0)[0]["step_ms"] == 5.0


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
