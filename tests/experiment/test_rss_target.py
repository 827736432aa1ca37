"""Targets and scores as fastMRI has them, from phantoms to reconstructed files."""

import inspect
from typing import Any

import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.experiment import fold_training, paper, protocol
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.inference import load_model
from emrnas_jax.inference.jobs import reconstruct_files
from emrnas_jax.inference.plan import Settings
from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.results import read_results
from emrnas_jax.runs.run import read_run
from emrnas_jax.runs.run_scores import read_run_scores

pytestmark = pytest.mark.slow
NETWORKS = ("emrnas", "varnet", "sense")
CROP = 9
SHAPE, COILS = (32, 104), 5


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A searched network, learned maps, and a fitted weight, on simulated coils."""
    config: Any = load_config("configs/demo.py:multicoil_tiny")
    config.data.cache = str(tmp_path_factory.mktemp("cache"))
    config.data.target = "rss"
    config.folds.count = 2
    emrnas = config.networks.emrnas
    paper.use(config, NETWORKS)
    config.networks.emrnas.update(emrnas)
    config.networks.varnet.update(
        components=2, width=4, pools=1, map_width=4, map_pools=1, learned_maps=True
    )
    config.evaluation.update(convention="fastmri", crop=CROP)
    return config


def run_without_report(config, folder):
    """Run all stages but the report, which takes longest.

    Returns:
        The kinds of target with which programs were made.
    """
    kinds = []

    def noted(make):
        def noting(*given, **named):
            own = inspect.signature(make).bind(*given, **named)
            kinds.append(own.arguments["target_kind"])
            return make(*given, **named)

        return noting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "write_report", lambda *_: folder)
        for name in ("search_programs", "training_program"):
            patch.setattr(fold_training, name, noted(getattr(fold_training, name)))
        protocol.run_protocol(config, folder)
    return kinds


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    kinds = run_without_report(config, folder)
    # One search, and the training of the two networks that are trained.
    assert kinds == [TargetKind.RSS] * 3
    return folder


def test_every_network_was_scored_as_fastmri_does(run):
    results = read_results(RunFolder(run).results)
    assert results.networks.keys() == {"zero_filled", *NETWORKS}
    assert (results.convention, results.crop) == ("fastmri", CROP)
    assert results.metrics.endswith(
        "of the middle 9 x 9 pixels, target the root of the sum of squares of the coils"
    )
    fold = RunFolder(run).fold(1)
    for name in results.networks:
        assert fold.network(name).scores("fastmri", CROP).is_file()
        assert fold.network(name).examples("fastmri", CROP).is_file()
    assert set(read_run(run).folds[0].scores) == set(results.networks)
    assert load_model(run, network="varnet").record.target is TargetKind.RSS


def test_another_crop_is_scored_anew_and_beside_the_first(run, config):
    first = read_run_scores(run)
    config.evaluation.crop = 0
    try:
        assert run_without_report(config, run) == []  # nothing is trained again
        whole = read_run_scores(run)
        assert read_results(RunFolder(run).results).crop == 0
    finally:
        config.evaluation.crop = CROP
    for name in NETWORKS:
        one, other = (scores.values[name]["psnr_db"] for scores in (first, whole))
        assert one.shape == other.shape
        assert np.all(one != other)
    assert RunFolder(run).fold(1).network("emrnas").scores("fastmri", CROP).is_file()
    run_without_report(config, run)  # the first scores are found again
    again = read_run_scores(run)
    np.testing.assert_array_equal(
        again.values["varnet"]["psnr_db"], first.values["varnet"]["psnr_db"]
    )


@pytest.mark.parametrize("name", ["emrnas", "varnet"])
def test_the_result_of_such_a_network_is_a_magnitude(name, run, tmp_path, write, capfd):
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    image = (np.hypot(y, x) < 0.7) * (1 + 0.3 * np.cos(5 * x)) * np.exp(1j * x)
    images = image * np.asarray(birdcage_maps(COILS, SHAPE))
    noise = np.random.default_rng(0).normal(0, 0.003, (2, COILS, *SHAPE))
    kspace = np.fft.fft2(images + noise[0] + 1j * noise[1], norm="ortho")[None]
    path = write.hdf5(tmp_path, "scan.h5", kspace=kspace)
    reading = Reading("complex", "columns", "plain")
    settings = Settings(path, tmp_path / "out", reading, 1)
    summary = reconstruct_files(load_model(run, network=name), settings)
    assert (summary.failed, summary.frames) == (0, 1)
    assert "scored against the root of the sum of squares" in capfd.readouterr().out
    with h5py.File(tmp_path / "out" / "scan.h5") as file:
        found, psnr = np.asarray(file["reconstruction"]), np.asarray(file["psnr_db"])
        assert file.attrs["images"] == "magnitude"
    assert found.dtype == np.float32
    # A few steps learn little: what counts is that nothing is lost on the way.
    assert psnr[0] > 18
