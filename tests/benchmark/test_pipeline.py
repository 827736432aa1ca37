from types import SimpleNamespace

import pytest

from emrnas_jax.benchmark import pipeline
from emrnas_jax.benchmark.pipeline import pipeline_rows


@pytest.fixture
def split(monkeypatch):
    """Splits by the memory that they may use, and no program to compile."""
    monkeypatch.setattr(
        pipeline,
        "_split",
        lambda *given: SimpleNamespace(mib=given[-1], steps_per_epoch=4),
    )
    monkeypatch.setattr(pipeline, "_phantoms", lambda *_: None)
    monkeypatch.setattr(
        pipeline.retrain_steps, "training_program", lambda *_: "the training's own"
    )


@pytest.mark.usefixtures("split")
def test_the_data_s_part_is_the_difference_to_a_constant_batch(
    case, clock, monkeypatch
):
    def data_run(_, program, split, steps, count):
        assert (program, steps, count) == ("the training's own", 5, 4)
        return clock.program({4096.0: 102, 0.0: 110}[split.mib]).run

    monkeypatch.setattr(pipeline, "_data_run", data_run)
    monkeypatch.setattr(pipeline, "_constant_run", lambda *_: clock.program(100).run)
    monkeypatch.setattr(pipeline, "_preparation", lambda *_: clock.program(0.5))
    rows = pipeline_rows(case, frames=16, steps=5, repeats=3)
    names = ["constant batch", "frames on the device", "frames streamed"]
    assert [row["program"] for row in rows] == names
    # A call of the program takes five steps; the figures are of one.
    assert [row["step_ms"] for row in rows] == pytest.approx([20, 20.4, 22])
    assert [row["percent"] for row in rows] == pytest.approx([0, 2, 10])
    assert rows[0]["note"] == "the reference"
    assert rows[2]["note"] == "+10.0 % (its preparation alone: 2.5 %)"
    for row in rows:
        assert row["prepare_ms"] == pytest.approx(0.5)
        assert row["prepare_percent"] == pytest.approx(2.5)
        assert row.keys().isdisjoint({"compile_s", "temporary_mib"})


@pytest.mark.slow
def test_the_data_are_measured_against_a_constant_batch(case):
    constant, resident, streamed = pipeline_rows(case, frames=16, steps=2, repeats=1)
    assert constant["percent"] == 0
    for row in (resident, streamed):
        ratio = row["step_ms"] / constant["step_ms"]
        assert row["percent"] == pytest.approx(100 * (ratio - 1))
    assert resident["prepare_ms"] > 0
