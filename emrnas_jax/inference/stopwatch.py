"""Measure the seconds of a block without those in which JAX compiles."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import jax

COMPILING = "/jax/core/compile/"  # begins the names of JAX's events


class Stopwatch:
    """The seconds of a block, which are set when it ends.

    Attributes:
        seconds: time of the block without compilation.
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

    # JAX reports tracing, lowering and compiling apart, some inside others.
    jax.monitoring.register_event_time_span_listener(compiled)
    start = time.perf_counter()
    try:
        yield watch
    finally:
        elapsed = time.perf_counter() - start
        jax.monitoring.unregister_event_time_span_listener(compiled)
        watch.seconds = max(elapsed - covered(spans), 0.0)


def covered(spans: list[tuple[float, float]]) -> float:
    """Return the seconds that spans cover together; some lie within others.

    Args:
        spans: start and end of each, seconds.
    """
    total, last = 0.0, float("-inf")
    # By start, so only the end of the last span decides which part is new.
    for start, end in sorted(spans):
        total += max(end - max(start, last), 0.0)
        last = max(last, end)
    return total
