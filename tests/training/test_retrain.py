"""Retraining: the loss falls, and what was trained can be loaded and used."""

import dataclasses
from dataclasses import replace

import jax
import numpy as np
import pytest
from msgspec import structs

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.checkpoints import restore_latest
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import read_plan
from emrnas_jax.training.budget import Budget
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.loss import squared_error
from emrnas_jax.training.retrain import (
    has_trained,
    identity,
    keep_record,
    load_trained,
    retrain_fold,
)
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import initial_state, training_program

SETTINGS = RetrainSettings(epochs=12, batch=2, learning_rate=1e-2)
LOOP = LoopSettings(steps_per_dispatch=4, checkpoint_seconds=0.0)


def record_of(batch_norm):
    return NetworkRecord(
        name="emrnas",
        settings={
            "architecture": "[O8 O1]",
            "components": 1,
            "cells_per_block": 2,
            "width": 4,
            "consistency": "single",
            "batch_norm": batch_norm,
            "residual": True,
        },
        sampling=dataclasses.asdict(SamplingSettings(rate=0.3)),
        images="magnitude",
        shape=(16, 16),
        seed=3,
    )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(False, id="plain"),
        pytest.param(True, id="batch norm", marks=pytest.mark.slow),
    ],
)
def record(request):
    return record_of(request.param)


@pytest.fixture(scope="module")
def network(record):
    return record.build()


@pytest.fixture(scope="module")
def program(record, network, sampling):
    return training_program(network, SETTINGS, sampling, record.seed)


@pytest.fixture(scope="module")
def retrain(record, network, program, split_of):
    """Train into a folder: 12 epochs of 4 steps."""

    def run(folder, used=program, fold=1):
        retrain_fold(
            "retrain",
            folder,
            record,
            network,
            used,
            SETTINGS,
            12 * 4,
            split_of(9),
            fold,
            LOOP,
        )

    return run


@pytest.fixture(scope="module")
def trained(retrain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrain")
    retrain(folder)
    return folder


def rows_of(folder):
    rows = metrics_log.read(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_the_loss_falls_and_the_log_tells(trained):
    rows = rows_of(trained)
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    assert {row["phase"] for row in rows} == {"retrain"}
    losses = [row["train_loss"] for row in rows]
    assert np.mean(losses[-3:]) < 0.9 * losses[0]
    psnr = [row["train_psnr_db"] for row in rows]
    assert np.mean(psnr[-3:]) > psnr[0]
    rates = [row["learning_rate"] for row in rows]
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 1e-4 < rates[0] < 1e-2


def test_a_trained_network_loads_and_beats_the_zero_filled_image(
    trained, record, batch
):
    found, network, variables = load_trained(trained)
    assert found == record
    image = jax.jit(network.apply)(variables, batch.zero_filled, batch.measurement)
    error = squared_error(image, batch.target)
    assert error < 0.9 * squared_error(batch.zero_filled, batch.target)


def test_running_statistics_are_trained_and_loaded(trained, record, network):
    statistics = load_trained(trained)[2]["batch_stats"]
    fresh = initial_state(network, SETTINGS, jax.random.key(0)).statistics
    assert jax.tree.structure(statistics) == jax.tree.structure(fresh)
    assert bool(statistics) == record.settings["batch_norm"]
    for now, before in zip(*map(jax.tree.leaves, (statistics, fresh)), strict=True):
        assert np.mean(now != before) > 0.9


class Stop(Exception):  # noqa: N818 - stands for a kill
    pass


def require_same_after_a_stop(train, program, step, whole, folder):
    """Stop a training at a step, continue it, and compare it with a whole one."""

    def stop(state, *arguments):
        if int(state.step) == step:
            raise Stop
        return program(state, *arguments)

    with pytest.raises(Stop):
        train(folder, used=stop)
    train(folder)
    pair = [load_trained(own)[2] for own in (whole, folder)]
    for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
        np.testing.assert_array_equal(a, b)
    assert rows_of(folder) == rows_of(whole)


def test_a_stopped_training_continues_to_the_same(trained, retrain, program, tmp_path):
    require_same_after_a_stop(retrain, program, 20, trained, tmp_path)


@pytest.mark.slow
def test_folds_start_from_other_weights_and_share_one_compiled_program(
    trained, retrain, program, tmp_path
):
    """From a fresh state, after an epoch's row and from a checkpoint alike."""
    retrain(tmp_path, fold=2)
    retrain(tmp_path, fold=2)
    assert rows_of(tmp_path)[0] != rows_of(trained)[0]
    assert program._cache_size() == 1


@pytest.fixture
def record_alone(tmp_path):
    record_of(False).write(tmp_path / "network.json")
    return tmp_path


def test_without_a_checkpoint_nothing_was_trained(record_alone, tmp_path):
    with pytest.raises(InputError, match="nothing was trained here yet"):
        load_trained(record_alone)
    with pytest.raises(InputError, match=r"network\.json is missing"):
        load_trained(tmp_path / "nowhere")


def test_a_record_changed_after_training_is_refused(trained, record, tmp_path):
    (tmp_path / "checkpoints").symlink_to(trained / "checkpoints")
    changed = record.settings | {"consistency": "two_step"}
    structs.replace(record, settings=changed).write(tmp_path / "network.json")
    with pytest.raises(InputError, match=r"consistency is 'single' there"):
        load_trained(tmp_path)


def test_a_folder_keeps_the_record_that_it_began_with(tmp_path):
    record = record_of(False)
    keep_record(tmp_path, record)
    keep_record(tmp_path, record)  # a continued training
    before = (tmp_path / "network.json").read_text()
    with pytest.raises(InputError, match="of another network than the one to train"):
        keep_record(tmp_path, record_of(True))
    assert (tmp_path / "network.json").read_text() == before


def test_a_network_is_trained_when_its_last_checkpoint_is_there(tmp_path):
    (tmp_path / "checkpoints" / "12").mkdir(parents=True)
    assert has_trained(tmp_path, 12)
    assert not has_trained(tmp_path, 24)
    assert not has_trained(tmp_path / "elsewhere", 12)


def test_a_checkpoint_belongs_to_a_name_and_all_settings():
    record = record_of(False)
    found = identity(record)
    assert found == {"network": "emrnas", **record.settings}
    assert found != identity(record_of(True))
    assert found != identity(structs.replace(record, name="other", kind="emrnas"))


@pytest.mark.parametrize("changes", [{"epochs": 0}, {"batch": 0}])
def test_settings_that_cannot_work_are_refused(changes):
    with pytest.raises(InputError, match="at least one epoch and a batch of one"):
        RetrainSettings(**changes)


RECIPE = replace(
    SETTINGS,
    loss="log_mse",
    deep_supervision=0.3,
    optimizer="muon",
    beta2=0.99,
    clip_norm=1.0,
    warmup=0.1,
    average=0.9,
    strip=4,
    flips=True,
)


@pytest.fixture(scope="module")
def recipe_program(record, network, sampling):
    return training_program(network, RECIPE, sampling, record.seed)


@pytest.fixture(scope="module")
def with_recipe(record, network, recipe_program, split_of):
    """Train ten steps into a folder with everything that the recipe has."""

    def run(folder, used=recipe_program, device_mib=4096.0):
        split = split_of(9, 2, LOOP.steps_per_dispatch, device_mib)
        retrain_fold(
            "recipe", folder, record, network, used, RECIPE, 10, split, 1, LOOP
        )

    return run


@pytest.fixture(scope="module")
def with_recipe_once(with_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    with_recipe(folder)
    return folder


def test_a_training_of_steps_ends_within_an_epoch(with_recipe_once):
    rows = rows_of(with_recipe_once)
    assert [row["step"] for row in rows] == [4, 8, 10]
    assert 0 < rows[-1]["learning_rate"] < rows[0]["learning_rate"]


def test_the_average_is_what_is_loaded(with_recipe_once, record, network):
    folder = NetworkFolder(with_recipe_once)
    like = jax.eval_shape(lambda: initial_state(network, RECIPE, jax.random.key(0)))
    state = restore_latest(folder.checkpoints, identity(record), like)
    found = load_trained(with_recipe_once)[2]["params"]
    average = state.optimizer.average
    pairs = [jax.tree.leaves(tree) for tree in (found, average, state.weights)]
    for loaded, averaged, last in zip(*pairs, strict=True):
        np.testing.assert_array_equal(loaded, averaged)
        assert np.any(averaged != last)


def test_a_stopped_training_with_the_recipe_continues_to_the_same(
    with_recipe_once, with_recipe, recipe_program, tmp_path
):
    require_same_after_a_stop(
        with_recipe, recipe_program, 8, with_recipe_once, tmp_path
    )


@pytest.mark.slow
def test_streamed_frames_have_the_same_strips(with_recipe_once, with_recipe, tmp_path):
    with_recipe(tmp_path, device_mib=0.0)
    for one, other in zip(rows_of(tmp_path), rows_of(with_recipe_once), strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-5)


def test_minutes_are_measured_once_and_written_down(
    record, network, recipe_program, split_of, tmp_path, monkeypatch
):
    budgets = []

    def measured(minutes, *_):
        budgets.append(minutes)
        return Budget(5, 0.25)

    monkeypatch.setattr("emrnas_jax.training.retrain.steps_within", measured)
    settings = replace(RECIPE, minutes=2.0)
    for steps in (None, 5):  # a run that goes on knows its number of steps
        retrain_fold(
            "minutes",
            tmp_path,
            record,
            network,
            recipe_program,
            settings,
            steps,
            split_of(9),
            1,
            LOOP,
        )
    assert budgets == [2.0]
    plan = read_plan(NetworkFolder(tmp_path).plan)
    assert plan is not None
    assert (plan.steps, plan.seconds_per_step) == (5, 0.25)
    assert plan.settings["minutes"] == 2.0
    assert [row["step"] for row in rows_of(tmp_path)] == [4, 5]
