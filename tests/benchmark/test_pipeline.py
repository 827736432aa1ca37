import pytest

from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.pipeline import pipeline_rows
from emrnas_jax.nas.space import Architecture


@pytest.mark.slow
def test_the_data_are_measured_against_a_constant_batch():
    case = Case(Architecture.parse("[O8]"), size=16, batch=2, width=4)
    constant, resident, streamed = pipeline_rows(case, frames=16, steps=2, repeats=1)
    assert constant["percent"] == 0
    for row in (resident, streamed):
        ratio = row["step_ms"] / constant["step_ms"]
        assert row["percent"] == pytest.approx(100 * (ratio - 1))
    assert resident["prepare_ms"] > 0
