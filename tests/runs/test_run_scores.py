"""Scores of several runs: means as in results.json, groups, runs that do not fit."""

import shutil

import numpy as np
import pytest
from msgspec import structs

from emrnas_jax.errors import InputError
from emrnas_jax.runs.begun_with import read_config, read_data, write_config, write_data
from emrnas_jax.runs.folder import PAPER, RunFolder
from emrnas_jax.runs.results import NetworkScore, read_results, write_results
from emrnas_jax.runs.run_scores import (
    grouped,
    read_run_scores,
    refuse_other_conventions,
    refuse_repeated_paths,
)
from emrnas_jax.runs.scores import read_scores, write_scores

SCORE = NetworkScore(psnr_db_mean=0, psnr_db_std=0, ssim_mean=0, ssim_std=0, frames=2)


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


def score(kind, source="", title="A title", group="", **settings):
    own = {"kind": kind, "architecture_source": source, "settings": settings}
    return structs.replace(SCORE, title=title, group=group, **own)


def ones(networks):
    return {
        name: {"psnr_db": np.full(2, 30.0 + i), "ssim": np.full(2, i / 10)}
        for i, name in enumerate(networks)
    }


def test_draws_of_one_random_architecture_are_averaged():
    networks = {
        "unet": score("unet"),
        "mine_1": score("emrnas", "random", width=8, architecture="[O1]"),
        "given": score("emrnas", "given", width=8, architecture="[O1]"),
        "mine_2": score("emrnas", "random", width=8, architecture="[O2]"),
        "ablation_d": score("emrnas", "random", group="ablations", width=8),
        "wide": score("emrnas", "random", width=16, architecture="[O2]"),
    }
    found = grouped(ones(networks), networks)
    assert list(found) == ["unet", "random", "given", "ablation_d", "wide"]
    np.testing.assert_allclose(found["random"]["psnr_db"], [32, 32])  # of 31 and 33
    np.testing.assert_allclose(found["random"]["ssim"], [0.2, 0.2])
    np.testing.assert_allclose(found["wide"]["psnr_db"], [35, 35])


def test_a_group_whose_name_is_taken_stays_apart():
    draws = {f"small_{n}": score("emrnas", "random", width=8) for n in (1, 2)}
    more = {f"large_{n}": score("emrnas", "random", width=16) for n in (1, 2)}
    for networks in (draws | more, draws | {"random": score("unet")}):
        assert list(grouped(ones(networks), networks)) == list(networks)


def test_older_runs_number_their_draws():
    """A number alone, or of a network that there is, makes no group."""
    names = ["ablation_1", "unet", "unet_1", "unet_2", "random_1", "random_2"]
    networks = dict.fromkeys(names, SCORE)
    found = grouped(ones(names), networks)
    assert list(found) == ["ablation_1", "unet", "unet_1", "unet_2", "random"]
    np.testing.assert_allclose(found["random"]["psnr_db"], [34.5, 34.5])


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
