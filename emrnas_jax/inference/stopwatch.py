"""Seconds that a program computes, without those in which JAX compiles."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import jax

COMPILING = "/jax/core/compile/"  # begins the names of JAX's events


class Stopwatch:
    """The seconds of a block, known when it has ended.

    Attributes:
        seconds: that it took, without compilation.
    """

    seconds: float = 0.0


@contextlib.contextmanager
def computing() -> Iterator[Stopwatch]:
    """Measure the block's seconds, without those of tracing and compiling in it."""
    watch, spans = Stopwatch(), []

    def compiled(event: str, start_time: float, end_time: float, **kwargs: Any) -> None:
        del kwargs
        if event.startswith(COMPILING):
            spans.append((start_time, end_time))

    jax.monitoring.register_event_time_span_listener(compiled)
    start = time.perf_counter()
    try:
        yield watch
    finally:
        elapsed = time.perf_counter() - start
        jax.monitoring.unregister_event_time_span_listener(compiled)
        watch.seconds = max(elapsed - covered(spans), 0.0)


def covered(spans: list[tuple[float, float]]) -> float:
    """Return how much time spans cover together; some lie within others.

    Args:
        spans: start and end of each, in seconds.
    """
    total, last = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(end - max(start, last), 0.0)
        last = max(last, end)
    return total
