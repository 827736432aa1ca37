"""Scores of several runs: means as in results.json, groups, runs that do not fit."""

import shutil

import numpy as np
import pytest
from msgspec import structs

from emrnas_jax.errors import InputError
from emrnas_jax.runs.begun_with import read_config, read_data, write_config, write_data
from emrnas_jax.runs.folder import PAPER, RunFolder
from emrnas_jax.runs.results import read_results, write_results
from emrnas_jax.runs.run_scores import (
    grouped,
    read_run_scores,
    refuse_other_conventions,
    refuse_repeated_paths,
)
from emrnas_jax.runs.scores import read_scores, write_scores


@pytest.fixture
def other(run, tmp_path):
    """A copy of a run, which may be changed."""
    return RunFolder(shutil.copytree(run, tmp_path / "other"))


def test_means_are_those_of_the_results(template):
    scores = read_run_scores(template)
    for name, own in read_results(RunFolder(template).results).networks.items():
        assert scores.mean(name, "psnr_db") == pytest.approx(own.psnr_db_mean)
        assert scores.mean(name, "ssim") == pytest.approx(own.ssim_mean)


def test_every_frame_has_its_fold_and_subject(template):
    scores = read_run_scores(template)
    assert scores.folds.tolist() == [1] * 6 + [2] * 6 + [3] * 6
    assert sorted(set(scores.subjects)) == [f"heart_{n:02d}" for n in range(1, 7)]
    assert (scores.unit, scores.metrics.partition(":")[0]) == ("frame", "paper")


def test_a_group_is_the_mean_of_its_members_frame_by_frame():
    values = {
        name: {"psnr_db": np.array([value, 0.0]), "ssim": np.array([0.0, value])}
        for name, value in (("random_1", 1.0), ("random_2", 3.0), ("dccnn", 7.0))
    }
    found = grouped(values)
    assert list(found) == ["random", "dccnn"]
    np.testing.assert_array_equal(found["random"]["psnr_db"], [2.0, 0.0])
    np.testing.assert_array_equal(found["random"]["ssim"], [0.0, 2.0])


def test_a_network_scored_on_other_frames_is_named(other):
    path = other.fold(2).network("emrnas").scores(PAPER)
    scores = read_scores(path)
    write_scores(path, scores._replace(frame=scores.frame[::-1]))
    with pytest.raises(InputError, match=r"other: emrnas was scored on other frames"):
        read_run_scores(other.path)


def test_a_table_that_is_missing_is_named(other):
    other.fold(3).network("dccnn").scores(PAPER).unlink()
    with pytest.raises(InputError, match=r"fold_3/dccnn/scores\.csv"):
        read_run_scores(other.path)


def test_a_run_and_its_copy_fit_each_other(run, other):
    refuse_other_conventions([run, other.path])
    refuse_repeated_paths([run, other.path])


def change_config(run):
    config = read_config(run.config)
    config["sampling"]["rate"] = 0.25
    write_config(run.config, config)


def change_data(run):
    write_data(run.data, read_data(run.data) | {"images": 7})


def change_metrics(run):
    results = read_results(run.results)
    write_results(run.results, structs.replace(results, metrics="calgary: per frame"))


def change_folds(run):
    results = read_results(run.results)
    write_results(run.results, structs.replace(results, folds=2))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (change_config, r"sampling\.rate is 0\.25 there and 0\.15 here"),
        (change_data, r"data\.images is 7 there and 18 here"),
        (change_metrics, r"metrics is 'calgary: per frame' there"),
        (change_folds, r"folds is 2 there and 3 here"),
    ],
)
def test_a_run_that_does_not_fit_is_named_with_what_differs(run, other, change, named):
    change(other)
    with pytest.raises(InputError, match=rf"other cannot be compared .*: {named}"):
        refuse_other_conventions([run, other.path])


def test_a_config_without_sampling_is_refused(run, other):
    write_config(other.config, {"seed": 3})
    with pytest.raises(InputError, match=r"config\.json: damaged \(no sampling\)"):
        refuse_other_conventions([run, other.path])


def test_a_run_given_by_two_paths_is_refused(run):
    with pytest.raises(InputError, match=r"are the same run"):
        refuse_repeated_paths([run, run / ".." / run.name])
