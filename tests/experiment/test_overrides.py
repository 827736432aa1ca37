"""Settings of the command line that cannot be are told with their whole key."""

from pathlib import Path

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.overrides import require_overrides

DEMO = Path(__file__).parents[2] / "configs" / "demo.py"


@pytest.fixture(scope="module")
def config():
    return load_config(f"{DEMO}:tiny")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--workdir=x", "--config=configs/demo.py"],
        ["--config.search.batch=2", "-config.seed=3", "--config.seed", "4"],
        ["--config.search.folds_in_parallel", "--noconfig.reduced"],
        ["--config.search.folds_in_parallel=true", "--config.retrain.momentum=0"],
        ["--config.networks.emrnas.architecture=[O1 O8]", "--config.data.path=a=b"],
        ["--config.networks={'unet': {}}"],
    ],
)
def test_what_the_config_has_may_be_set(words, config):
    require_overrides(config, words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--config.search.bach=2"],
            "search.bach: no 'bach' in search; the nearest is --config.search.batch",
        ),
        (
            ["--config.serch.batch=2"],
            "serch.batch: no 'serch' in the config; the nearest is "
            "--config.search.batch",
        ),
        (
            ["--config.epoch", "2"],
            "epoch: no 'epoch' in the config; the nearest is --config.retrain.epochs",
        ),
        (
            ["--config.zzz=2"],
            "zzz: no 'zzz' in the config; there are data, evaluation, folds, loop, "
            "networks, reduced, report, retrain, sampling, search, seed",
        ),
        (
            ["--config.networks.dccnn.kind=dccnn"],
            "networks.dccnn.kind: this run has no network 'dccnn'; it has emrnas. The "
            "variant of --config chooses the networks, as in configs/cardiac.py:dccnn",
        ),
        (
            ["--config.networks=dccnn"],
            "networks=dccnn: networks is a section; set what is in it, as in "
            "--config.networks.emrnas.architecture=VALUE. It has emrnas; the variant "
            "of --config chooses the networks, as in configs/cardiac.py:dccnn",
        ),
        (
            ["--config.networks.emrnas.retrain=2"],
            "networks.emrnas.retrain=2: networks.emrnas.retrain is a section",
        ),
        (
            ["--config.networks.emrnas.retrain.epochs=2"],
            "networks.emrnas.retrain.epochs: no 'epochs' in networks.emrnas.retrain; "
            "the nearest is --config.retrain.epochs",
        ),
        (
            ["--config.search.batch.size=2"],
            "search.batch.size: search.batch is a value, 2, and no section",
        ),
        (
            ["--config.search.batch=8.5"],
            "search.batch: expected a whole number, found '8.5'",
        ),
        (
            ["--config.search.batch", "--workdir=x"],
            "search.batch: expected a whole number, found '--workdir=x'",
        ),
        (
            ["--config.seed=1", "--config.retrain.momentum=high"],
            "retrain.momentum: expected a number, found 'high'",
        ),
        (
            ["--config.search.folds_in_parallel=maybe"],
            "search.folds_in_parallel: expected True or False, found 'maybe'",
        ),
    ],
)
def test_what_it_has_not_is_told(words, message, config):
    with pytest.raises(InputError) as raised:
        require_overrides(config, words)
    assert str(raised.value) == f"--config.{message}"
