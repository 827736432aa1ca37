"""A training starts from a model's weights, or says why it cannot."""

from dataclasses import asdict
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from msgspec.structs import replace

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.models.model_folder import FORMAT, ModelConfig, write_model
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.mri.measurement import undersample, zero_filled
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import read_plan
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.retrain import load_trained, retrain_fold
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import initial_state, training_program
from emrnas_jax.training.start import require_start, start_from, start_of

RECORD = NetworkRecord(
    name="dccnn",
    settings={"components": 1, "width": 4, "consistency": "single"},
    sampling=asdict(SamplingSettings(rate=0.3)),
    images="magnitude",
    shape=(16, 16),
    seed=3,
)
LOOP = LoopSettings(steps_per_dispatch=4, checkpoint_seconds=0.0)


@pytest.fixture(scope="module")
def variables():
    """Weights that no fresh network has."""
    state = initial_state(RECORD.build(), RetrainSettings(), jax.random.key(0))
    draw = np.random.default_rng(0).uniform
    return jax.tree.map(
        lambda leaf: draw(0.1, 0.3, leaf.shape).astype(np.float32), state.variables
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory, variables):
    folder = tmp_path_factory.mktemp("start") / "model"
    config = ModelConfig(format=FORMAT, network=RECORD, sha256="", subjects=("p1",))
    write_model(folder, config, variables, "card")
    return folder


def assert_equal(found, wanted):
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_the_state_has_the_weights_and_their_average(model, variables, average):
    settings = RetrainSettings(average=average)
    fresh = initial_state(RECORD.build(), settings, jax.random.key(0))
    state = start_from(model, fresh)
    assert_equal(state.weights, variables["params"])
    assert_equal(state.variables, variables)
    assert jax.tree.structure(state) == jax.tree.structure(fresh)


def test_a_training_without_a_rate_ends_where_it_starts(
    model, variables, sampling, split_of, tmp_path
):
    settings = RetrainSettings(batch=2, learning_rate=0.0, start=str(model))
    network, folder = RECORD.build(), tmp_path / "dccnn"
    program = training_program(network, settings, sampling, RECORD.seed)

    def train():
        what = ("retrain", folder, RECORD, network, program, settings)
        retrain_fold(*what, 4, split_of(9), 1, LOOP)

    train()
    assert_equal(load_trained(folder)[2]["params"], variables["params"])
    path = NetworkFolder(folder).plan
    plan = read_plan(path)
    assert plan is not None
    assert plan.start is not None
    assert plan.start == start_of(model)
    assert plan.start.subjects == ("p1",)
    # As if the model had been another one when the training began.
    path.write_text(path.read_text().replace(plan.start.sha256, "0" * 64))
    with pytest.raises(InputError, match="began with other weights"):
        train()


def test_precision_alone_may_differ(model):
    settings = RECORD.settings | {"precision": "bf16"}
    assert require_start(str(model), "dccnn", settings) == model
    # A setting that came after the model has the default there.
    assert require_start(str(model), "dccnn", settings | {"layers": 3}) == model
    with pytest.raises(InputError, match=r"has width 4 and not 8;"):
        require_start(str(model), "dccnn", settings | {"width": 8})
    with pytest.raises(InputError, match=r"of the kind dccnn, .* is unet"):
        require_start(str(model), "unet", settings)


def test_an_unknown_name_is_answered_with_the_list(tmp_path):
    for start in ("cardiac16", str(tmp_path)):
        with pytest.raises(InputError, match=r"found no model folder.*cardiac15"):
            require_start(start, "unet", {})


def model_of(record, folder, variables):
    config = ModelConfig(format=FORMAT, network=record, sha256="", subjects=("p1",))
    write_model(folder, config, variables, "card")
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cddntdc", "half_resolution"])
def test_a_grown_network_starts_with_the_images_of_the_model(kind, tmp_path):
    """Components that change nothing, then data consistency with what agrees."""
    consistency = "real" if kind == "half_resolution" else "single"
    settings = {"components": 2, "width": 4, "consistency": consistency}
    settings |= {"memory": 2} if kind == "half_resolution" else {}
    small = replace(RECORD, name=kind, kind=kind, settings=settings)
    large = replace(small, settings=settings | {"components": 4})
    state = initial_state(small.build(), RetrainSettings(), jax.random.key(0))
    start = model_of(small, tmp_path / "model", state.variables)
    folder = require_start(start, kind, large.settings)
    fresh = initial_state(large.build(), RetrainSettings(), jax.random.key(1))
    grown = start_from(folder, fresh)
    assert jax.tree.structure(grown) == jax.tree.structure(fresh)
    assert [x.shape for x in jax.tree.leaves(grown)] == [
        x.shape for x in jax.tree.leaves(fresh)
    ]

    image = jax.random.uniform(jax.random.key(2), (1, 16, 16)).astype(jnp.complex64)
    mask = jnp.arange(16)[None, :, None] % 3 == 0
    measurement = undersample(image, mask)
    inputs = zero_filled(measurement), measurement
    before: Any = small.build().apply(state.variables, *inputs)
    after: Any = large.build().apply(grown.variables, *inputs)
    np.testing.assert_allclose(after, before, atol=2e-6)
    assert np.abs(before - inputs[0]).max() > 1e-3
    with pytest.raises(InputError, match="has components 4 and not 2"):
        require_start(
            model_of(large, tmp_path / "large", grown.variables), kind, settings
        )


def test_components_that_cannot_be_continued_are_refused(model):
    with pytest.raises(InputError, match="1 components and not 3, and they cannot"):
        require_start(str(model), "dccnn", RECORD.settings | {"components": 3})
