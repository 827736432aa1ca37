"""A budget of time is a number of steps."""

import itertools

import jax.numpy as jnp
import pytest

from emrnas_jax.data.split import Split
from emrnas_jax.errors import InputError
from emrnas_jax.training.budget import steps_within
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.retrain_steps import TrainState

LOOP = LoopSettings(steps_per_dispatch=10)
EMPTY = jnp.zeros(())
STATE = TrainState({}, {}, {}, jnp.zeros((), jnp.int32), EMPTY, EMPTY)


class FakeSplit(Split):
    def __init__(self):
        self.steps_per_epoch = 50
        self.of_size = {(16, 16): self}

    def frames(self, first_step, count, ahead):  # pyright: ignore
        assert ahead == 0
        return first_step, count


def within(minutes, *call_seconds):
    """Count steps by a clock of its own: compiling takes 30 s, a call of ten so long.

    The last call's time is that of all that follow.
    """
    now = [0.0]
    seconds = itertools.chain([30.0], call_seconds, itertools.repeat(call_seconds[-1]))

    def program(state, frames, *_):
        # The call that compiles is one step, so that slow steps cost little.
        first, count = frames
        assert count == (10 if first else 1)
        now[0] += next(seconds)
        return state._replace(step=state.step + count)

    found = steps_within(
        minutes, program, STATE, FakeSplit(), LOOP, clock=lambda: now[0]
    )
    return found, now[0]


def test_steps_fill_what_compiling_and_timing_leave():
    (steps, seconds), spent = within(10.0, 2.0)
    assert seconds == pytest.approx(0.2)
    assert steps == int((600 - spent) / 0.2)
    assert spent == 30 + 6 * 2  # timed for a fiftieth of the budget, 12 s
    assert STATE.step == 0


def test_one_slow_call_does_not_count():
    (_, seconds), _ = within(10.0, 6.0, 1.0)
    assert seconds == pytest.approx(0.1)


def test_slow_steps_are_timed_once():
    (steps, seconds), spent = within(10.0, 60.0)
    assert (steps, seconds, spent) == (85, 6.0, 90.0)


def test_a_budget_too_short_for_one_step_is_refused():
    with pytest.raises(InputError, match=r"retrain\.minutes: found 0\.5; .* at least"):
        within(0.5, 2.0)
