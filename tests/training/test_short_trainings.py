"""Candidates trained alone: each by itself, the same ones after a stop."""

import signal
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.nas.latency_table import LatencyTable, Measured
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.randomness import key_for
from emrnas_jax.runs import metrics_log
from emrnas_jax.training.candidates import candidates_of, steps_of_each
from emrnas_jax.training.loop import DivergedError, LoopSettings, TerminationRequest
from emrnas_jax.training.search import search_fold
from emrnas_jax.training.search_programs import search_programs
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_state import initial_state
from emrnas_jax.training.short_trainings import train_one

NETWORK = SearchNetwork(components=1, cells_per_block=2, width=4)
SETTINGS = SearchSettings(
    method="short_trainings",
    loss="log_mse",
    warmup_epochs=1,  # of 4 steps, like the other one
    search_epochs=1,
    batch=2,
    candidates=2,
)
SEED, LOOP = 3, LoopSettings(steps_per_dispatch=3)
TABLE = LatencyTable(
    measured=Measured(
        device="a device",
        settings={"components": 1, "cells_per_block": 2},
        size=(16, 16),
        batch=1,
        coils=0,
    ),
    jax="0.0",
    rest_ms=2.0,
    operations_ms={own.name: i + 1.0 for i, own in enumerate(OPERATIONS)},
)
PATH = Architecture(((2, 5),))


class Stop(Exception):  # noqa: N818 - stands for a kill
    pass


@pytest.fixture(scope="module")
def programs(sampling):
    return search_programs(NETWORK, SETTINGS, sampling, SEED)


@pytest.fixture(scope="module")
def first():
    return initial_state(NETWORK, SETTINGS, key_for(SEED, "search weights", 1))


@pytest.fixture(scope="module")
def trained(programs, first, split_of):
    """The state of `PATH` after six steps, two thirds of which are its first epoch."""
    return train_one(programs.alone, first, PATH, 6, split_of(9), LOOP)


def weights_of(state):
    """The weights of all operations, `[cell, op, value]`."""
    [stacked] = [
        leaf
        for path, leaf in jax.tree.leaves_with_path(state.weights)
        if "operations" in jax.tree_util.keystr(path)
    ]
    return np.asarray(stacked)[0]


@pytest.mark.slow
def test_its_own_operations_move_and_all_others_stay_to_the_bit(trained, first):
    before, after = weights_of(first), weights_of(trained)
    assert int(trained.step) == 6
    for cell, own in enumerate(PATH.cells):
        assert np.any(before[cell, own] != after[cell, own])
        others = np.arange(len(OPERATIONS)) != own
        np.testing.assert_array_equal(before[cell, others], after[cell, others])


@pytest.mark.slow
def test_steps_may_be_grouped_in_any_way(trained, programs, first, split_of):
    one = LoopSettings(steps_per_dispatch=1)
    again = train_one(programs.alone, first, PATH, 6, split_of(9), one)
    assert all(
        jax.tree.leaves(jax.tree.map(np.array_equal, trained.weights, again.weights))
    )


@pytest.mark.slow
def test_the_rate_falls_to_zero_within_its_own_steps(programs, first, split_of):
    """Of two steps the second one is half as long, of one the first is whole."""
    frames = split_of(9)

    def moved(steps):
        state = train_one(programs.alone, first, PATH, steps, frames, LOOP)
        cell, own = 0, PATH.cells[0]
        return np.abs(weights_of(state) - weights_of(first))[cell, own].max()

    # A first step of Adam is as long as its rate.
    assert moved(1) == pytest.approx(SETTINGS.learning_rate, rel=1e-2)
    assert moved(2) == pytest.approx(1.5 * SETTINGS.learning_rate, rel=2e-2)


@pytest.fixture(scope="module")
def search(programs, split_of):
    """Search by four candidates of two steps each, the last two in a second round."""
    settings = replace(SETTINGS, candidates=4, rounds=2)

    def run(folder, used=programs):
        given = folder, NETWORK, used, settings, split_of(9), split_of(6), SEED, 1, LOOP
        return search_fold("search", *given, table=TABLE)

    return run


@pytest.mark.slow
def test_killed_in_a_training_it_continues_to_the_same(search, programs, tmp_path):
    expected, _ = search(tmp_path / "whole")
    rows = metrics_log.read(tmp_path / "whole" / "candidates.jsonl")
    assert len({row["architecture"] for row in rows}) == 4
    assert len({row["validation_loss"] for row in rows}) == 4
    calls = []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) == 4:  # the last candidate's training
            raise Stop
        return programs.alone(*arguments)

    with pytest.raises(Stop):
        search(tmp_path / "cut", programs._replace(alone=stop))
    log = tmp_path / "cut" / "candidates.jsonl"
    assert metrics_log.read(log) == rows[:3]
    found, p = search(tmp_path / "cut")
    assert found == expected
    assert metrics_log.read(log) == rows
    np.testing.assert_array_equal(p.argmax(-1), found.cells)


def test_a_request_to_stop_ends_a_training(programs, first, split_of):
    asked = TerminationRequest()
    asked.stop("because another did")
    with pytest.raises(SystemExit) as raised:
        train_one(programs.alone, first, PATH, 6, split_of(9), LOOP, asked)
    assert raised.value.code == 128 + signal.SIGTERM


def test_a_loss_that_is_not_finite_is_refused_with_its_architecture(first, split_of):
    def program(state, *_):
        return state._replace(train_loss=jnp.array(np.nan))

    message = r"the loss of \[O3 O6\] is not finite in the first 3 of 6 steps; lower"
    with pytest.raises(DivergedError, match=message):
        train_one(program, first, PATH, 6, split_of(9), LOOP)


def candidates(**settings):
    own = SearchSettings(**{"method": "short_trainings", "candidates": 20} | settings)
    return candidates_of(NETWORK, own, 400, 100, SEED, TABLE)


def test_candidates_share_the_steps_and_take_half_the_budget_at_least():
    every, batches = candidates()
    assert len(set(every)) == len(every) > 15
    assert batches == 20 // 4
    for budget in ({"budget_ms": 10.0}, {"budget_share": 10 / 18}):
        times = [TABLE.predict_ms(own) for own in candidates(**budget)[0]]
        assert min(times) >= 5
        assert max(times) <= 10
    # A budget that leaves nothing out still asks for slow ones.
    times = [TABLE.predict_ms(own) for own in candidates(budget_ms=100.0)[0]]
    assert TABLE.slowest_ms / 2 <= min(times) <= max(times) <= TABLE.slowest_ms


def test_more_candidates_than_steps_are_refused():
    settings = SearchSettings(method="short_trainings")
    assert steps_of_each(settings, 100) == 3
    with pytest.raises(InputError, match=r"search\.candidates: found 32.* 31 steps"):
        steps_of_each(settings, 31)


def test_a_budget_that_no_candidate_fits_is_refused():
    message = r"budget_ms: none of 32 random architectures takes 4\.00 to 4\.00 ms"
    with pytest.raises(InputError, match=message):
        candidates(budget_ms=4.0, candidates=1)
