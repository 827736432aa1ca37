"""The sections of a config, and the paths of a run that has other operations."""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import pytest
from ml_collections import ConfigDict

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.experiment import paper
from emrnas_jax.experiment.sections import read_sections, with_every_path
from emrnas_jax.nas.space import OPERATIONS

EVERY = len(OPERATIONS)


@pytest.fixture
def config():
    return paper.settings("emrnas", "darts", "dccnn")


def test_sections_are_those_of_the_config(config):
    config.sampling.rate = 0.3
    config.folds.count = 5
    sections = read_sections(config.to_dict(), EVERY)
    assert sections.sampling == SamplingSettings(rate=0.3)
    assert sections.folds.count == 5
    assert sections.seed == 0


def test_a_config_without_a_report_is_that_of_an_older_version(config):
    settings = config.to_dict()
    del settings["report"]
    assert read_sections(settings, EVERY).report.zoom == ""


@pytest.mark.parametrize("name", ["data", "folds", "loop", "retrain", "seed"])
def test_a_section_that_is_missing_is_named(name, config):
    settings = config.to_dict()
    del settings[name]
    with pytest.raises(InputError, match=f"the config has no .*'{name}'"):
        read_sections(settings, EVERY)


def test_a_path_for_every_operation_is_one_for_each_of_the_run(config):
    config.search.paths_per_cell = EVERY
    changed = with_every_path(config, 9)
    assert changed.search.paths_per_cell == 9
    assert changed.networks.darts.search.paths_per_cell == 9
    assert config.networks.darts.search.paths_per_cell == EVERY  # a copy was changed


@pytest.mark.parametrize("paths", [1, 2])
def test_one_path_and_two_stay_what_they_are(paths, config):
    config.search.paths_per_cell = paths
    assert with_every_path(config, 9).search.paths_per_cell == paths


def test_what_is_no_section_is_left_for_the_checks_that_name_it():
    config = ConfigDict({"networks": "dccnn", "search": 3})
    assert with_every_path(config, 9).to_dict() == config.to_dict()
