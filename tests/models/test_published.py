"""Published weights give the published networks' outputs, stage by stage."""

import itertools

import jax
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.published import load_published
from emrnas_jax.mri.measurement import Measurement

FILES = {"dccnn": "DCCNN", "cddntdc": "CDDNTDC", "rdn": "RDN_complex"}
FRAMES = 2


def read(folder, name):
    with np.load(folder / "peer_goldens" / f"{name}.npz") as file:
        return dict(file)


@pytest.fixture
def weights(shared_data):
    return read(shared_data, "DCCNN_weights")


def is_stage(module, method):
    """Whether the output of a module is a stage whose output is stored."""
    inside = module.path in [(f"component_{n}",) for n in range(1, 5)]
    return method == "__call__" and (inside or module.path == ("component_1", "last"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_stage_is_the_published_one(name, shared_data):
    stored = read(shared_data, FILES[name])
    module, variables = load_published(
        name, read(shared_data, f"{FILES[name]}_weights")
    )
    frames = {key: stored[key][:FRAMES] for key in ("zero_filled", "kspace")}
    mask = stored["mask_fft_order"][:FRAMES, :, None] == 1

    @jax.jit
    def run(variables, zero_filled, kspace, mask):
        return module.apply(
            variables,
            zero_filled,
            Measurement(kspace, mask),
            capture_intermediates=is_stage,
            mutable=["intermediates"],
        )

    output, captured = run(variables, **frames, mask=mask)
    stages = captured["intermediates"]
    np.testing.assert_allclose(output, stored["output"][:FRAMES], atol=2e-4, rtol=0)
    (change,) = stages["component_1"]["last"]["__call__"]
    before = stored["zero_filled"][:1] + change[:1]
    np.testing.assert_allclose(before, stored["cascade1_before_dc"], atol=2e-4, rtol=0)
    for n in range(1, 5):
        ((image, _),) = stages[f"component_{n}"]["__call__"]
        expected = stored[f"cascade{n}_out"]
        np.testing.assert_allclose(image[:1], expected, atol=2e-4, rtol=0)


def test_cascades_layers_and_channels_are_those_of_the_weights():
    random = np.random.default_rng(0)
    shapes = {"conv1": (4, 2), "layerList.0": (4, 4), "conv2": (2, 4)}
    weights = {}
    for layer, (n, m) in itertools.product((0, 2), shapes.items()):
        name = f"module.layerList.{layer}.{n}"
        weights[f"{name}.weight"] = random.random((*m, 3, 3), np.float32)
        weights[f"{name}.bias"] = random.random(m[0], np.float32)
    _, variables = load_published("dccnn", weights)
    params = variables["params"]
    assert set(params) == {"component_1", "component_2"}
    assert set(params["component_1"]["block"]) == {"conv_1"}
    np.testing.assert_array_equal(
        params["component_2"]["last"]["kernel"][0, 1, 2, :],
        weights["module.layerList.2.conv2.weight"][:, 2, 0, 1],
    )


def test_subnormal_weights_become_zero(weights):
    key = "module.layerList.0.conv1.bias"
    weights[key] = weights[key].copy()
    weights[key][:2] = 1e-40, 1e-30
    _, variables = load_published("dccnn", weights)
    bias = np.asarray(variables["params"]["component_1"]["first"]["bias"])
    assert bias[0] == 0
    assert bias[1] == np.float32(1e-30)


def without(key):
    return lambda weights: weights.pop(key)


def with_value(key, value):
    return lambda weights: weights.update({key: value})


LAST = "module.layerList.8.conv2.bias"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (without(LAST), r"missing: layerList\.8\.conv2\.bias;"),
        (with_value("module.layerList.1.w", np.zeros(2)), r"left over: layerList\.1"),
        (with_value(LAST, np.zeros(3)), r"wrong shape: .* \(3,\), expected \(2,\)"),
        (with_value(LAST, np.full(2, np.nan)), r"not finite numbers: layerList\.8"),
        (with_value(LAST, np.array(["a", "b"])), r"not finite numbers: layerList\.8"),
        (dict.clear, r"missing: .* and \d+ more"),
    ],
)
def test_what_is_wrong_with_weights_is_named(weights, change, named):
    change(weights)
    with pytest.raises(InputError, match=named):
        load_published("dccnn", weights)


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(InputError, match="choose the network they are of, among dccnn"):
        load_published("cddntdc", weights)
    with pytest.raises(InputError, match=r"'unet'.*dccnn, rdn, cddntdc"):
        load_published("unet", weights)


def test_counters_of_batches_are_ignored(weights):
    weights["module.layerList.0.bn.num_batches_tracked"] = np.array(3)
    load_published("dccnn", weights)
