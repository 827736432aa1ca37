"""The names of a run's files: other programs and older runs rely on them."""

from pathlib import Path

import pytest

from emrnas_jax.runs.folder import (
    FoldFolder,
    NetworkFolder,
    RunFolder,
    is_fold,
    network_at,
    search_folder_name,
)

RUN = RunFolder(Path("RUN"))
FOLD = RUN.fold(3)
NETWORK = FOLD.network("emrnas")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (RUN.config, "config.json"),
        (RUN.data, "data.json"),
        (RUN.folds, "folds.json"),
        (RUN.operations, "operations.json"),
        (RUN.provenance, "provenance.json"),
        (RUN.results, "results.json"),
        (RUN.page, "report/index.html"),
        (RUN.architecture(), "architecture.json"),
        (RUN.architecture("ablation_b"), "architecture_ablation_b.json"),
        (FOLD.search().architecture, "fold_3/search/architecture.json"),
        (FOLD.search().candidates, "fold_3/search/candidates.jsonl"),
        (FOLD.search("ablation_b").metrics, "fold_3/search_ablation_b/metrics.jsonl"),
        (NETWORK.record, "fold_3/emrnas/network.json"),
        (NETWORK.plan, "fold_3/emrnas/training.json"),
        (NETWORK.fit, "fold_3/emrnas/strength.json"),
        (NETWORK.cost, "fold_3/emrnas/cost.json"),
        (NETWORK.metrics, "fold_3/emrnas/metrics.jsonl"),
        (NETWORK.tensorboard, "fold_3/emrnas/tensorboard"),
        (NETWORK.checkpoint(1200), "fold_3/emrnas/checkpoints/1200"),
        (NETWORK.scores("paper"), "fold_3/emrnas/scores.csv"),
        (NETWORK.scores("fastmri"), "fold_3/emrnas/scores_fastmri.csv"),
        (NETWORK.scores("paper", 320), "fold_3/emrnas/scores_crop_320.csv"),
        (NETWORK.scores("fastmri", 320), "fold_3/emrnas/scores_fastmri_crop_320.csv"),
        (NETWORK.examples("paper"), "fold_3/emrnas/examples.npz"),
        (NETWORK.examples("paper", 8), "fold_3/emrnas/examples_crop_8.npz"),
        (NETWORK.examples("calgary"), "fold_3/emrnas/examples_calgary.npz"),
    ],
)
def test_every_file_has_the_name_that_it_always_had(path, name):
    assert path == Path("RUN") / name


def test_no_two_files_of_a_network_have_one_name():
    own = [NETWORK.record, NETWORK.plan, NETWORK.fit, NETWORK.cost, NETWORK.metrics]
    own += [NETWORK.tensorboard, NETWORK.checkpoints]
    ways = [(c, crop) for c in ("paper", "fastmri", "calgary") for crop in (0, 8, 32)]
    own += [NETWORK.scores(*way) for way in ways]
    own += [NETWORK.examples(*way) for way in ways]
    assert len(set(own)) == len(own)


def test_the_first_search_has_no_suffix():
    assert search_folder_name() == "search"
    assert search_folder_name("ablation_b") == "search_ablation_b"


def test_a_fold_knows_its_number_and_its_run():
    assert (FOLD.number, FOLD.run) == (3, RUN)


def test_folds_come_in_the_order_of_their_numbers(tmp_path):
    for name in ("fold_10", "fold_2", "fold_old", "fold_0", "fold_02", "search"):
        (tmp_path / name).mkdir()
    (tmp_path / "fold_3").write_text("a file")
    folds = RunFolder(tmp_path).fold_folders()
    assert [fold.number for fold in folds] == [2, 10]
    assert folds[0] == RunFolder(tmp_path).fold(2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("fold_1", True), ("fold_12", True), ("fold_0", False), ("fold_1a", False)],
)
def test_a_fold_is_known_by_its_name(name, expected):
    assert is_fold(Path("RUN") / name) == expected


def test_steps_are_those_of_whole_checkpoints(tmp_path):
    network = NetworkFolder(tmp_path)
    assert network.steps() == []
    for name in ("100", "20", "120.orbax-checkpoint-tmp"):
        (network.checkpoints / name).mkdir(parents=True)
    assert network.steps() == [20, 100]


def test_a_network_is_scored_under_whichever_convention(tmp_path):
    network = NetworkFolder(tmp_path)
    assert not network.is_scored()
    network.scores("calgary").write_text("")
    assert network.is_scored()


def test_trained_networks_are_those_with_a_record(tmp_path):
    fold = FoldFolder(tmp_path)
    for name in ("unet", "dccnn", "zero_filled"):
        fold.network(name).path.mkdir()
    for name in ("unet", "dccnn"):
        fold.network(name).record.write_text("{}")
    assert fold.trained() == ["dccnn", "unet"]


def test_the_logs_of_all_searches_are_found_and_no_others(tmp_path):
    run = RunFolder(tmp_path)
    logs = [run.fold(1).search(), run.fold(2).search("b"), run.fold(2).network("unet")]
    for folder in logs:
        folder.path.mkdir(parents=True)
        folder.metrics.write_text("")
    assert list(run.search_logs()) == [folder.metrics for folder in logs[:2]]


def test_a_networks_fold_is_known_also_through_a_link(tmp_path):
    network = RunFolder(tmp_path).fold(2).network("unet")
    network.path.mkdir(parents=True)
    (tmp_path / "link").symlink_to(network.path)
    fold = NetworkFolder(tmp_path / "link").fold()
    assert fold is not None
    assert (fold.number, fold.run.path) == (2, tmp_path.resolve())
    assert NetworkFolder(tmp_path / "copied").fold() is None


@pytest.mark.parametrize("start", ["RUN/fold_1/unet", "unet", "/RUN/fold_1/unet"])
def test_a_network_is_found_from_its_checkpoints(start):
    network = NetworkFolder(Path(start))
    assert network_at(network.path) == (network, None)
    assert network_at(network.checkpoints) == (network, None)
    assert network_at(network.checkpoint(70)) == (network, 70)


def test_a_network_named_as_a_number_is_no_checkpoint():
    network = NetworkFolder(Path("RUN/fold_1/12"))
    assert network_at(network.path) == (network, None)
