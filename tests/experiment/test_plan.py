"""What a run will do, as it says before it begins."""

import runpy
from pathlib import Path

import h5py
import numpy as np
import pytest

from emrnas_jax.experiment import paper
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.plan import plan

ROOT = Path(__file__).parents[2]


@pytest.fixture
def config(tmp_path):
    config = runpy.run_path(str(ROOT / "configs" / "demo.py"))["get_config"]("tiny")
    config.data.cache = str(tmp_path / "cache")
    return config


def test_a_new_run_says_its_data_searches_and_trainings(config, tmp_path):
    assert plan(Experiment(config, tmp_path / "run")) == [
        "data: 24 magnitude images of 6 subjects, 16 x 16 pixels, phantom_heart",
        "search for emrnas in each of 3 folds: 1 epoch of warm-up and 2 epochs of "
        "search",
        "training in each of 3 folds: emrnas, 3 epochs",
    ]


def test_data_of_files_are_named_by_their_folder(config, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(4):
        with h5py.File(folder / f"cardiac_p{number}.h5", "w") as file:
            levels = np.arange(3 * 2 * 16 * 16) % 251
            file["frames"] = levels.astype(np.uint8).reshape(3, 2, 16, 16)
    config.data.path = str(folder)
    data, *_ = plan(Experiment(config, tmp_path / "run"))
    assert data == (
        "data: 24 magnitude images of 4 subjects, 16 x 16 pixels, cardiac_hdf5 of "
        f"{folder}"
    )


def test_networks_that_train_alike_are_said_together(config, tmp_path):
    paper.use(config, ["emrnas", "unet", "tv", "dccnn", "ablation_b"])
    config.networks.dccnn.retrain = {"epochs": 1}
    config.search.warmup_epochs = 0
    assert plan(Experiment(config, tmp_path / "run"))[1:] == [
        "search for emrnas in each of 3 folds: 0 epochs of warm-up and 2 epochs of "
        "search",
        "search for ablation_b in each of 3 folds: 0 epochs of warm-up and 2 epochs of "
        "search",
        "training in each of 3 folds: emrnas, unet and ablation_b, 3 epochs; tv, whose "
        "strength is fitted; dccnn, 1 epoch",
    ]


def test_what_is_finished_already_is_said(config, tmp_path):
    paper.use(config, ["emrnas", "unet", "dccnn", "ablation_b"])
    run = tmp_path / "run"
    experiment = Experiment(config, run)
    finished = [f"fold_{k}/search/architecture.json" for k in (1, 2, 3)]
    finished += [f"fold_{k}/unet/scores.csv" for k in (1, 2, 3)]
    finished += ["fold_1/search_ablation_b/architecture.json"]
    finished += ["fold_1/dccnn/scores.csv", "fold_3/dccnn/scores.csv"]
    finished += ["fold_2/dccnn/scores_fastmri.csv"]  # of another convention
    for name in finished:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).touch()
    assert plan(experiment)[-1] == (
        "finished before: search and unet in every fold; search for ablation_b in fold "
        "1; dccnn in folds 1 and 3"
    )
