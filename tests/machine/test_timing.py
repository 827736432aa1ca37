"""Programs that are timed take turns, and the first round does not count."""

import pytest

from emrnas_jax.machine import timing
from emrnas_jax.machine.timing import median_ms


def test_the_times_are_medians_without_the_first_round(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    durations = iter([0.9, 0.002, 0.001, 0.004])

    def slow_at_first():
        now[0] += next(durations)

    def steady():
        now[0] += 0.007

    found = median_ms([slow_at_first, steady], repeats=3, resting=False)
    assert found == pytest.approx([2, 7])


@pytest.mark.parametrize("resting", [True, False])
def test_programs_take_turns(monkeypatch, resting):
    order = []
    monkeypatch.setattr(timing, "rest", lambda: order.append("rest"))
    runs = [lambda: order.append("a"), lambda: order.append("b")]
    median_ms(runs, repeats=1, resting=resting)
    assert [own for own in order if own != "rest"] == ["a", "b", "a", "b"]
    assert order.count("rest") == (4 if resting else 0)
