"""Names in words, the order of networks, and the network that a run is about."""

import random

import pytest
from msgspec import structs

from emrnas_jax.models.catalogue import CATALOGUE
from emrnas_jax.reporting.networks import (
    best_other,
    in_order,
    main_network,
    shown,
    title_of,
    titles_of,
)
from emrnas_jax.runs.results import NetworkScore, Results

SCORE = NetworkScore(psnr_db_mean=30, psnr_db_std=0, ssim_mean=0, ssim_std=0, frames=1)


def results(*names, **networks):
    """Results of networks by name alone, as of an older run, and of given ones."""
    return Results(
        dataset="Hearts",
        sampling_rate=0.15,
        folds=1,
        networks=dict.fromkeys(names, SCORE) | networks,
    )


@pytest.mark.parametrize(
    ("name", "title", "group", "reference"),
    [
        ("zero_filled", "Zero-filled", "", ""),
        ("tv", "Total variation", "", ""),
        ("dccnn_matched", "DC-CNN, size-matched", "", "emrnas"),
        ("cddntdc_two_step", "CDDNTDC, two-step", "consistencies", "cddntdc_single"),
        ("emrnas_real", "EMR-NAS, real", "consistencies", "emrnas_single"),
        ("ablation_a", "A", "ablations", ""),
        ("ablation_c", "C", "ablations", "ablation_a"),
        ("ablation_g_single", "G, one operation", "ablations", "ablation_a"),
        ("random_2", "Random 2", "search variants", "one_path"),
        ("my_single", "my_single", "", ""),
        ("ablation_zz", "ablation_zz", "", ""),
    ],
)
def test_an_older_run_is_shown_as_the_catalogue_says(name, title, group, reference):
    assert shown(results(name), name) == (title, group, reference)


def test_what_the_results_say_comes_first():
    own = structs.replace(SCORE, title="Mine", group="ablations", reference="emrnas")
    found = results(dccnn=own)
    assert shown(found, "dccnn") == ("Mine", "ablations", "emrnas")
    assert title_of(found, "rdn") == "RDN"  # given up: it has no scores
    assert titles_of(found, ["rdn", "dccnn"], " − ") == "RDN − Mine"


def test_variations_follow_their_network_and_the_papers_own_comes_last():
    given = ["emrnas", "ablation_b", "mine", "dccnn_real", "emrnas_real", "another"]
    given += ["dccnn", "tv", "ablation_a", "dccnn_matched", "rdn", "zero_filled"]
    assert in_order(results(*given), given) == [
        *("zero_filled", "tv", "dccnn", "dccnn_matched", "dccnn_real", "rdn"),
        *("mine", "another", "ablation_a", "ablation_b", "emrnas_real", "emrnas"),
    ]


def test_an_ablation_of_ones_own_stands_beside_those_of_the_paper():
    own = structs.replace(SCORE, title="Mine", group="ablations")
    found = results("emrnas", "ablation_a", "other", mine=own)
    order = in_order(found, found.networks)
    assert order == ["other", "mine", "ablation_a", "emrnas"]


def test_the_order_does_not_depend_on_how_known_networks_were_given():
    names = [name for name in CATALOGUE if not name.startswith("random")]
    names = [n for n in names if CATALOGUE[n].group != "search variants"]
    shuffled = random.Random(0).sample(names, len(names))
    assert in_order(results(*names), names) == in_order(results(*names), shuffled)


def with_psnr(**values):
    return results(
        **{n: structs.replace(SCORE, psnr_db_mean=v) for n, v in values.items()}
    )


def test_a_run_is_about_the_papers_network_or_its_best():
    both = with_psnr(zero_filled=40.0, emrnas=30.0, ablation_a=31.0, rdn=33.0)
    assert main_network(both) == "emrnas"
    assert best_other(both) == "rdn"
    assert main_network(with_psnr(ablation_a=31.0, rdn=33.0)) == "ablation_a"
    others = with_psnr(zero_filled=40.0, unet=32.0, rdn=33.0)
    assert main_network(others) == "rdn"
    assert best_other(others) == "unet"


def test_zero_filling_alone_is_no_network():
    assert main_network(with_psnr(zero_filled=25.0)) is None
    assert best_other(with_psnr(zero_filled=25.0, rdn=30.0)) is None
