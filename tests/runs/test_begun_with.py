"""A folder belongs to one config; what older configs lack counts as it was then."""

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.runs.begun_with import refuse_other_config, write_config
from emrnas_jax.runs.folder import RunFolder

NOW = {
    "search": {"batch": 8, "alpha_epsilon": 1e-8, "folds_in_parallel": False},
    "networks": {"emrnas": {"width": 16, "precision": "float32"}},
}
OLD = {"search": {"batch": 8}, "networks": {"emrnas": {"width": 16}}}


def changed(section, **values):
    return NOW | {section: NOW[section] | values}


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path)
    write_config(run.config, OLD)
    return run


def test_a_run_from_before_a_setting_continues_with_its_earlier_value(run):
    refuse_other_config(run, NOW)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (changed("search", alpha_epsilon=1e-12), "alpha_epsilon was 1e-08, now 1e-12"),
        (
            changed("networks", emrnas={"width": 16, "precision": "bf16"}),
            r"emrnas\.precision was 'float32', now 'bf16'",
        ),
        (changed("search", batch=4), r"search\.batch was 8, now 4"),
        (changed("search", unheard_of=1), r"search\.unheard_of was None, now 1"),
    ],
)
def test_another_value_than_the_run_had_is_refused(config, named, run):
    with pytest.raises(InputError, match=named):
        refuse_other_config(run, config)
