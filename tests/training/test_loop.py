"""The loop: wherever a run is stopped, its continuation ends in the same place."""

import json
import os
import signal
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import mesh_for, replicate
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.checkpoints import Checkpoints
from emrnas_jax.training.loop import (
    DivergedError,
    LoopSettings,
    TerminationRequest,
    Training,
    run,
)

STEPS, PER_EPOCH = 12, 4
ALWAYS = LoopSettings(steps_per_dispatch=3, checkpoint_seconds=0.0)
NEVER = LoopSettings(steps_per_dispatch=3, checkpoint_seconds=1e9)


class State(NamedTuple):
    weights: dict[str, Array]
    step: Array
    loss: Array


@pytest.fixture
def start():
    return State({"w": jnp.ones(3)}, jnp.zeros((), jnp.int32), jnp.zeros(()))


@jax.jit
def advance(state, count):
    """A training that depends on its whole past and on the number of the step."""

    def body(_, state):
        draw = jax.random.normal(
            jax.random.fold_in(jax.random.key(0), state.step), (3,)
        )
        w = 0.9 * state.weights["w"] + 0.1 * draw
        return State({"w": w}, state.step + 1, state.loss + jnp.sum(w**2))

    return jax.lax.fori_loop(0, count, body, state)


class Stop(Exception):  # noqa: N818 - stands for a kill
    pass


@pytest.fixture
def training(tmp_path):
    """Make the training; `before` is called with (state, step) at each call."""

    def make(before=lambda state, step: state, identity=None, folder="run"):  # noqa: ARG005
        def run_steps(state, step, count):
            assert int(state.step) == step
            return advance(before(state, step), count)

        return Training(
            name="toy",
            folder=tmp_path / folder,
            identity=identity or {"kind": "toy", "width": 3},
            steps=STEPS,
            steps_per_epoch=PER_EPOCH,
            run_steps=run_steps,
            sums=("loss",),
            epoch_record=lambda state, epoch, count: {
                "epoch": epoch,
                "steps": count,
                "loss": float(state.loss),
            },
        )

    return make


def stop_at(step, error=Stop):
    def before(state, now):
        if now == step:
            raise error
        return state

    return before


def log_of(training):
    rows = metrics_log.read(training.folder / "metrics.jsonl")
    assert all(row.pop("seconds") >= 0 for row in rows)
    return rows


def assert_same(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def uninterrupted(training, start):
    whole = training(folder="whole")
    return run(whole, start, NEVER), log_of(whole)


def test_a_row_is_written_after_each_epoch_with_the_sums_of_that_epoch(
    uninterrupted, start
):
    _, rows = uninterrupted
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 4), (2, 8), (3, 12)]
    state = start
    for row in rows:
        state = advance(state._replace(loss=jnp.zeros(())), 4)
        np.testing.assert_allclose(row["loss"], state.loss, rtol=1e-6)


# In the first epoch, at its end, within a later one (after a checkpoint), at the last.
@pytest.mark.parametrize("step", [0, 3, 4, 7, 11])
@pytest.mark.parametrize("settings", [ALWAYS, NEVER], ids=["saving", "not saving"])
def test_a_continued_run_equals_an_uninterrupted_one(
    step, settings, training, start, uninterrupted
):
    with pytest.raises(Stop):
        run(training(stop_at(step)), start, settings)
    expected = step if settings is ALWAYS else 0
    seen = []
    continued = training(lambda state, now: seen.append(now) or state)
    state = run(continued, start, settings)
    assert seen[0] == expected
    assert_same(state, uninterrupted[0])
    assert log_of(continued) == uninterrupted[1]


@pytest.mark.parametrize("counts", [(1, 2), (2, 1), (4, 2)])
def test_a_run_continues_on_another_number_of_devices(
    counts, training, start, uninterrupted
):
    before, after = (mesh_for(count) for count in counts)
    with pytest.raises(Stop):
        run(training(stop_at(7)), replicate(start, before), ALWAYS)
    state = run(training(), replicate(start, after), ALWAYS)
    assert_same(state, uninterrupted[0])
    for leaf in jax.tree.leaves(state):
        assert len(leaf.sharding.device_set) == counts[1]
    assert log_of(training()) == uninterrupted[1]


def test_rows_after_the_last_checkpoint_are_not_doubled(
    training, start, uninterrupted, monkeypatch
):
    """Killed between the row of an epoch and its checkpoint."""

    def fail(self, step, state):
        if step == 8:
            raise Stop
        return save(self, step, state)

    save = Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", fail)
    with pytest.raises(Stop):
        run(training(), start, ALWAYS)
    monkeypatch.undo()
    assert len(log_of(training())) == 2
    assert_same(run(training(), start, ALWAYS), uninterrupted[0])
    assert log_of(training()) == uninterrupted[1]


@pytest.mark.parametrize("steps_per_dispatch", [1, 4, 100])
def test_how_many_steps_a_call_covers_changes_nothing(
    steps_per_dispatch, training, start, uninterrupted
):
    settings = LoopSettings(steps_per_dispatch, 1e9)
    assert_same(run(training(), start, settings), uninterrupted[0])
    assert log_of(training()) == uninterrupted[1]


def test_a_call_never_crosses_the_end_of_an_epoch(training, start):
    seen = []
    run(training(lambda state, step: seen.append(step) or state), start, NEVER)
    assert seen == [0, 3, 4, 7, 8, 11]


def test_a_finished_run_is_not_run_again(training, start, uninterrupted):
    run(training(), start, NEVER)
    state = run(training(stop_at(0)), start, NEVER)
    assert_same(state, uninterrupted[0])
    assert log_of(training()) == uninterrupted[1]


def poison(step, **changes):
    def before(state, now):
        return state._replace(**changes) if now == step else state

    return before


@pytest.mark.parametrize("value", [jnp.nan, jnp.inf])
def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_checkpoint(
    value, training, start
):
    ruined = training(poison(7, loss=jnp.float32(value)))
    with pytest.raises(DivergedError, match=r"toy.*steps 8 to 8.*checkpoint of step 7"):
        run(ruined, start, ALWAYS)
    checkpoints = Checkpoints(ruined.folder / "checkpoints", ruined.identity)
    assert checkpoints.latest() == 7
    restored = checkpoints.restore(start)
    assert restored is not None
    assert_same(restored.weights, advance(start, 7).weights)
    checkpoints.close()
    assert issubclass(DivergedError, InputError)


def test_without_a_checkpoint_the_message_says_so(training, start):
    with pytest.raises(DivergedError, match="there is no checkpoint before it"):
        run(training(poison(0, loss=jnp.float32(jnp.nan))), start, ALWAYS)


def test_weights_that_are_not_finite_are_never_saved(training, start):
    """The gradient of a finite loss may not be finite; the loss tells a step later."""

    def run_steps(state, step, count):
        after = advance(state, count)
        bad = {"w": after.weights["w"].at[1].set(jnp.nan)}
        return after._replace(weights=bad) if step == 7 else after

    ruined = training()._replace(run_steps=run_steps)
    with pytest.raises(DivergedError, match="checkpoint of step 7"):
        run(ruined, start, ALWAYS)
    checkpoints = Checkpoints(ruined.folder / "checkpoints", ruined.identity)
    assert checkpoints.latest() == 7
    checkpoints.close()


def test_sigterm_saves_and_exits_and_the_run_continues(training, start, uninterrupted):
    def terminate(state, step):
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return state

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        run(training(terminate), start, NEVER)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    seen = []
    continued = training(lambda state, step: seen.append(step) or state)
    assert_same(run(continued, start, NEVER), uninterrupted[0])
    assert seen[0] == 7
    assert log_of(continued) == uninterrupted[1]


def test_sigterm_outside_the_loop_does_what_it_did():
    with TerminationRequest() as termination:
        assert not termination.requested
        os.kill(os.getpid(), signal.SIGTERM)
        assert termination.requested
    noted = []
    before = signal.signal(signal.SIGTERM, lambda *_: noted.append(1))
    try:
        with TerminationRequest():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert noted == [1]


def test_a_checkpoint_of_another_training_is_refused_and_left_alone(training, start):
    with pytest.raises(Stop):
        run(training(stop_at(7)), start, ALWAYS)
    rows = log_of(training())
    other = training(identity={"kind": "toy", "width": 4})
    with pytest.raises(InputError, match="width is 3 there and 4 here"):
        run(other, start, ALWAYS)
    assert log_of(training()) == rows
    run(training(), start, ALWAYS)


def test_a_log_with_a_cut_line_is_continued(training, start, uninterrupted):
    with pytest.raises(Stop):
        run(training(stop_at(7)), start, ALWAYS)
    with (training().folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 8, "loss": 1})[:9])
    run(training(), start, ALWAYS)
    assert log_of(training()) == uninterrupted[1]


def test_a_call_of_no_steps_is_refused():
    with pytest.raises(InputError, match=r"loop\.steps_per_dispatch"):
        LoopSettings(steps_per_dispatch=0)


def test_a_training_says_its_first_epoch(training, start, said):
    run(training(), start, NEVER)
    assert said[0].startswith("toy: epoch 1 of 3, ")
    assert all(line.startswith("toy: ") for line in said)


def test_a_continued_training_says_where(training, start, said):
    with pytest.raises(Stop):
        run(training(stop_at(7)), start, ALWAYS)
    said.clear()
    run(training(), start, ALWAYS)
    assert said[0] == "toy: continues at step 7 of 12"
    said.clear()
    run(training(), start, ALWAYS)
    assert said == ["toy: all 12 steps were done before"]


def test_where_bars_are_seen_a_continuation_alone_is_said(
    training, start, said, monkeypatch
):
    monkeypatch.setattr(processes, "bars_are_seen", lambda: True)
    with pytest.raises(Stop):
        run(training(stop_at(7)), start, ALWAYS)
    assert said == []
    run(training(), start, ALWAYS)
    assert said == ["toy: continues at step 7 of 12"]
