"""The loss against a target without phase: what it sees, and who shares it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import (
    fixed_mask_key,
    make_batch,
    training_mask_key,
)
from emrnas_jax.data.split import Split
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.machine.devices import mesh_for
from emrnas_jax.models.emrnas import SearchNetwork, active_weights, fixed_network
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.networks import build_network
from emrnas_jax.mri.fourier import to_channels, to_complex
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import Architecture
from emrnas_jax.training import search_state
from emrnas_jax.training.loss import LOSSES, jit, loss_against_target, path_loss
from emrnas_jax.training.optimizers import adam_with_l2
from emrnas_jax.training.random_search import make_validate
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import (
    initial_state,
    train_step,
    training_program,
)
from emrnas_jax.training.search_optimizers import search_weight_optimizer
from emrnas_jax.training.search_programs import search_programs
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_steps import architecture_step, weight_step

pytestmark = pytest.mark.slow
SAMPLING = Sampling("equispaced", 0.5, 0.2, "columns")
CHOICES = jnp.array([5, 2], jnp.int32)
NETWORK = SearchNetwork(1, 2, 4, "gradient")
RATE = jnp.float32(1e-3)
SEED, GRAD = 3, {"consistency": "gradient"}


@pytest.fixture(scope="module")
def coils(tmp_path_factory):
    """Twelve frames of three subjects, with a phase and four simulated coils."""
    return open_dataset(
        DataSettings(
            path="phantom",
            images="complex",
            cache=str(tmp_path_factory.mktemp("cache")),
            height=16,
            width=16,
            simulated_coils=4,
            target="rss",
            phantom={
                "kind": "head",
                "subjects": 3,
                "slices": 1,
                "frames": 4,
                "size": 16,
            },
        )
    )


@pytest.fixture(scope="module")
def batch(coils):
    images, ids = jnp.asarray(coils.images([1, 6])), jnp.asarray(coils.frame_ids[:2])
    key = fixed_mask_key(0)
    return jax.jit(lambda x: make_batch(x, ids, key, SAMPLING, TargetKind.RSS))(images)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_phase_of_an_image_is_no_error(batch, loss):
    image = batch.zero_filled
    turned = to_channels(to_complex(image) * jnp.exp(1j * jnp.float32(0.7)))
    found = [loss_against_target(own, batch, loss) for own in (image, turned)]
    np.testing.assert_allclose(*found, rtol=1e-5)
    combined = batch._replace(target_kind=TargetKind.COMBINED)
    other = [loss_against_target(own, combined, loss) for own in (image, turned)]
    assert abs(other[0] - other[1]) > 0.1 * abs(other[0])


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_gradient_at_a_black_image_is_finite(batch, loss):
    black = jnp.zeros_like(batch.target)
    for target in (batch.target, black):
        against = batch._replace(target=target)
        gradient = jax.grad(loss_against_target)(black, against, loss)
        np.testing.assert_array_equal(gradient, 0)


@pytest.fixture(scope="module")
def searched():
    return search_state.initial_state(NETWORK, SearchSettings(), jax.random.key(0))


def test_search_and_retraining_have_one_loss_on_the_same_path(searched, batch):
    """The step of weights, that of alphas, a candidate, and the training of it."""
    path = jit(path_loss, static_argnums=0)
    candidate = path(NETWORK, searched.weights, batch, CHOICES)
    weights = search_weight_optimizer(0.0, 0.9)
    step = jit(lambda s, b: weight_step(NETWORK, weights, s, b, CHOICES, RATE))
    of_weights = step(searched, batch).train_loss
    np.testing.assert_allclose(of_weights, candidate, rtol=1e-5)
    # Alphas that leave no doubt, so the gates of the step are those of the path.
    certain = searched._replace(alphas=100 * jax.nn.one_hot(CHOICES, 8))
    optimizer = adam_with_l2(0.0, 0.9)
    alphas = jit(
        lambda s, b: architecture_step(
            NETWORK, optimizer, s, b, jax.random.key(1), 0.01, 1, "sample"
        )
    )
    of_alphas = alphas(certain, batch).validation_loss
    np.testing.assert_allclose(of_alphas, candidate, rtol=1e-5)
    fixed = fixed_network(
        Architecture.parse("[O6 O3]"), LayerSettings(4), consistency="gradient"
    )
    state = initial_state(fixed, RetrainSettings(), jax.random.key(0))
    own = active_weights(searched.weights, Architecture.parse("[O6 O3]"))
    train = jit(lambda s, b: train_step(fixed, optimizer, s, b, RATE))
    trained = train(state._replace(weights=own), batch).train_loss
    np.testing.assert_allclose(trained, candidate, rtol=1e-5)


@pytest.fixture(scope="module")
def two_frames(coils):
    """A split of one step, and the batch that a training makes of it first."""
    mesh = mesh_for(2)
    split = Split(coils, np.arange(2), 2, jax.random.key(5), 1, 1.0, mesh)
    images, ids = jnp.asarray(coils.images([0, 1])), jnp.asarray(coils.frame_ids[:2])
    key = training_mask_key(SEED, 0)
    make = jax.jit(make_batch, static_argnames=("sampling", "target_kind"))
    return split, make(images, ids, key, SAMPLING, TargetKind.RSS)


def test_a_search_sees_the_targets_of_the_run(searched, two_frames, coils):
    """The program of a phase, against the loss of the path that it drew."""
    split, batch = two_frames
    settings = SearchSettings(batch=2, warmup_epochs=1)
    programs = search_programs(
        NETWORK, settings, SAMPLING, SEED, split.mesh, coils.target_kind
    )
    frames, one = split.frames(0, 1), jnp.array(1)
    # A program takes the memory of its state.
    state = jax.tree.map(jnp.copy, searched)
    after = programs.warm_up(state, frames, frames, one, jax.random.key(2), one)
    choices = jnp.argmax(after.path_counts, axis=-1).astype(jnp.int32)
    path = jit(path_loss, static_argnums=0)
    expected = path(NETWORK, searched.weights, batch, choices)
    np.testing.assert_allclose(after.train_loss, expected, rtol=1e-4)


def test_a_training_sees_the_targets_of_the_run(two_frames, coils):
    split, batch = two_frames
    network = build_network("dccnn", {"components": 1, "width": 4, "layers": 2} | GRAD)
    settings = RetrainSettings(batch=2)
    program = training_program(
        network, settings, SAMPLING, SEED, split.mesh, coils.target_kind
    )
    state = initial_state(network, settings, jax.random.key(0))
    image = jax.jit(network.apply)(
        {"params": state.weights}, batch.zero_filled, batch.measurement
    )
    one = jnp.array(1)
    after = program(state, split.frames(0, 1), one, one)
    expected = loss_against_target(image, batch)
    np.testing.assert_allclose(after.train_loss, expected, rtol=1e-4)


def test_a_candidate_is_judged_against_the_targets_of_the_run(searched, coils):
    """The program that is given the kind, against the loss of the batch itself."""
    mesh = mesh_for(2)
    kind, settings = coils.target_kind, SearchSettings(batch=2)
    validate = make_validate(NETWORK, settings, SAMPLING, SEED, mesh, kind)
    split = Split(coils, np.arange(2), 2, jax.random.key(5), 1, 1.0, mesh)
    frames = split.frames(0, 1)
    numbers = [jnp.array(n) for n in (0, 1)]
    found = validate(searched.weights, CHOICES, frames, *numbers)
    images, ids = jnp.asarray(coils.images([0, 1])), jnp.asarray(coils.frame_ids[:2])
    own = make_batch(images, ids, fixed_mask_key(SEED), SAMPLING, TargetKind.RSS)
    expected = jit(path_loss, static_argnums=0)(NETWORK, searched.weights, own, CHOICES)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_learned_maps_can_be_trained_and_lower_the_loss(coils):
    """The end-to-end network against the root of the sum of squares."""
    network = build_network(
        "varnet",
        {"components": 2, "width": 4, "map_width": 4, "pools": 1, "map_pools": 1}
        | {"learned_maps": True},
    )
    settings = RetrainSettings(batch=4, learning_rate=1e-2, deep_supervision=1.0)
    mesh = mesh_for(4)
    split = Split(coils, np.arange(12), 4, jax.random.key(5), 9, 1.0, mesh)
    program = training_program(
        network, settings, SAMPLING, 0, mesh, target_kind=coils.target_kind
    )
    state = fresh = initial_state(network, settings, jax.random.key(0))
    # A program takes the memory of its state, so what is compared later is copied.
    before = jax.tree.map(np.array, fresh.weights["maps"])
    losses = []
    for first in range(0, 90, 9):
        numbers = [jnp.array(n) for n in (90, 9)]
        state = state._replace(train_loss=jnp.zeros(()))  # as each epoch begins
        state = program(state, split.frames(first, 9), *numbers)
        losses.append(float(state.train_loss) / 9)
    assert losses[-1] < 0.5 * losses[0]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.weights))
    pairs = map(jax.tree.leaves, (state.weights["maps"], before))
    for own, other in zip(*pairs, strict=True):
        assert np.any(own != other)
