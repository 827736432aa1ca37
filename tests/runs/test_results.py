"""`results.json`: what is written comes back, and what older versions wrote is read."""

import json

import pytest
from msgspec import structs, to_builtins

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import CONVENTIONS
from emrnas_jax.runs.results import (
    ROOFLINE,
    UNITS,
    Comparison,
    NetworkScore,
    Results,
    SearchLine,
    metrics_sentence,
    read_results,
    write_results,
)

SCORE = NetworkScore(
    psnr_db_mean=34.5,
    psnr_db_std=0.5,
    ssim_mean=0.95,
    ssim_std=0.01,
    frames=33,
    parameters=324_186,
    seconds_per_frame=0.05,
    device="CPU",
    settings={"width": 32, "architecture": "[O1|O2]"},
)
RESULTS = Results(
    dataset="Hearts",
    sampling_rate=0.15,
    folds=3,
    convention="fastmri",
    unit="volume",
    metrics="fastmri: per volume",
    networks={"zero_filled": SCORE, "emrnas": structs.replace(SCORE, title="EMR-NAS")},
    comparisons=(
        Comparison(
            network="emrnas",
            reference="zero_filled",
            measure="psnr_db",
            mean_difference=1.5,
            low=1.0,
            high=2.0,
            frames=33,
        ),
    ),
    searches={"emrnas": SearchLine(architecture="[O1]", networks=("emrnas",))},
)

# What the first version wrote of a run.
OLDEST = {
    "dataset": "Hearts",
    "sampling_rate": 0.15,
    "folds": 3,
    "networks": {
        "emrnas": {
            "psnr_db_mean": 34,
            "psnr_db_std": 0.5,
            "ssim_mean": 0.95,
            "ssim_std": 0.01,
            "frames": 33,
        }
    },
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.json"


def rewritten(path, record):
    path.write_text(json.dumps(record))
    return path


def test_results_come_back(path):
    write_results(path, RESULTS)
    assert read_results(path) == RESULTS


def test_convention_and_unit_stand_beside_the_sentence(path):
    write_results(path, RESULTS)
    record = json.loads(path.read_text())
    assert record["convention"] == "fastmri"
    assert record["unit"] == "volume"
    assert record["metrics"] == "fastmri: per volume"


def test_networks_keep_their_order(path):
    names = ["zero_filled", "unet", "dccnn", "a"]
    write_results(path, structs.replace(RESULTS, networks=dict.fromkeys(names, SCORE)))
    assert list(read_results(path).networks) == names


@pytest.mark.parametrize(
    ("metrics", "convention", "unit"),
    [
        (None, "paper", "frame"),
        ("", "paper", "frame"),
        ("paper", "paper", "frame"),
        ("paper: magnitude clipped to [0, 1]", "paper", "frame"),
        ("fastmri: per volume", "fastmri", "volume"),
        ("calgary: per frame", "calgary", "frame"),
    ],
)
def test_older_results_name_the_convention_in_their_sentence(
    path, metrics, convention, unit
):
    given = {} if metrics is None else {"metrics": metrics}
    found = read_results(rewritten(path, OLDEST | given))
    assert (found.convention, found.unit) == (convention, unit)
    assert found.metrics == (metrics or "")


def test_the_oldest_results_lack_what_came_later(path):
    found = read_results(rewritten(path, OLDEST))
    assert found.architecture is None
    assert found.achieved_rate is None
    assert (found.searches, found.comparisons) == ({}, ())
    own = found.networks["emrnas"]
    assert own.psnr_db_mean == 34.0
    assert (own.parameters, own.kind, own.settings, own.title) == (None, "", {}, "")
    assert [getattr(own, name) for name in ROOFLINE] == [None] * 4


def test_settings_of_one_network_are_not_those_of_another(path):
    """A default that is shared would let one network change the others."""
    record = OLDEST | {"networks": dict.fromkeys("ab", OLDEST["networks"]["emrnas"])}
    networks = read_results(rewritten(path, record)).networks
    networks["a"].settings["width"] = 1
    assert networks["b"].settings == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"folds": 0}, r"folds is 0: expected `int` >= 1"),
        ({"networks": {}}, r"networks: expected `object` of length >= 1"),
        ({"dataset": None}, r"dataset is None"),
        ({"searches": {"b": {"networks": []}}}, r"searches\.b: .*`architecture`"),
        ({"comparisons": [{"network": "a"}]}, r"comparisons\.0: .*`reference`"),
    ],
)
def test_a_refused_value_is_named(path, change, named):
    rewritten(path, to_builtins(RESULTS) | change)
    with pytest.raises(InputError, match=rf"results\.json: damaged \({named}"):
        read_results(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("frames", -1), ("frames", 1.5), ("parameters", -3), ("seconds_per_frame", -0.1)],
)
def test_counts_and_times_are_not_negative(path, name, value):
    record = to_builtins(RESULTS)
    record["networks"]["emrnas"][name] = value
    with pytest.raises(InputError, match=rf"networks\.emrnas\.{name} is {value}"):
        read_results(rewritten(path, record))


def test_the_way_out_is_that_of_the_program_that_reads(path):
    with pytest.raises(InputError, match=r"is missing; give another run"):
        read_results(path, "give another run")
    write_results(path, structs.replace(RESULTS, convention="ours"))
    with pytest.raises(InputError, match=r"'ours'.*; give another run"):
        read_results(path, "give another run")


def test_the_units_are_those_of_the_conventions():
    assert {name: own.unit for name, own in CONVENTIONS.items()} == UNITS


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        ("paper: data range 1", "Metrics (paper): data range 1."),
        ("paper: data range 1.", "Metrics (paper): data range 1."),
        ("paper", "Metrics: paper."),
        ("", ""),
    ],
)
def test_the_convention_is_named_in_a_sentence(metrics, sentence):
    assert metrics_sentence(metrics) == sentence


def test_a_caption_begins_with_the_data_and_the_metrics():
    assert RESULTS.label == "Hearts, fastmri metrics"
    cut = structs.replace(RESULTS, crop=320)
    assert cut.label == "Hearts, fastmri metrics of the middle 320 x 320"
