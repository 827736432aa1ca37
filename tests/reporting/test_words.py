"""The sentences and facts of a page, from results and configs of several kinds."""

import pytest

from emrnas_jax.reporting import words
from emrnas_jax.runs.results import NetworkScore, Results
from emrnas_jax.runs.run import Run


def score(psnr_db, **own):
    return NetworkScore(
        psnr_db_mean=psnr_db,
        psnr_db_std=0.1,
        ssim_mean=0.9,
        ssim_std=0.01,
        frames=9,
        **own,
    )


@pytest.fixture
def a_run(tmp_path):
    def make(config=None, **networks):
        results = Results(
            dataset="Hearts",
            sampling_rate=0.15,
            achieved_rate=0.152,
            folds=3,
            convention="paper",
            unit="frame",
            networks=networks or {"zero_filled": score(25.0)},
        )
        return Run(tmp_path / "a_name", config or {}, results, None, [], ())

    return make


def test_a_setting_is_read_where_it_stands_and_nowhere_else(a_run):
    config = {
        "other": {"seed": 7, "consistency": "real", "sampling": {"kind": "random"}},
        "networks": {
            "unet": {"kind": "unet", "consistency": "single"},
            "rdn": {"consistency": "two_step"},
            "dccnn": {"consistency": "single"},
            "tv": {"kind": "tv"},
        },
    }
    found = words.facts(a_run(config))
    assert "Seed" not in found
    assert found["Consistency"] == "single, two_step"
    assert "magnitude images only" not in " ".join(words.protocol(a_run(config)))
    assert words.facts(a_run({"seed": 0}))["Seed"] == "0"


def test_an_older_config_has_one_network_in_a_section_of_its_own(a_run):
    run = a_run({"model": {"consistency": "real"}})
    assert words.facts(run)["Consistency"] == "real"
    assert "magnitude images only" in " ".join(words.protocol(run))


@pytest.mark.parametrize(
    ("sampling", "sentence"),
    [
        (
            {"kind": "cartesian", "phase_encode": "rows"},
            "of the rows of k-space; lines",
        ),
        (
            {"kind": "random", "center_fraction": 0.04, "phase_encode": "columns"},
            "of the columns of k-space; the middle 4 % of the lines is always measured",
        ),
        (
            {"kind": "equispaced", "center_fraction": 0.08},
            "the middle 8 % of the lines",
        ),
        (
            {"kind": "cartesian", "rate": 0.15, "other_rates": "0.05,0.3"},
            "of the lines of k-space (one of 15 %, 5 %, 30 % in each); lines",
        ),
        (
            {"kind": "file", "file": "masks.mat"},
            "each mask is drawn from those in masks",
        ),
        ({}, "15 % (15.2 % in the test masks) of the lines of k-space. Training"),
    ],
)
def test_the_masks_are_described_by_their_kind(a_run, sampling, sentence):
    text = " ".join(words.protocol(a_run({"sampling": sampling})))
    assert sentence in text.replace("\u00a0", " ")


def test_a_warning_comes_before_anything_else(a_run):
    assert words.warnings(a_run({"reduced": True})) == ["Reduced-size run"]
    assert words.warnings(a_run({"reduced": False})) == words.warnings(a_run()) == []
    assert words.protocol(a_run({"reduced": True}))[0].startswith("This is a reduced")


def test_zero_filling_alone_says_that_there_is_no_network(a_run):
    (sentence,) = words.lead(a_run())
    assert sentence == (
        "Zero-filling reaches 25.00 dB on 9 test frames of 3 folds; the run has no "
        "network yet."
    )


def test_a_network_without_zero_filling_has_its_scores_alone(a_run):
    lead = words.lead(a_run(unet=score(31.5, parameters=1234)))
    assert (
        lead[0] == "U-Net reaches 31.50 dB and SSIM 0.9000 on 9 test frames of 3 folds."
    )
    assert lead[-1] == "It has 1,234 parameters."


def test_an_ablation_is_called_a_model(a_run):
    networks = {"ablation_a": score(31.0), "ablation_b": score(31.5)}
    lead = " ".join(words.lead(a_run(**networks)))
    assert "Model A reaches 31.00 dB" in lead
    assert "It is 0.50 dB behind model B, the best of the other networks." in lead


def test_the_heading_names_the_data_and_the_folder(a_run):
    assert words.heading(a_run()) == "Hearts: run a_name"
