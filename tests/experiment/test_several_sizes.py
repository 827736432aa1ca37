"""A run on files of two sizes: from the search to a report and a reconstruction."""

from typing import Any

import h5py
import numpy as np
import pytest

from emrnas_jax.data.phantom import PhantomSettings, subject_images
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.protocol import run_protocol
from emrnas_jax.inference import load_model
from emrnas_jax.inference.differences import warnings_for
from emrnas_jax.inference.jobs import reconstruct_files
from emrnas_jax.inference.plan import Settings
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.run import read_run
from emrnas_jax.runs.scores import read_scores
from tests.fixtures.image_files import write_hdf5

pytestmark = pytest.mark.slow
SUBJECTS, FRAMES = 6, 4
SIZES = [(16, 16), (16, 20)]  # by turns


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of phantoms; the wide ones have a margin."""
    folder = tmp_path_factory.mktemp("files")
    phantom = PhantomSettings(subjects=SUBJECTS, slices=1, frames=FRAMES, size=16)
    for number in range(SUBJECTS):
        images = [named.image for named in subject_images(phantom, False, number)]
        margin = (SIZES[number % 2][1] - 16) // 2
        wide = np.pad(np.stack(images), [(0, 0), (0, 0), (margin, margin)])
        write_hdf5(folder, f"subject_{number}.h5", images=wide)
    return folder


def config_of(folder, cache):
    config: Any = load_config("configs/demo.py:tiny")
    config.data.path, config.data.cache = str(folder), str(cache)
    config.data.height = config.data.width = 0
    config.folds.count = 2
    config.networks.emrnas.cells_per_block = 1
    config.search.search_epochs = 1
    config.retrain.epochs = 2
    config.evaluation.examples = 4
    config.report.pdf = False
    return config


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    config = config_of(folder, work / "cache")
    run_protocol(config, work / "run")
    return config, work / "run"


def test_every_frame_is_scored_once(run):
    names = []
    for fold in RunFolder(run[1]).fold_folders():
        scores = read_scores(fold.network("emrnas").scores("paper"))
        names += zip(scores.subject, scores.slice.tolist(), strict=True)
        assert np.isfinite(scores.psnr_db).all()
    assert len(names) == len(set(names)) == SUBJECTS * FRAMES


def test_examples_of_both_sizes_are_drawn(run):
    content = read_run(run[1])
    shapes = {
        examples.images(i)[0].shape
        for fold in content.folds
        for examples in fold.examples.values()
        for i in range(len(examples.shape))
    }
    assert shapes == set(SIZES)
    figures = run[1] / "report" / "figures"
    assert len(list(figures.glob("reconstruction_fold_*.png"))) == 2 * 4


def test_the_plan_and_the_record_name_the_sizes(run, said):
    config, path = run
    run_protocol(config, path)  # all is finished, and the data are still the same
    assert any("16 x 20 (12), 16 x 16 (12) pixels" in line for line in said)
    assert "finished before" in " ".join(said)
    record = load_model(path).record
    assert (record.shape, record.other_shapes) == ((16, 20), ((16, 16),))


def test_strips_have_to_fit_into_every_size(run, tmp_path, folder):
    config = config_of(folder, run[0].data.cache)
    config.retrain.strip = 18
    with pytest.raises(InputError, match=r"retrain\.strip: .* which have 16 along"):
        Experiment(config, tmp_path / "run").folds  # noqa: B018


@pytest.mark.parametrize("number", [0, 1])
def test_both_sizes_are_reconstructed_without_a_warning(number, run, folder, tmp_path):
    model, path = load_model(run[1]), folder / f"subject_{number}.h5"
    reading = Reading("magnitude", "rows")
    found = warnings_for(model, read_scan(path, reading))
    assert not any("nothing is scaled" in text for text in found)
    summary = reconstruct_files(model, Settings(path, tmp_path, reading, 2))
    assert (summary.failed, summary.frames) == (0, FRAMES)
    with h5py.File(tmp_path / path.name) as file:
        assert np.asarray(file["reconstruction"]).shape == (FRAMES, *SIZES[number % 2])
