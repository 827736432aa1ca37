"""Time several programs in turn, so that a busy machine is unfair to none of them."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def median_ms(
    runs: Sequence[Callable[[], Any]], repeats: int, *, resting: bool = True
) -> list[float]:
    """Return the median time of each run, milliseconds.

    All runs take turns, so that a busy moment of the machine hits all of them alike.

    Args:
        runs: functions to time, which wait for their own results.
        repeats: number of rounds that count; one more comes before them.
        resting: whether to `rest` before each run, which runs of JAX alone do not need.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats + 1):
        for run, own in zip(runs, seconds, strict=True):
            if resting:
                rest()
            start = time.perf_counter()
            run()
            if repeat:  # the first round faults in memory
                own.append(time.perf_counter() - start)
    return [1e3 * float(np.median(own)) for own in seconds]


def rest() -> None:
    """Let the threads of the previous program fall asleep.

    Threads of OpenMP wait for more work for 0.2 s, at full speed. A program of XLA that
    follows one of PyTorch on the same cores would take 30 % longer, as measured.
    """
    time.sleep(0.3)
