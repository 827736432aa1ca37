"""A trained network is exported, and its folder reconstructs as the run does."""

import jax
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.export import export_model
from emrnas_jax.inference.trained import load_model
from emrnas_jax.runs.folder import NetworkFolder


def test_the_exported_network_is_that_of_the_run(make_model, tmp_path):
    model = load_model(make_model())
    export_model(model, tmp_path / "model", summary="Made for a test.")
    again = load_model(tmp_path / "model")
    assert (again.record, again.step) == (model.record, model.step)
    pairs = jax.tree.leaves(again.variables), jax.tree.leaves(model.variables)
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one, other)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "Made for a test." in card
    assert "--model=model" in card


def test_a_model_without_training_is_not_exported(tmp_path):
    with pytest.raises(InputError, match="no weights to export"):
        export_model(load_model("tv"), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_nothing_is_overwritten(make_model):
    model = load_model(make_model())
    assert model.folder is not None
    with pytest.raises(InputError, match="not overwritten"):
        export_model(model, model.folder)
    assert NetworkFolder(model.folder).record.exists()
