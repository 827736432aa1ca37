"""The settings of every config and variant, compared with a table of literal values.

`configs.json` does not follow from the defaults of the code, so a changed default shows
here, and with it which runs it changes. Keys are those of the command line.
"""

import json
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from emrnas_jax.experiment.overrides import require_overrides
from emrnas_jax.models.catalogue import CATALOGUE
from emrnas_jax.models.networks import NETWORKS
from emrnas_jax.training.retrain_settings import RetrainSettings

ROOT = Path(__file__).parents[2]
TABLE = json.loads((Path(__file__).parent / "configs.json").read_text())


def config_of(name: str) -> Any:
    stem, _, variant = name.partition(":")
    path = ROOT / "configs" / f"{stem}.py"
    return runpy.run_path(str(path))["get_config"](variant or None)


def flat(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """All settings by their whole key; an empty section is a value."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{place}{key}.")
        else:
            yield place + key, value


def parts_of(name: str) -> tuple[dict, dict]:
    """The networks of a config by name, and its other settings."""
    settings = config_of(name).to_dict()
    networks = settings.pop("networks")
    own = {name: dict(flat(values)) for name, values in networks.items()}
    return own, dict(flat(settings))


def typed(values: Mapping[str, Any]) -> dict[str, tuple[type, Any]]:
    """Settings with their types, by which the command line parses what it is given."""
    return {key: (type(value), value) for key, value in values.items()}


@pytest.mark.parametrize("name", TABLE["variants"])
def test_a_config_has_the_settings_of_the_table(name):
    networks, settings = parts_of(name)
    expected = TABLE["variants"][name]
    common = dict(TABLE["settings"])
    if "data.phantom.kind" in expected["settings"]:
        del common["data.phantom"]  # a section with settings is none itself
    assert typed(settings) == typed(common | expected["settings"])
    assert networks.keys() == expected["networks"].keys()
    for own, changes in expected["networks"].items():
        wanted = TABLE["networks"][own] | changes
        # null takes a default away.
        wanted = {key: value for key, value in wanted.items() if value is not None}
        assert typed(networks[own]) == typed(wanted)


def test_the_table_has_every_network_that_may_be_chosen():
    assert TABLE["networks"].keys() == {*NETWORKS, *CATALOGUE}


@pytest.mark.parametrize("name", TABLE["networks"])
def test_a_network_has_the_settings_of_the_table(name):
    networks, settings = parts_of(f"cardiac:{name}")
    assert typed(settings) == typed(TABLE["settings"])
    assert networks.keys() == {name}
    assert typed(networks[name]) == typed(TABLE["networks"][name])
    small, _ = parts_of(f"cardiac:{name}_small")
    assert typed(small[name]) == typed(TABLE["networks"][name] | TABLE["reduced"][name])


@pytest.mark.parametrize("name", ["cardiac", "cardiac:table2_small", "demo:tiny"])
def test_every_setting_may_be_given_on_the_command_line(name):
    config = config_of(name)
    for key, value in flat(config.to_dict()):
        if not isinstance(value, Mapping):
            require_overrides(config, [f"--config.{key}={value}"])


def test_every_part_of_the_recipe_is_left_out():
    """Each cascade differs from the recipe's in settings of its own training alone."""
    networks, settings = parts_of("cardiac:recipe")
    whole = networks.pop("recipe")
    assert whole["retrain"] == {}
    off = {f"retrain.{key}": value for key, value in asdict(RetrainSettings()).items()}
    left_out = set()
    for own in networks.values():
        assert (own | {"retrain": {}}).items() >= whole.items()
        left_out |= {key for key in own if key in off and own[key] == off[key]}
    parts = {key for key in off if settings[key] != off[key]}
    assert left_out == parts - {"retrain.steps"}
