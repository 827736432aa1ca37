"""The trials of the search: what is compared costs the same."""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from dataclasses import replace

import pytest

from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.networks import read_networks, searches_of


def networks_of(variant):
    config = load_config(f"configs/cardiac.py:{variant}")
    sections = config.networks, config.retrain, config.search
    return read_networks(*(own.to_dict() for own in sections)), config


@pytest.mark.parametrize("variant", ["variance", "ranking", "random", "paper"])
def test_all_networks_are_alike_but_for_their_architecture(variant):
    networks, config = networks_of(f"gate_{variant}")
    assert config.reduced
    [kind] = {own.kind for own in networks.values()}
    assert kind == ("emrnas" if variant == "paper" else "wide")
    first, *others = networks.values()
    for own in others:
        assert own.training == first.training
        assert own.settings | {"architecture": ""} == first.settings | {
            "architecture": ""
        }
    assert len({own.settings["architecture"] for own in networks.values()}) == len(
        networks
    )


def test_variance_trains_the_same_architectures_from_every_seed():
    found = []
    for seed in (0, 1):
        config = load_config("configs/cardiac.py:gate_variance")
        config.seed = seed
        found.append([own.architecture for own in config.networks.values()])
    assert found[0] == found[1]
    assert "ensemble" not in found[0]


def test_random_candidates_and_rounds_have_equal_searches_but_for_the_rounds():
    networks, _ = networks_of("gate_random")
    judged, front = sorted(searches_of(networks), key=lambda own: own.settings.rounds)
    assert {name.split("_")[0] for name in judged.networks} == {"judged"}
    assert {name.split("_")[0] for name in front.networks} == {"front"}
    assert (judged.settings.rounds, front.settings.rounds) == (1, 3)
    assert replace(front.settings, rounds=1) == judged.settings
    assert judged.settings.trains_candidates
    shares = [name.split("_")[1] for name in judged.networks]
    assert shares == [name.split("_")[1] for name in front.networks]


def test_the_paper_has_one_search_on_strips_of_larger_frames():
    networks, config = networks_of("gate_paper")
    [search] = searches_of(networks)
    assert search.settings.strip == networks["front"].training.strip == 32
    assert config.data.downsample == 2
