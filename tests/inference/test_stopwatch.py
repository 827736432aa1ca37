import jax
import jax.numpy as jnp
import pytest

from emrnas_jax.inference.stopwatch import computing, covered


def test_time_spans_within_others_count_once():
    assert covered([]) == 0
    assert covered([(0.0, 4.0), (1.0, 2.0), (3.0, 5.0), (7.0, 8.0)]) == 6


def test_compilation_does_not_count(monkeypatch):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(
        "emrnas_jax.inference.stopwatch.time.perf_counter", clock.__next__
    )
    with computing() as watch:
        jax.monitoring.record_event_time_span("/jax/core/compile/some", 1.0, 2.5)
        jax.monitoring.record_event_time_span("/jax/another", 1.0, 3.0)
    assert watch.seconds == 2.5


def test_jax_reports_the_programs_that_it_compiles(monkeypatch):
    spans = []

    def collect(found):
        spans.extend(found)
        return 0.0

    monkeypatch.setattr("emrnas_jax.inference.stopwatch.covered", collect)
    with computing():
        jax.jit(lambda x: x + 1)(jnp.ones(3))
    assert len(spans) >= 2  # traced and compiled
    assert all(start <= end for start, end in spans)


def test_after_an_error_nothing_listens_any_more(monkeypatch):
    registered = []
    for name in ("register", "unregister"):
        monkeypatch.setattr(
            f"jax.monitoring.{name}_event_time_span_listener", registered.append
        )
    with pytest.raises(ValueError, match="wrong"), computing():
        raise ValueError("wrong")
    first, last = registered
    assert first is last
