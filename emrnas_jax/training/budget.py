"""How many steps a budget of time is.

The first steps are timed on a copy of the state, which is then given up: what a
training gives depends on the number of steps alone, and not on the clock.
"""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from emrnas_jax.data.split import Shape, Split
from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.retrain_steps import Program, TrainState

LEAST_SECONDS = 5.0  # that steps are timed
PART = 0.02  # of the budget, for budgets in which it is longer than that
MICROSECONDS = 1e6


class Budget(NamedTuple):
    """What a budget of time is worth on this machine.

    Attributes:
        steps: number of steps.
        seconds_per_step: time of one step, seconds.
    """

    steps: int
    seconds_per_step: float


def steps_within(
    minutes: float,
    program: Program,
    state: TrainState,
    split: Split,
    loop: LoopSettings,
    clock: Callable[[], float] = time.monotonic,
) -> Budget:
    """Time the first steps, and return how many fit into the time that is left.

    Compiling the program counts as part of the budget. Where frames have several sizes,
    steps of each are timed in turn, and count as often as an epoch has them.

    Args:
        minutes: the budget.
        program: program of the training.
        state: state at step 0, which stays as it is.
        split: frames of the training.
        loop: number of steps of a call.
        clock: function that returns seconds.

    Raises:
        InputError: the budget is shorter than the compilation and one step.
    """
    begin = clock()
    spare, done = jax.tree.map(jnp.copy, state), 0
    own = dict.fromkeys(split.of_size, 0)  # steps done of each size
    speeds: dict[Shape, list[float]] = {shape: [] for shape in split.of_size}
    count = split.at_once(0, min(loop.steps_per_dispatch, split.steps_per_epoch))

    def call(shape: Shape, many: int) -> float:
        nonlocal spare, done
        start = clock()
        frames = split.of_size[shape].frames(own[shape], many, done - own[shape])
        numbers = split.steps_per_epoch, many
        spare = program(spare, frames, *(jnp.array(number) for number in numbers))
        jax.block_until_ready(spare)
        own[shape], done = own[shape] + many, done + many
        return clock() - start

    for shape in split.of_size:
        call(shape, 1)  # compiles
    timed_from, is_over = clock(), False
    while not is_over:
        for shape in split.of_size:
            speeds[shape].append(call(shape, count) / count)
        timed = clock() - timed_from
        # All processes stop at the same call, because they compute together.
        is_over = bool(
            processes.largest(timed >= max(LEAST_SECONDS, PART * 60 * minutes))[0]
        )
    seconds = sum(
        part.steps_per_epoch / split.steps_per_epoch * statistics.median(speeds[shape])
        for shape, part in split.of_size.items()
    )
    # The slowest process counts.
    seconds = float(processes.largest(round(seconds * MICROSECONDS))[0]) / MICROSECONDS
    spent = float(processes.largest(round(clock() - begin))[0])
    steps = int((60 * minutes - spent) / seconds)
    if steps < 1:
        raise InputError(
            f"retrain.minutes: found {minutes:g}; compiling and timing took "
            f"{spent:.0f} s and a step takes {seconds:.3g} s, so not one step fits; "
            f"use at least {(spent + 100 * seconds) / 60:.1g} minutes, or retrain.steps"
        )
    return Budget(steps, seconds)
