"""Networks by name, and the record that builds a trained one again."""

import dataclasses
import json
from typing import Any

import jax
import msgspec
import pytest

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.models.networks import build_network, complete_settings, parameter_count
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.nas.space import TABLE_1

SETTINGS = {
    "architecture": "[O1|O8]",
    "components": 2,
    "cells_per_block": 1,
    "width": 4,
    "consistency": "two_step",
    "batch_norm": False,
    "residual": True,
}
NINTH = [{"name": "O9", "dilations": [1, 2, 1, 1], "connections": [1]}]
RECORD = NetworkRecord(
    name="emrnas",
    settings=SETTINGS,
    sampling=dataclasses.asdict(SamplingSettings(rate=0.3)),
    images="magnitude",
    shape=(16, 12),
    seed=3,
)


def test_a_record_reads_back_and_builds_the_same_network(tmp_path, small_batch):
    path = tmp_path / "network.json"
    RECORD.write(path)
    found = NetworkRecord.read(path)
    assert found == RECORD
    shapes = jax.eval_shape(
        found.build().init,
        jax.random.key(0),
        small_batch.zero_filled,
        small_batch.measurement,
    )
    built = build_network("emrnas", SETTINGS)
    again = jax.eval_shape(
        built.init, jax.random.key(0), small_batch.zero_filled, small_batch.measurement
    )
    assert shapes == again
    assert parameter_count(shapes["params"]) > 0


def program(network, batch):
    """What is compiled of a network, as text."""
    shapes = jax.eval_shape(
        network.init, jax.random.key(0), batch.zero_filled, batch.measurement
    )
    return (
        jax.jit(network.apply)
        .lower(shapes, batch.zero_filled, batch.measurement)
        .as_text()
    )


def test_a_record_keeps_what_its_operations_were(tmp_path, small_batch):
    """Of O8 with other dilations, and of one that the package does not have."""
    path, record = tmp_path / "network.json", msgspec.to_builtins(RECORD)
    kept = {"name": "O8", "dilations": [1, 2, 4, 1], "connections": [1, 2, 3]}
    given = record | {"operations": [kept]}
    given["settings"] = SETTINGS | {"architecture": "[O8|O8]"}
    path.write_text(json.dumps(given))
    found = program(NetworkRecord.read(path).build(), small_batch)
    dilated, plain = (
        build_network("emrnas", SETTINGS | {"architecture": text})
        for text in ("[O1|O1]", "[O8|O8]")
    )
    assert found == program(dilated, small_batch)
    assert found != program(plain, small_batch)
    given["operations"] = NINTH
    given["settings"] = SETTINGS | {"architecture": "[O9|O9]"}
    path.write_text(json.dumps(given))
    assert NetworkRecord.read(path).operations[0].dilations == (1, 2, 1, 1)


def test_a_record_of_an_older_version_has_the_operations_of_table_1(tmp_path):
    path = tmp_path / "network.json"
    old = msgspec.to_builtins(RECORD)
    del old["operations"]
    path.write_text(json.dumps(old))
    found = NetworkRecord.read(path)
    assert found == RECORD
    assert found.operations == (TABLE_1[0], TABLE_1[7])


def test_a_record_from_before_there_was_a_precision_is_of_float32(tmp_path):
    assert "precision" not in SETTINGS
    RECORD.write(tmp_path / "network.json")
    network: Any = NetworkRecord.read(tmp_path / "network.json").build()
    assert network.settings.precision == "float32"
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
    good = json.loads(json.dumps(msgspec.to_builtins(RECORD)))
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
    yield "operations of another kind", json.dumps(good | {"operations": 5})
    yield "without its operations", json.dumps(good | {"operations": NINTH})


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
