"""The script that compares searches, on runs that are written by hand."""

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.front import Front, FrontPoint, write_front
from emrnas_jax.runs.results import NetworkScore, Results, write_results
from tests.fixtures.scripts import load_script

SLOW, FAST = "[pair|pair]", "[skip|thin]"


@pytest.fixture(scope="module")
def gates():
    return load_script("search_gates")


def score(psnr, architecture=""):
    settings = {"architecture": architecture} if architecture else {}
    return NetworkScore(
        psnr_db_mean=psnr,
        psnr_db_std=0.1,
        ssim_mean=0.9,
        ssim_std=0.01,
        frames=10,
        settings=settings,
    )


def write_run(path, networks, *fronts):
    """Write a run of networks, `{name: (architecture, PSNR)}`, and its fronts.

    A front is `{architecture: (milliseconds, gain)}`, all of it judged.
    """
    path.mkdir()
    run = RunFolder(path)
    scores = {name: score(psnr, own) for name, (own, psnr) in networks.items()}
    results = Results(
        dataset="d",
        sampling_rate=0.15,
        folds=1,
        networks={"zero_filled": score(20.0)} | scores,
    )
    write_results(run.results, results)
    for number, points in enumerate(fronts):
        found = tuple(
            FrontPoint(architecture=text, ms=ms, gain_db=gain)
            for text, (ms, gain) in points.items()
        )
        front = Front(
            device="d",
            budget_ms=0.0,
            chosen=found[0].architecture,
            points=found,
            judged=found,
            error_db=0.1,
        )
        write_front(run.front(f"search_{number}") if number else run.front(), front)
    return run


def test_a_search_is_compared_with_another_one_of_its_run(gates, tmp_path):
    """Two times, of which the front is 0.5 dB better at one and slower at the other."""
    runs = []
    for seed in range(3):
        level = 26.0 + seed
        networks = {
            "judged_20": (FAST, level),
            "front_20": ("[thin|skip]", level + 0.5),
            "judged_80": ("[four|skip]", level + 2.0),
            "front_80": (SLOW, level + 2.0),
        }
        random = {FAST: (1.0, 0.0), "[four|skip]": (2.0, 0.0)}
        searched = {"[thin|skip]": (1.0, 0.0), SLOW: (4.0, 0.0)}
        runs.append(write_run(tmp_path / str(seed), networks, random, searched))
    lines = gates.random(runs)
    assert "time 1: front - candidate +0.500, positive in 3 of 3 seeds" in lines[3]
    assert "p = 0.1250" in lines[3]  # one of eight turns of three signs
    assert "+0.000, positive in 0 of 3 seeds" in lines[4]
    # Between 1 and 2 ms half a dB more, between 2 and 4 ms 1.5 dB less.
    assert "hypervolume -2.5000 ms dB" in lines[0]
    assert lines[-1].startswith("hypervolume: -2.500, positive in 0 of 3 seeds")


def test_the_spread_of_architectures_leaves_out_what_a_seed_does_to_all(
    gates, tmp_path
):
    runs = [
        write_run(
            tmp_path / str(seed),
            {"wide_1": (FAST, 26.0 + own), "wide_2": (SLOW, 28.0 + 1.04 * own)},
        )
        for seed, own in enumerate((0.0, 5.0))
    ]
    *_, last = gates.variance(runs)
    # The differences are 2.0 and 2.2 dB.
    assert "2 architectures: 1.4849 dB, of 2 seeds: 0.1000 dB, ratio 14.8" in last


def test_the_order_is_that_of_the_search_beside_that_of_training(gates, tmp_path):
    random = np.random.default_rng(0)
    texts = [f"[{'thin|' * n}pair]" for n in range(8)]
    points = {text: (1.0 + n, float(n)) for n, text in enumerate(texts)}
    networks = {
        f"wide_{n}": (text, 20.0 + n + 0.1 * random.normal())
        for n, text in enumerate(texts)
    }
    run = write_run(tmp_path / "run", networks, points)
    assert "the search's quality:         1.00 (p = 5.0e-05)" in gates.ranking([run])[1]


def test_a_run_without_results_is_named(gates, tmp_path, capsys):
    assert gates.main(["random", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err
    with pytest.raises(InputError, match="missing"):
        gates.random([RunFolder(tmp_path / "none")])
    assert gates.main(["other", "run"]) == 2
