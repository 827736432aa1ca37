"""The search: Algorithm 1 in small, the same again from the same seed."""

import json
from dataclasses import replace
from inspect import signature

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import SearchNetwork, emrnas
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.search import search_fold
from emrnas_jax.training.search_programs import search_programs
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_state import identity, initial_state

NETWORK = SearchNetwork(components=1, cells_per_block=2, width=4)
SETTINGS = SearchSettings(
    warmup_epochs=1,
    search_epochs=2,
    batch=2,
    learning_rate=1e-2,
    alpha_learning_rate=0.05,
)
LOOP = LoopSettings(steps_per_dispatch=3, checkpoint_seconds=0.0)
SEED = 3


def test_the_identity_has_every_setting_of_the_network_and_the_search():
    """Each changed alone makes a checkpoint that of another search."""
    known = identity(NETWORK, SETTINGS)
    json.dumps(known)  # checkpoints hold it as JSON
    others = {"consistency": "single", "batch_norm": True, "residual": False}
    others |= {"components": 2, "cells_per_block": 3, "width": 8}
    others |= {"shared": "block", "precision": "bf16"}
    assert set(signature(emrnas).parameters) - {"architecture"} == set(others)
    for name, value in others.items():
        changed = identity(NETWORK.clone(**{name: value}), SETTINGS)
        assert changed == known | {name: value} != known
    assert identity(NETWORK, replace(SETTINGS, batch=4)) == known | {"batch": 4}
    # What changes no result does not keep a search from going on.
    assert identity(NETWORK, replace(SETTINGS, folds_in_parallel=True)) == known
    assert identity(NETWORK.clone(stored=1), SETTINGS) == known


@pytest.fixture(scope="module", params=["proxyless", "reinforce"])
def settings(request):
    """Settings of each method that moves alphas."""
    return replace(SETTINGS, method=request.param)


@pytest.fixture(scope="module")
def programs(settings, sampling):
    return search_programs(NETWORK, settings, sampling, SEED)


@pytest.fixture(scope="module")
def search(programs, settings, split_of):
    """Search into a folder: 4 steps per epoch of training, 3 of validation."""

    def run(folder, fold=1, used=programs):
        return search_fold(
            "search",
            folder,
            NETWORK,
            used,
            settings,
            split_of(9),
            split_of(6),
            SEED,
            fold,
            LOOP,
        )

    return run


@pytest.fixture(scope="module")
def searched(search, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return folder, *search(folder)


def rows_of(folder):
    rows = metrics_log.read(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_the_architecture_is_the_most_probable_and_is_written(searched):
    folder, architecture, p = searched
    assert p.shape == (2, 8)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-6)
    assert architecture.cells == tuple(p.argmax(-1).tolist())
    assert [len(block) for block in architecture.blocks] == [2]
    found, probabilities = read_architecture(folder / "architecture.json")
    assert found == architecture
    assert probabilities is not None
    np.testing.assert_allclose(probabilities, p)


def test_the_log_tells_of_warm_up_and_search(searched):
    folder, _, p = searched
    rows = rows_of(folder)
    assert [row["phase"] for row in rows] == ["warm-up", "search", "search"]
    assert [row["step"] for row in rows] == [4, 8, 12]
    assert all(row["train_loss"] > 0 for row in rows)
    # A cosine in each phase, at the last step of each epoch.
    fractions = np.array([3 / 4, 3 / 8, 7 / 8])
    rates = 1e-2 * (1 + np.cos(np.pi * fractions)) / 2
    np.testing.assert_allclose([row["learning_rate"] for row in rows], rates, rtol=1e-5)
    assert "entropy" not in rows[0]
    for row in rows[1:]:
        assert 0 < row["validation_loss"] < 1
        assert 1.9 < row["entropy"] < np.log(8) + 1e-6
        np.testing.assert_array_equal(np.sum(row["path_counts"], -1), 4)
        assert np.max(row["path_counts"]) < 4  # new paths at every step
    np.testing.assert_allclose(rows[-1]["probabilities"], p)


def test_the_same_seed_finds_the_same_and_another_fold_something_else(
    searched, search, tmp_path
):
    folder, architecture, p = searched
    again, p_again = search(tmp_path / "again")
    assert again == architecture
    np.testing.assert_array_equal(p_again, p)
    assert rows_of(tmp_path / "again") == rows_of(folder)
    _, other = search(tmp_path / "other", fold=2)
    assert np.abs(other - p).max() > 1e-4


class Stop(Exception):  # noqa: N818 - stands for a kill
    pass


@pytest.mark.parametrize("phase", ["warm_up", "search"])
def test_a_stopped_search_continues_to_the_same(
    phase, searched, search, programs, tmp_path
):
    def stop(*arguments):
        if phase == "warm_up" or int(arguments[0].step) == 7:
            raise Stop
        return programs.search(*arguments)

    used = programs._replace(**{phase: stop})
    with pytest.raises(Stop):
        search(tmp_path, used=used)
    assert not (tmp_path / "architecture.json").exists()
    architecture, p = search(tmp_path)
    assert architecture == searched[1]
    np.testing.assert_array_equal(p, searched[2])
    assert rows_of(tmp_path) == rows_of(searched[0])


def test_each_phase_is_compiled_once(searched, search, programs, tmp_path):
    """From a fresh state, after an epoch's row and from a checkpoint alike."""
    del searched
    search(tmp_path)
    (tmp_path / "architecture.json").unlink()
    search(tmp_path)
    # Without candidates there is nothing to validate, and nothing to train alone.
    assert [program._cache_size() for program in programs] == [1, 1, 0, 0]


@pytest.mark.slow
def test_warm_up_moves_weights_and_leaves_alphas(programs, settings, split_of):
    state = initial_state(NETWORK, settings, jax.random.key(0))
    assert not np.any(state.alphas)
    before = jax.tree.map(np.asarray, state.weights)  # the state is donated
    split = split_of(9)
    frames = split.frames(0, 3)
    after = programs.warm_up(
        state, frames, frames, jnp.array(4), jax.random.key(1), jnp.array(3)
    )
    assert int(after.step) == 3
    assert not np.any(after.alphas)
    assert after.validation_loss == 0
    moved = jax.tree.map(lambda a, b: np.any(a != b), before, after.weights)
    assert all(jax.tree.leaves(moved))


def test_a_step_of_alphas_runs_one_path_or_two_or_all(sampling):
    settings = replace(SETTINGS, paths_per_cell=3)
    with pytest.raises(InputError, match=r"paths_per_cell: found 3; .* 1, 2, 8"):
        search_programs(NETWORK, settings, sampling, SEED)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gate_rule": "best"}, r"search\.gate_rule: found 'best'.*sample, argmax"),
        (
            {"method": "random", "paths_per_cell": 2},
            r"search\.paths_per_cell.*at 1",
        ),
        (
            {"method": "front", "gate_rule": "argmax"},
            r"gate_rule.*leave it at 'sample'",
        ),
        (
            {"method": "reinforce", "gate_rule": "argmax"},
            r"gate_rule.*choose proxyless",
        ),
        ({"method": "reinforce", "budget_ms": 5.0}, r"budget_ms.*random or front"),
        ({"method": "reinforce", "alpha_momentum": 0.5}, r"alpha_momentum.*at 0\.9"),
        (
            {"method": "reinforce", "alpha_weight_decay": 0.0},
            r"search\.alpha_weight_decay: found 0\.0; leave it at 1e-06 with "
            r"search\.method=reinforce, whose Adam has neither",
        ),
        (
            {"method": "reinforce", "latency": "table.json"},
            r"search\.latency: found 'table\.json'.*search\.time_weight=0",
        ),
        (
            {"method": "reinforce", "time_weight": -0.1},
            r"search\.time_weight: found -0\.1; use 0 or more",
        ),
        (
            {"method": "reinforce", "architectures_per_step": 1},
            r"search\.architectures_per_step: found 1; use at least 2",
        ),
        ({"time_weight": 0.1}, r"search\.time_weight: found 0\.1.*choose reinforce"),
        (
            {"method": "front", "architectures_per_step": 3},
            r"search\.architectures_per_step: found 3; leave it at 2",
        ),
        ({"method": "evolution"}, r"method.*proxyless, reinforce, random, front"),
        ({"budget_ms": 5.0}, r"search\.budget_ms: found 5\.0.*choose random or front"),
        ({"latency": "table.json"}, r"search\.latency: found 'table\.json'"),
        ({"method": "random", "budget_ms": -1.0}, r"search\.budget_ms: found -1"),
        ({"loss": "ssim"}, r"search\.loss: found 'ssim'; choose one of mse, log_mse"),
        ({"alpha_epsilon": -1e-8}, r"search\.alpha_epsilon: found -1e-08"),
        ({"warmup_epochs": -1}, r"search\.warmup_epochs"),
        ({"search_epochs": -1}, r"search\.search_epochs"),
        ({"warmup_epochs": 0, "search_epochs": 0}, "at least one epoch"),
        ({"batch": 0}, "a batch of one"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, named):
    with pytest.raises(InputError, match=named):
        SearchSettings(**changes)


def test_times_are_needed_where_they_are_weighed():
    assert not SearchSettings(method="reinforce").needs_times
    weighed = SearchSettings(method="reinforce", time_weight=0.1, latency="table.json")
    assert weighed.needs_times
