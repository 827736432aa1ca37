"""A folder belongs to one config; what older configs lack counts as it was then."""

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.runs.begun_with import (
    refuse_other_config,
    refuse_other_data,
    write_config,
    write_data,
)
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


@pytest.mark.parametrize(
    "free",
    [
        {"loop": {"checkpoint_seconds": 5}},
        {"report": {"zoom": "1,2,3"}},
        {"data": {"path": "elsewhere", "cache": "there"}},
    ],
)
def test_settings_that_move_no_weight_may_change(run, free):
    write_config(run.config, OLD | {"data": {"path": "here", "cache": "here"}})
    config = NOW | {"data": {"path": "here", "cache": "here"}} | free
    assert refuse_other_config(run, config) == OLD["networks"]


def test_an_older_run_on_coils_keeps_the_image_that_their_maps_combine(run):
    write_config(run.config, OLD | {"data": {"coils": 8}})
    refuse_other_config(run, NOW | {"data": {"coils": 8, "target": "combined"}})
    with pytest.raises(InputError, match=r"data\.target was 'combined', now 'rss'"):
        refuse_other_config(run, NOW | {"data": {"coils": 8, "target": "rss"}})


def test_networks_may_come_and_go(run):
    config = changed("networks", unet={"width": 8})
    assert refuse_other_config(run, config) == OLD["networks"]
    assert refuse_other_config(run, NOW | {"networks": {}}) == OLD["networks"]


def test_the_one_architecture_of_an_older_run_is_that_of_each_network(run):
    write_config(run.config, OLD | {"architecture": "cardiac"})
    own = {"width": 16, "architecture": "cardiac"}
    assert refuse_other_config(run, changed("networks", emrnas=own)) == {"emrnas": own}
    with pytest.raises(InputError, match=r"emrnas\.architecture was 'cardiac'"):
        refuse_other_config(run, NOW)


def test_a_run_that_has_not_begun_takes_any_config(tmp_path):
    assert refuse_other_config(RunFolder(tmp_path / "new"), NOW) == {}


@pytest.mark.parametrize("config", [{}, {"networks": ["emrnas"]}])
def test_a_config_without_networks_is_damaged(run, config):
    write_config(run.config, config)
    with pytest.raises(InputError, match=r"config\.json: damaged .*--workdir"):
        refuse_other_config(run, NOW)


DATA = {"source": "phantom", "images": 24, "pixels": 77}


def test_the_same_data_are_accepted_and_others_named(run):
    write_data(run.data, DATA | {"written_by": "a newer version"})
    refuse_other_data(run, DATA)
    with pytest.raises(
        InputError, match=r"images was 24, now 25; pixels was 77, now 1"
    ):
        refuse_other_data(run, DATA | {"images": 25, "pixels": 1})


def test_what_only_the_data_now_have_is_a_difference(run):
    """An older version did not look at it, so the data may be others."""
    write_data(run.data, DATA)
    with pytest.raises(InputError, match=r"names was None, now 5"):
        refuse_other_data(run, DATA | {"names": 5})
