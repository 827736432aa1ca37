"""Compiled programs with their arguments, and how programs are timed: in turn."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from emrnas_jax.training.loss import jit


class Program(NamedTuple):
    """A compiled program with its arguments.

    Attributes:
        run: runs it and waits; what it is given replaces the last arguments. A step's
            result is its state, valid until the next run.
        compile_s: seconds that tracing and compiling took.
        temporary_mib: memory of its intermediates, as the compiler tells; NaN where it
            does not.
    """

    run: Callable[..., Any]
    compile_s: float
    temporary_mib: float


def compiled(function: Callable, *args: PyTree) -> Program:
    """Compile `function` for `args`."""
    start = time.perf_counter()
    program = jit(function).lower(*args).compile()
    seconds = time.perf_counter() - start

    def run(*last: PyTree) -> Any:
        kept = args[: len(args) - len(last)]
        return jax.block_until_ready(program(*kept, *last))

    return Program(run, seconds, _temporary_mib(program))


def compiled_step(function: Callable, state: PyTree, *args: PyTree) -> Program:
    """Compile a step that takes over its state's memory, as a training does."""
    start = time.perf_counter()
    program = jit(function, donate_argnums=0).lower(state, *args).compile()
    seconds = time.perf_counter() - start
    current = [jax.tree.map(jnp.copy, state)]

    def run(*last: PyTree) -> Any:
        kept = args[: len(args) - len(last)]
        current[0] = jax.block_until_ready(program(current[0], *kept, *last))
        return current[0]

    return Program(run, seconds, _temporary_mib(program))


def _temporary_mib(program: jax.stages.Compiled) -> float:
    memory = program.memory_analysis()
    return float("nan") if memory is None else memory.temp_size_in_bytes / 2**20


def median_ms(runs: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Time runs in turn, so that a busy moment of the machine hits all alike."""
    seconds: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats + 1):
        for run, own in zip(runs, seconds, strict=True):
            rest()
            start = time.perf_counter()
            run()
            if repeat:  # the first round faults in memory
                own.append(time.perf_counter() - start)
    return [1e3 * float(np.median(own)) for own in seconds]


def rest() -> None:
    """Let the threads of the program before fall asleep.

    OpenMP's wait for more work for 0.2 s, at full speed: a program of XLA that follows
    one of PyTorch on the same cores would take 30 % longer, measured.
    """
    time.sleep(0.3)
