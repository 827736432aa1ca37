"""Networks by name, and the record that builds a trained one again."""

import dataclasses
import json
from typing import Any

import jax
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.networks import (
    NetworkRecord,
    build_network,
    complete_settings,
    parameter_count,
)
from emrnas_jax.mri.sampling import Sampling

SETTINGS = {
    "architecture": "[O1|O8]",
    "components": 2,
    "cells_per_block": 1,
    "width": 4,
    "consistency": "two_step",
    "batch_norm": False,
    "residual": True,
}
RECORD = NetworkRecord(
    name="emrnas",
    settings=SETTINGS,
    sampling=dataclasses.asdict(Sampling(rate=0.3)),
    images="magnitude",
    shape=(16, 12),
    seed=3,
)


def test_a_record_reads_back_and_builds_the_same_network(tmp_path, small_batch):
    path = tmp_path / "network.json"
    RECORD.write(path)
    found = NetworkRecord.read(path)
    assert found == RECORD
    shapes = jax.eval_shape(found.build().init, jax.random.key(0), *small_batch[:3])
    built = build_network("emrnas", SETTINGS)
    again = jax.eval_shape(built.init, jax.random.key(0), *small_batch[:3])
    assert shapes == again
    assert parameter_count(shapes["params"]) > 0


def test_a_record_from_before_there_was_a_precision_is_of_float32(tmp_path):
    assert "precision" not in SETTINGS
    RECORD.write(tmp_path / "network.json")
    network: Any = NetworkRecord.read(tmp_path / "network.json").build()
    assert network.precision == "float32"
    assert complete_settings("emrnas", SETTINGS)["precision"] == "float32"


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("unet2", {}, "no network 'unet2'.*emrnas"),
        ("emrnas", {"widht": 8}, "no setting 'widht'.*width"),
        ("emrnas", {"consistency": "triple"}, "'triple'.*two_step"),
        ("emrnas", {"precision": "fp16"}, "precision: found 'fp16'.*bf16"),
        ("emrnas", {"architecture": "[O9|O1]"}, "O9"),
        ("emrnas", {"components": 3}, "2 blocks of 1 cells"),
    ],
)
def test_what_cannot_be_built_is_an_input_error(name, changes, named):
    with pytest.raises(InputError, match=named):
        build_network(name, SETTINGS | changes)


def test_a_setting_without_default_must_be_given():
    settings = {key: SETTINGS[key] for key in SETTINGS if key != "architecture"}
    with pytest.raises(InputError, match="architecture"):
        build_network("emrnas", settings)


def damaged_records():
    good = json.loads(json.dumps(RECORD.__dict__))
    yield "empty", ""
    yield "not an object", "[]"
    yield "cut", json.dumps(good)[:40]
    yield "without shape", json.dumps({k: v for k, v in good.items() if k != "shape"})
    yield "another field", json.dumps(good | {"colour": "red"})
    yield "bad sampling", json.dumps(good | {"sampling": {"rate": 7}})
    yield "sampling of another kind", json.dumps(good | {"sampling": [1]})
    yield "settings of another kind", json.dumps(good | {"settings": 5})
    yield "shape of another kind", json.dumps(good | {"shape": ["a", "b"]})
    yield "name of another kind", json.dumps(good | {"name": ["emrnas"]})


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=name) for name, text in damaged_records()]
)
def test_a_damaged_record_is_an_input_error_that_names_it(tmp_path, text):
    path = tmp_path / "network.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"network\.json"):
        NetworkRecord.read(path)


def test_a_missing_record_is_an_input_error_that_says_what_to_give(tmp_path):
    with pytest.raises(InputError, match=r"is missing.*RUN/fold_1/emrnas"):
        NetworkRecord.read(tmp_path / "network.json")
