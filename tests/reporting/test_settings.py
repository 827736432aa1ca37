"""The section `report` of runs of this version and of others."""

from dataclasses import replace

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.reporting.settings import ReportSettings, settings_of
from emrnas_jax.runs.run import read_run


@pytest.fixture
def settings(template):
    """Return the settings of a run whose config has a section `report`."""
    run = read_run(template)
    return lambda section: settings_of(replace(run, config={"report": section}))


def test_a_run_has_the_settings_of_its_config(settings):
    section = {"zoom": "1,2,3", "pdf": False}
    assert settings(section) == ReportSettings("1,2,3", pdf=False)


@pytest.mark.parametrize("section", [None, {}, {"of_a_newer_version": 1}])
def test_a_run_of_another_version_has_the_defaults(settings, section):
    assert settings(section) == ReportSettings()


@pytest.mark.parametrize(
    ("section", "message"),
    [({"pdf": "no"}, r"report\.pdf"), ({"zoom": "here"}, r"report\.zoom: .*'here'")],
)
def test_a_setting_that_cannot_be_used_is_named(settings, section, message):
    with pytest.raises(InputError, match=message):
        settings(section)
