"""Compile programs with their arguments, to be timed."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from emrnas_jax.training.loss import COMPILER_OPTIONS, jit

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Program(NamedTuple):
    """A compiled program with its arguments.

    Attributes:
        run: function that runs the program and waits for its result. Arguments that it
            is given replace the program's last ones. The result of a step is its state,
            which is valid until the next run.
        compile_s: seconds that tracing and compiling took.
        temporary_mib: memory of its intermediates in MiB, as the compiler reports it;
            NaN where it reports none.
    """

    run: Callable[..., Any]
    compile_s: float
    temporary_mib: float


def compiled(
    function: Callable, *args: PyTree, options: Mapping[str, Any] = NO_OPTIONS
) -> Program:
    """Compile a function for given arguments.

    Args:
        function: function of trees of arrays.
        args: arguments that the program is compiled for and run with.
        options: options of XLA beside those of all programs.
    """
    start = time.perf_counter()
    # Compiled ahead of time, so that compiling is timed apart from running.
    program = jit(function).lower(*args).compile({**COMPILER_OPTIONS, **options})
    seconds = time.perf_counter() - start

    def run(*last: PyTree) -> Any:
        kept = args[: len(args) - len(last)]
        return jax.block_until_ready(program(*kept, *last))

    return Program(run, seconds, _temporary_mib(program))


def compiled_step(function: Callable, state: PyTree, *args: PyTree) -> Program:
    """Compile a step that takes over its state's memory, as a training does.

    Args:
        function: step, which takes the state first and returns the next one.
        state: state that the first run starts from; it stays valid.
        args: further arguments of every run.
    """
    start = time.perf_counter()
    # Donated, as in a training: otherwise two states would be in memory at once.
    program = jit(function, donate_argnums=0).lower(state, *args).compile()
    seconds = time.perf_counter() - start
    # A copy, because the first run frees the memory of the state it is given.
    current = [jax.tree.map(jnp.copy, state)]

    def run(*last: PyTree) -> Any:
        kept = args[: len(args) - len(last)]
        current[0] = jax.block_until_ready(program(current[0], *kept, *last))
        return current[0]

    return Program(run, seconds, _temporary_mib(program))


def _temporary_mib(program: jax.stages.Compiled) -> float:
    memory = program.memory_analysis()
    return float("nan") if memory is None else memory.temp_size_in_bytes / 2**20
