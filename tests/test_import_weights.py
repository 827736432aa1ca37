"""A file of published weights becomes a model that can be loaded and applied."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.import_weights import import_weights, read_weights
from emrnas_jax.inference.trained import load_model
from emrnas_jax.models.published import load_published
from emrnas_jax.mri.measurement import Measurement


@pytest.fixture
def weights():
    """DC-CNN of two cascades with one layer of four channels each."""
    random = np.random.default_rng(0)
    shapes = {"conv1": (4, 2), "layerList.0": (4, 4), "conv2": (2, 4)}
    found = {}
    for cascade, (name, shape) in itertools.product((0, 2), shapes.items()):
        layer = f"module.layerList.{cascade}.{name}"
        found[f"{layer}.weight"] = random.normal(0, 0.2, (*shape, 3, 3))
        found[f"{layer}.bias"] = random.normal(0, 0.2, shape[0])
    return found


def test_the_model_is_the_published_network(weights, tmp_path):
    sampling = SamplingSettings(rate=0.1)
    import_weights("dccnn", weights, tmp_path / "model", sampling, seed=4)
    model = load_model(tmp_path / "model")
    assert (model.sampling, model.record.seed) == (sampling.load(), 4)
    assert model.record.settings["consistency"] == "single"
    module, variables = load_published("dccnn", weights)
    image = jnp.asarray(np.random.default_rng(1).random((4, 8, 8, 2), np.float32))
    mask = jnp.zeros((4, 8, 1), bool).at[:, 0].set(True)
    measurement = Measurement(jnp.ones((4, 8, 8), jnp.complex64), mask)
    expected: Any = module.apply(variables, image, measurement)
    found = model.apply(model.variables, image, measurement)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_there_is_not_overwritten(weights, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already and is not overwritten"):
        import_weights("dccnn", weights, tmp_path, SamplingSettings(), seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_weights_that_do_not_fit_leave_no_folder(weights, tmp_path):
    with pytest.raises(InputError, match="not weights of a published rdn"):
        import_weights("rdn", weights, tmp_path / "model", SamplingSettings(), seed=0)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04cut", b"no archive", None])
def test_what_is_no_archive_of_arrays_is_an_input_error(content, tmp_path):
    path = tmp_path / "weights.npz"
    if content is None:
        np.savez(path, weights=np.array([{}], object))
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.npz: not an \.npz file"):
        read_weights(path)


def test_an_array_alone_or_nothing_is_an_input_error(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"one\.npy: not an \.npz file"):
        read_weights(tmp_path / "one.npy")
    with pytest.raises(InputError, match="is missing; --weights is"):
        read_weights(tmp_path / "two.npz")
