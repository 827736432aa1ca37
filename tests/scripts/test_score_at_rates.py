"""The script that scores the networks of a run at chosen rates."""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from dataclasses import replace

import numpy as np
import pytest
from ml_collections import ConfigDict

from emrnas_jax.experiment import protocol
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.runs.begun_with import read_config
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.scores import read_scores
from tests.fixtures.scripts import load_script

pytestmark = pytest.mark.slow
NAMES = ("zero_filled", "dccnn")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """A tiny run of DC-CNN at two rates; its report is not drawn."""
    folder = tmp_path_factory.mktemp("runs")
    config = load_config("configs/demo.py:tiny")
    config.networks = load_config("configs/demo.py:dccnn_small").networks
    config.networks.dccnn.update(components=1, width=4)
    config.data.cache = str(folder / "cache")
    config.sampling.update(kind="random", rate=0.5, center_fraction=0.1)
    config.folds.count = 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "write_report", lambda *_: folder)
        protocol.run_protocol(config, folder / "run")
    run = RunFolder(folder / "run")
    return Experiment(ConfigDict(read_config(run.config)), run.path)


@pytest.fixture(scope="module")
def script():
    return load_script("score_at_rates")


def test_at_its_own_rate_a_run_has_the_scores_that_it_wrote(script, experiment):
    found = script.evaluations(experiment, experiment.sampling, NAMES)
    for name in NAMES:
        files = experiment.network_folder(1, name)
        written = read_scores(files.scores(experiment.evaluation.convention))
        own = found[name].scores
        assert own.subject == written.subject
        np.testing.assert_allclose(own.psnr_db, written.psnr_db, rtol=1e-5)


def test_more_lines_give_better_scores(script, experiment):
    few, many = (
        script.evaluations(experiment, replace(experiment.sampling, rate=rate), NAMES)
        for rate in (0.25, 0.75)
    )
    assert few["dccnn"].scores.psnr_db.mean() < many["dccnn"].scores.psnr_db.mean()
    first, last = script.lines(few, "dccnn")
    assert "dccnn - this" in first
    assert "dccnn - this" not in last
