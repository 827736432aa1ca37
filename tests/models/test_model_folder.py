"""A model folder reads back, and any fault in it is named."""

import hashlib
import json
from dataclasses import asdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.inference.model_card import model_card
from emrnas_jax.inference.trained import load_model
from emrnas_jax.models.model_folder import (
    FORMAT,
    ModelConfig,
    read_model,
    write_model,
)
from emrnas_jax.models.networks import blank_inputs, build_network
from emrnas_jax.models.record import NetworkRecord

SETTINGS = {"components": 1, "layers": 2, "width": 4, "consistency": "two_step"}
RECORD = NetworkRecord(
    name="cddntdc",
    settings=SETTINGS,
    sampling=asdict(SamplingSettings(rate=0.3)),
    images="magnitude",
    shape=(16, 16),
    seed=3,
)
CONFIG = ModelConfig(
    format=FORMAT,
    summary="for tests",
    network=RECORD,
    sha256="",
    subjects=("p01", "p02"),
    training={"loss": "log_mse", "flips": True},
    steps=12,
)


@pytest.fixture(scope="module")
def variables():
    network = build_network("cddntdc", SETTINGS)
    shapes = jax.eval_shape(network.init, jax.random.key(0), *blank_inputs())
    draw = np.random.default_rng(0).uniform
    return jax.tree.map(
        lambda leaf: draw(0.1, 0.3, leaf.shape).astype(np.float32), shapes
    )


@pytest.fixture
def folder(tmp_path, variables):
    path = tmp_path / "model"
    write_model(path, CONFIG, variables, "card")
    return path


def test_a_model_reads_back(folder, variables):
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    config, _, found = read_model(folder)
    assert (config.network, config.subjects) == (RECORD, CONFIG.subjects)
    assert (config.training, config.steps) == (CONFIG.training, 12)
    assert jax.tree.structure(found) == jax.tree.structure(variables)
    for one, other in zip(*map(jax.tree.leaves, (found, variables)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_loads_as_any_trained_network(folder, variables):
    model = load_model(folder)
    _, measurement = blank_inputs()
    image = jnp.asarray(np.random.default_rng(1).random((1, 16, 16, 2), np.float32))
    network = build_network("cddntdc", SETTINGS)
    expected = jax.jit(network.apply)(variables, image, measurement)
    found = model.apply(model.variables, image, measurement)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert model.subjects == {"p01", "p02"}
    assert model.origin()["sha256"] == read_model(folder).config.sha256
    changed = load_model(folder, precision="bf16", test_time_flips=True)
    assert changed.record.settings["precision"] == "bf16"
    assert changed.origin() == model.origin() | {"test_time_flips": True}
    with pytest.raises(InputError, match="leave out --fold"):
        load_model(folder, fold=1)


def test_a_folder_with_anything_in_it_is_not_written(folder, variables):
    before = (folder / "config.json").read_bytes()
    with pytest.raises(InputError, match="not overwritten"):
        write_model(folder, CONFIG, variables, "card")
    assert (folder / "config.json").read_bytes() == before


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name} is missing"):
        read_model(folder)


@pytest.mark.parametrize("cut", [0, 9, -1])
def test_a_damaged_file_of_weights_is_named(folder, cut):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"its checksum .* is not .* damaged"):
        read_model(folder)


def rewritten(folder, change):
    """Change the arrays, and the checksum with them."""
    path = folder / "model.safetensors"
    arrays = load_file(path)
    change(arrays)
    path.unlink()
    save_file(arrays, path)

    config = json.loads((folder / "config.json").read_text())
    config["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


KERNEL = "params.component_1.first.kernel"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop(KERNEL), f"{KERNEL} missing"),
        (lambda a: a.update(more=np.zeros(1)), "more not of this network"),
        (lambda a: a.update({KERNEL: a[KERNEL][..., :1]}), "of another shape"),
        (lambda a: a.update({KERNEL: a[KERNEL] * np.nan}), "not finite"),
    ],
)
def test_weights_of_another_network_are_named(folder, change, message):
    rewritten(folder, change)
    with pytest.raises(InputError, match=message):
        read_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "emrnas_jax model, version 9"}, "this version reads"),
        ({"network": {"name": "cddntdc"}}, "network"),
        ({"network": None}, "network"),
    ],
)
def test_a_config_that_cannot_be_used_is_named(folder, change, message):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=rf"config\.json: .*{message}"):
        read_model(folder)


def test_the_card_says_what_the_model_is_and_is_not_for():
    text = model_card("name", CONFIG, 1234, "cardiac_hdf5")
    for part in (
        "license: apache-2.0",
        "CDDNTDC (`cddntdc`), 1,234 parameters",
        "2 subjects: p01, p02",
        "12 steps; loss log_mse, flips True",
        "--model=name",
        "not for diagnosis",
    ):
        assert part in text
    assert "| quality |" not in text


def test_weights_may_be_stored_in_half_the_bytes(folder, variables, tmp_path):
    half = tmp_path / "half"
    write_model(half, CONFIG, variables, "card", stored_as="float16")
    sizes = [(own / "model.safetensors").stat().st_size for own in (folder, half)]
    count = sum(leaf.size for leaf in jax.tree.leaves(variables))
    assert sizes[0] - sizes[1] == pytest.approx(2 * count, abs=100)  # but for the head
    for one, other in zip(
        *map(jax.tree.leaves, (read_model(half).variables, variables)), strict=True
    ):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=2**-11)


def test_a_weight_that_is_too_large_for_its_type_is_told(variables, tmp_path):
    large = jax.tree.map(lambda leaf: leaf * 1e6, variables)
    with pytest.raises(InputError, match="not finite as float16"):
        write_model(tmp_path / "half", CONFIG, large, "card", stored_as="float16")
    assert not (tmp_path / "half").exists()
