"""The networks that have a name: what they are and how people see them."""

import pytest

from emrnas_jax.models.catalogue import (
    ABLATIONS,
    CATALOGUE,
    CONSISTENCIES,
    MATCHED,
    NamedNetwork,
    named,
)
from emrnas_jax.models.networks import NETWORKS, check_settings
from emrnas_jax.mri.consistency import CONSISTENCY
from emrnas_jax.training.search_settings import SearchSettings


def test_every_kind_has_a_title():
    for kind in NETWORKS:
        assert CATALOGUE[kind].kind == kind
        assert CATALOGUE[kind].title != kind


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_entry_is_a_network_that_there_is(name):
    entry = CATALOGUE[name]
    check_settings(entry.kind, dict(entry.settings), name)
    SearchSettings(**entry.search)


def test_no_two_networks_look_alike():
    titles = [entry.title for entry in CATALOGUE.values()]
    assert len(set(titles)) == len(titles)


def test_a_group_is_compared_with_one_of_its_own():
    for name, entry in CATALOGUE.items():
        if not entry.group:
            continue
        reference = CATALOGUE[entry.reference or name]
        assert reference.group == entry.group
        assert not reference.reference
        if entry.group != "consistencies":  # each network has its own reference there
            others = {o.reference for o in CATALOGUE.values() if o.group == entry.group}
            assert len(others - {""}) == 1


def test_a_reference_differs_from_its_network_in_what_is_compared():
    for name, entry in CONSISTENCIES.items():
        reference = CONSISTENCIES[entry.reference or name]
        assert reference.kind == entry.kind
        assert reference.settings == {"consistency": "single"}
    assert CATALOGUE["ablation_a"].settings == CATALOGUE["emrnas"].settings == {}
    assert all(entry.kind == "emrnas" for entry in ABLATIONS.values())
    assert {entry.reference for entry in MATCHED.values()} == {"emrnas"}


def test_there_is_a_network_for_every_consistency():
    found = {entry.settings["consistency"] for entry in CONSISTENCIES.values()}
    assert found == CONSISTENCY.keys()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("emrnas", "EMR-NAS"),
        ("tv", "Total variation"),
        ("rdn_matched", "RDN, size-matched"),
        ("dccnn_two_step", "DC-CNN, two-step"),
        ("emrnas_real", "EMR-NAS, real"),
        ("ablation_f", "F"),
        ("ablation_g_single", "G, one operation"),
        ("random_2", "Random 2"),
        ("no_decay", "One path, no decay"),
        ("reinforce", "REINFORCE"),
        ("zero_filled", "Zero-filled"),
        ("mine", "mine"),
    ],
)
def test_a_title_is_what_a_report_shows(name, title):
    assert named(name).title == title


def test_any_other_name_is_its_own_kind_and_has_no_group():
    assert named("mine") == NamedNetwork("mine", "mine")
