"""Names, kinds, shared searches and drawn architectures of a run's networks."""

import dataclasses

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.experiment.networks import (
    random_architecture,
    read_networks,
    searches_of,
)
from emrnas_jax.models.catalogue import ABLATIONS
from emrnas_jax.nas.space import OPERATIONS
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.search_settings import SearchSettings

TRAINING = dataclasses.asdict(RetrainSettings())
SEARCH = dataclasses.asdict(SearchSettings())


def networks_of(**networks):
    return read_networks(networks, TRAINING, SEARCH)


def test_a_name_is_its_kind_unless_it_says_otherwise():
    found = networks_of(emrnas={}, deep={"kind": "emrnas", "cells_per_block": 4})
    assert [s.kind for s in found.values()] == ["emrnas", "emrnas"]
    assert found["deep"].settings["cells_per_block"] == 4
    assert found["emrnas"].settings["cells_per_block"] == 3


def test_networks_with_equal_searches_share_one():
    table = {
        name: {"kind": "emrnas", **own.settings} for name, own in ABLATIONS.items()
    }
    found = searches_of(networks_of(**table))
    assert [search.networks for search in found] == [
        ("ablation_a", "ablation_e"),
        ("ablation_b",),
        ("ablation_c",),
        ("ablation_f",),
        ("ablation_g",),
        ("ablation_g_single",),
    ]
    places = [search.folder_name for search in found]
    assert places[:2] == ["search", "search_ablation_b"]
    assert [search.own_name for search in found[:2]] == ["", "ablation_b"]


def test_a_network_may_search_in_its_own_way():
    found = networks_of(
        emrnas={}, darts={"kind": "emrnas", "search": {"paths_per_cell": 8}}
    )
    paths = [search.settings.paths_per_cell for search in searches_of(found)]
    assert paths == [1, 8]


def test_a_network_may_be_trained_in_its_own_way():
    found = networks_of(emrnas={}, slow={"kind": "emrnas", "retrain": {"epochs": 7}})
    assert [s.training.epochs for s in found.values()] == [100, 7]
    assert found["slow"].training.learning_rate == 1e-3


@pytest.mark.parametrize("given", ["random", "cardiac"])
def test_a_drawn_or_given_architecture_needs_no_search(given):
    assert not searches_of(networks_of(emrnas={"architecture": given}))


def test_a_drawn_architecture_follows_seed_and_name():
    found = networks_of(
        one={"kind": "emrnas", "architecture": "random"},
        other={"kind": "emrnas", "architecture": "random"},
    )
    first = random_architecture(found["one"], 3, OPERATIONS)
    assert first == random_architecture(found["one"], 3, OPERATIONS)
    assert first != random_architecture(found["one"], 4, OPERATIONS)
    assert first != random_architecture(found["other"], 3, OPERATIONS)
    assert [len(block) for block in first.blocks] == [3] * 5


def test_cells_that_share_a_choice_are_drawn_alike():
    found = networks_of(emrnas={"architecture": "random", "shared": "block"})
    blocks = random_architecture(found["emrnas"], 0, OPERATIONS).blocks
    assert len(set(blocks)) == 1
    assert len(set(blocks[0])) > 1


@pytest.mark.parametrize(
    ("name", "own", "message"),
    [
        ("../out", {"kind": "emrnas"}, "not a network's name"),
        ("search_2", {"kind": "emrnas"}, "neither search nor zero_filled"),
        ("zero_filled", {"kind": "emrnas"}, "neither search nor zero_filled"),
        ("mine", {}, "no network 'mine'; there are emrnas"),
        ("mine", {"kind": "vgg"}, r"networks\.mine\.kind: no network 'vgg'"),
        ("mine", {"kind": "emrnas", "widht": 3}, "network mine has no setting 'widht'"),
        ("mine", {"kind": "emrnas", "width": 0}, r"networks\.mine\.width: found 0"),
        ("emrnas", {"architecture": "best"}, "architecture 'best'"),
        (
            "emrnas",
            {"search": {"paths": 1}},
            r"networks\.emrnas\.search\.paths: .*no 'p",
        ),
        ("emrnas", {"search": {"paths_per_cell": 3}}, "choose one of 1, 2, 8"),
        (
            "emrnas",
            {"retrain": {"epoch": 1}},
            r"networks\.emrnas\.retrain\.epoch: .* epochs",
        ),
    ],
)
def test_what_cannot_be_a_network_is_named(name, own, message):
    with pytest.raises(InputError, match=message):
        networks_of(**{name: own})


FRONT_SEARCH = {"method": "front"}


def test_networks_of_several_places_of_a_front_share_its_search():
    small = {"kind": "wide", "components": 2, "search": FRONT_SEARCH}
    places = (
        "front_within_50_percent",
        "front_within_80_percent",
        "judged_within_80_percent",
        "candidate_1_of_9",
    )
    networks = networks_of(**{p: small | {"architecture": p} for p in places})
    assert {own.source for own in networks.values()} == {"front"}
    [search] = searches_of(networks)
    assert search.networks == places
    assert search.build().components == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"architecture": "front_within_50_percent"},
            "proxyless makes no front; choose front",
        ),
        (
            {"architecture": "candidate_3_of_2", "search": FRONT_SEARCH},
            r"w.architecture: found 'candidate_3_of_2'; count from 1 to 2",
        ),
        (
            {"architecture": "judged_within_101_percent", "search": FRONT_SEARCH},
            r"the percentage is of the slowest architecture's time, so at most 100",
        ),
        ({}, "w.search.method: found proxyless, and the operations of the wide space"),
        ({"architecture": "[O1|O2]"}, "no operation 'O1'; there are skip, thin"),
    ],
)
def test_what_a_front_or_the_wide_space_does_not_have_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        networks_of(w={"kind": "wide", "components": 2} | settings)
