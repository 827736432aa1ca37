"""The choice of a strength on S_val, and the checkpoint that it becomes."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.training import fit_total_variation as module
from emrnas_jax.training.fit_total_variation import (
    choose_weight,
    fit_weight,
)
from emrnas_jax.training.retrain import has_trained, load_trained


def parabola(strength):
    """Best at 0.02, which is between two strengths of the grid."""
    return -abs(np.log10(strength / 0.02))


def test_the_grid_is_refined_around_its_best():
    tried = {}
    strength = choose_weight(parabola, tried, lambda: None)
    assert strength == pytest.approx(0.0216, rel=0.02)
    assert len(tried) == len(module.GRID) + len(module.AROUND)
    assert strength == max(tried, key=parabola)


def test_a_best_at_the_end_of_the_grid_is_looked_for_beyond():
    assert choose_weight(lambda s: s, {}, lambda: None) > max(module.GRID)
    assert choose_weight(lambda s: -s, {}, lambda: None) < min(module.GRID)


def test_what_was_tried_is_not_tried_again():
    tried = {}
    choose_weight(parabola, tried, lambda: None)
    kept, asked = dict(list(tried.items())[:5]), []

    def score(strength):
        asked.append(strength)
        return parabola(strength)

    choose_weight(score, kept, lambda: None)
    assert asked == list(tried)[5:]
    assert kept == tried


@pytest.fixture
def record(sampling):
    return NetworkRecord(
        name="tv",
        settings={"iterations": 8, "consistency": "single", "precision": "float32"},
        sampling=dataclasses.asdict(SamplingSettings(rate=sampling.rate)),
        images="magnitude",
        shape=(16, 16),
        seed=3,
    )


@pytest.mark.slow
def test_a_fit_ends_as_a_checkpoint_and_goes_on_where_it_was_stopped(
    phantoms, record, tmp_path, monkeypatch, said
):
    monkeypatch.setattr(module, "MOST_FRAMES", 4)
    arguments = (record, 12, phantoms, np.arange(12), 4)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    fit_weight("whole", whole, *arguments)
    assert said[0] == "whole: trying 11 strengths on 4 validation frames"
    assert said[1].endswith("dB, 1 of 11 tried")
    assert said[-1].startswith("whole: strength ")
    assert has_trained(whole, 12)
    found, _, variables = load_trained(whole, 12)
    told = json.loads((whole / "strength.json").read_text())
    assert found == record
    assert variables["params"]["strength"] == np.float32(told["strength"])
    assert told["frames"] == 4
    assert len(told["subjects"]) == 3
    best = max(told["psnr_db"], key=lambda row: row["mean"])
    assert best["strength"] == told["strength"]

    original, count = module.evaluate, []

    def interrupted(*arguments, **named):
        if len(count) == 3:
            raise KeyboardInterrupt
        count.append(1)
        return original(*arguments, **named)

    monkeypatch.setattr(module, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit_weight("stopped", stopped, *arguments)
    assert not has_trained(stopped, 12)
    assert len(json.loads((stopped / "strength.json").read_text())["psnr_db"]) == 3
    monkeypatch.setattr(module, "evaluate", original)
    said.clear()
    fit_weight("stopped", stopped, *arguments)
    assert said[:2] == [
        "stopped: 3 of 11 strengths were tried before",
        "stopped: trying 8 strengths on 4 validation frames",
    ]
    assert (stopped / "strength.json").read_text() == (
        whole / "strength.json"
    ).read_text()
    restored = load_trained(stopped, 12)[2]
    assert jax.tree.all(jax.tree.map(lambda a, b: a == b, restored, variables))


def test_a_damaged_file_of_strengths_is_named(phantoms, record, tmp_path):
    (tmp_path / "strength.json").write_text("{")
    with pytest.raises(InputError, match=r"strength\.json.*delete it"):
        fit_weight("damaged", tmp_path, record, 12, phantoms, np.arange(4), 4)
