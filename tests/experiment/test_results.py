"""The results of a run from its folds: pairs of networks, and the time of an epoch."""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import numpy as np
import pytest

from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.results import achieved_rate, compare, seconds_per_epoch
from emrnas_jax.experiment.scoring import once_for_like_folds
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.scores import Scores


def scores_of(psnr_db):
    """Scores of a fold of two subjects with as many frames as values."""
    count = len(psnr_db)
    values = np.asarray(psnr_db, float)
    return Scores(
        subject=tuple("ab"[i % 2] for i in range(count)),
        slice=np.zeros(count, int),
        frame=np.arange(count),
        psnr_db=values,
        ssim=values / 100,
        nmse=1 / values,
    )


def test_every_network_is_compared_with_those_before_it_under_both_measures():
    names = ("zero_filled", "dccnn", "emrnas")
    found = compare({name: [scores_of([1.0, 2.0])] for name in names}, seed=0)
    pairs = [(line.network, line.reference, line.measure) for line in found]
    assert pairs == [
        (network, reference, measure)
        for network, reference in (
            ("dccnn", "zero_filled"),
            ("emrnas", "zero_filled"),
            ("emrnas", "dccnn"),
        )
        for measure in ("psnr_db", "ssim")
    ]


def test_a_comparison_pairs_the_frames_of_all_folds():
    before = [scores_of([20.0, 30.0]), scores_of([25.0, 35.0, 40.0])]
    after = [scores_of([21.0, 32.0]), scores_of([28.0, 39.0, 45.0])]
    psnr, ssim = compare({"one": before, "other": after}, seed=0)
    assert psnr.mean_difference == pytest.approx(3)  # of 1, 2, 3, 4 and 5
    assert ssim.mean_difference == pytest.approx(0.03)
    assert psnr.frames == 5
    assert psnr.low <= 3 <= psnr.high
    assert compare({"one": before, "other": after}, seed=0)[0] == psnr


def folder_with(path, *seconds):
    path.mkdir()
    for step, value in enumerate(seconds, 1):
        record = {"epoch": step, "step": step, "seconds": value}
        metrics_log.append(NetworkFolder(path).metrics, record)
    return NetworkFolder(path)


def test_the_time_of_an_epoch_leaves_out_the_first_which_compiles(tmp_path):
    folders = [
        folder_with(tmp_path / "1", 90.0, 2.0, 2.0, 8.0),  # median 2
        folder_with(tmp_path / "2", 50.0, 4.0),
    ]
    assert seconds_per_epoch(folders) == 3.0


def test_one_epoch_or_none_has_no_time_of_its_own(tmp_path):
    alone = folder_with(tmp_path / "alone", 90.0)
    missing = NetworkFolder(tmp_path / "missing")
    assert seconds_per_epoch([alone, missing]) is None
    longer = folder_with(tmp_path / "longer", 90.0, 5.0)
    assert seconds_per_epoch([alone, longer]) == 5.0


def test_like_folds_share_what_was_made_and_another_record_makes_anew():
    made = []

    def make(record):
        made.append(record)
        return object()

    get = once_for_like_folds(make)
    first = get({"width": 4})
    assert get({"width": 4}) is first
    other = get({"width": 8})
    assert other is not first
    # Only the last is kept: its program may hold much memory.
    assert get({"width": 4}) is not first
    assert made == [{"width": 4}, {"width": 8}, {"width": 4}]


def test_the_achieved_rate_is_that_of_the_masks(tmp_path):
    """Of 16 lines `cartesian` measures the nearest whole number to the rate."""
    config = load_config("configs/demo.py:tiny")
    config.data.cache = str(tmp_path / "cache")
    config.sampling.rate = 0.25
    experiment = Experiment(config, tmp_path / "run")
    assert achieved_rate(experiment) == pytest.approx(4 / 16)
