"""The first components of a cascade are the network of so many components."""

from dataclasses import asdict

import jax
import numpy as np
import pytest

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.inference.first_components import first_components
from emrnas_jax.models.networks import blank_inputs, build_network
from emrnas_jax.models.record import NetworkRecord

SUPERVISED = {"deep_supervision": 1.0}


def record_of(name, **settings):
    sampling = asdict(SamplingSettings(rate=0.3))
    return NetworkRecord(name, settings, sampling, "magnitude", (16, 16), seed=3)


CASCADE = record_of("cddntdc", components=3, layers=1, width=4)


def variables_of(record):
    network = build_network(record.kind, record.settings)
    shapes = jax.eval_shape(network.init, jax.random.key(0), *blank_inputs())
    draw = np.random.default_rng(0).uniform
    return jax.tree.map(
        lambda leaf: draw(0.1, 0.3, leaf.shape).astype(np.float32), shapes
    )


def test_they_are_a_network_with_the_same_first_weights():
    every = variables_of(CASCADE)
    record, kept = first_components(CASCADE, every, SUPERVISED, 2)
    assert record.settings == CASCADE.settings | {"components": 2}
    expected = jax.eval_shape(record.build().init, jax.random.key(0), *blank_inputs())
    assert jax.tree.structure(kept) == jax.tree.structure(expected)
    for kind in ("params", "batch_stats"):
        assert kept[kind] == {n: every[kind][n] for n in ("component_1", "component_2")}


def test_weights_that_all_of_them_share_stay():
    modl = record_of("modl", components=3, layers=1, width=4)
    every = variables_of(modl)
    record, kept = first_components(modl, every, SUPERVISED, 2)
    assert record.settings["components"] == 2
    assert kept == every


def test_all_of_them_need_no_deep_supervision():
    every = variables_of(CASCADE)
    assert first_components(CASCADE, every, {}, 3) == (CASCADE, every)


@pytest.mark.parametrize(
    ("record", "training", "count", "message"),
    [
        (CASCADE, SUPERVISED, 4, "has 3 components; use 1 to 3"),
        (CASCADE, SUPERVISED, 0, "has 3 components"),
        (CASCADE, {}, 2, "without deep supervision"),
        (record_of("unet"), SUPERVISED, 2, "unet cannot be cut"),
    ],
)
def test_what_cannot_be_cut_is_said(record, training, count, message):
    with pytest.raises(InputError, match=message):
        first_components(record, {}, training, count)
