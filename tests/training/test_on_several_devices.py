"""Steps on 1, 2 and 4 devices: the same weights, paths and masks, and idle rest."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.pipeline import frame_specs, frames_of_step, make_batch
from emrnas_jax.machine.devices import (
    DIVIDED,
    SHARED,
    mean_over_devices,
    mesh_for,
    on_every_device,
    replicate,
)
from emrnas_jax.models.cells import batch_statistics_norm
from emrnas_jax.models.emrnas import SearchNetwork, fixed_network
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.stacked_weights import STACKED
from emrnas_jax.nas.space import Architecture
from emrnas_jax.training import retrain_steps, search_state
from emrnas_jax.training.optimizers import adam_with_l2
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import train_step
from emrnas_jax.training.search_programs import search_programs
from emrnas_jax.training.search_settings import SearchSettings

NETWORK = SearchNetwork(components=1, cells_per_block=1, width=4)
SETTINGS = SearchSettings(
    warmup_epochs=0,
    search_epochs=2,
    batch=4,
    learning_rate=1e-2,
    alpha_learning_rate=0.05,
)
COUNTS = (1, 2, 4)


def assert_close(found, expected):
    pairs = zip(
        jax.tree.leaves_with_path(found),
        jax.tree.leaves_with_path(expected),
        strict=True,
    )
    for (path, a), (same, b) in pairs:
        assert path == same
        # The frame's mean is measured, so the last bias of a component has no gradient:
        # Adam follows its rounding.
        if "['last']['bias']" not in jax.tree_util.keystr(path):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("device_mib", [0.0, 1.0], ids=["streamed", "resident"])
@pytest.mark.parametrize("count", COUNTS)
def test_the_parts_of_a_batch_are_the_batch(count, device_mib, split_of):
    expected = split_of(9, batch=4).frames(0, 2)
    mesh = mesh_for(4, jax.devices()[:count])
    frames = split_of(9, batch=4, device_mib=device_mib, mesh=mesh).frames(0, 2)

    def part(frames, step):
        return frames_of_step(frames, step, 4)[:2]

    run = on_every_device(part, mesh, (frame_specs(frames), SHARED), DIVIDED)
    for step in (0, 1):
        images, ids = jax.jit(run)(frames, jnp.array(step))
        wanted = part(expected, jnp.array(step))
        np.testing.assert_array_equal(images, wanted[0])
        np.testing.assert_array_equal(ids, wanted[1])


def test_masks_do_not_depend_on_the_number_of_devices(phantoms, sampling):
    frames = [0, 3, 6, 9]
    images, ids = phantoms.images(frames), phantoms.frame_ids[frames]

    def part(images, ids):
        return make_batch(images, ids, jax.random.key(1), sampling)

    whole = jax.jit(part)(images, ids)
    run = on_every_device(part, mesh_for(4), (DIVIDED, DIVIDED), DIVIDED)
    found = jax.jit(run)(images, ids)
    measured, expected = found.measurement, whole.measurement
    assert len(measured.mask.sharding.device_set) == 4
    np.testing.assert_array_equal(measured.mask, expected.mask)
    np.testing.assert_array_equal(found.target, whole.target)
    np.testing.assert_allclose(measured.kspace, expected.kspace, atol=1e-5)


@pytest.fixture(scope="module", params=["proxyless", "reinforce"])
def searched(request, split_of, sampling):
    """The state before and after four steps of the search, on 1 and 4 devices."""
    states, settings = [], replace(SETTINGS, method=request.param)
    for mesh in (mesh_for(1), mesh_for(4)):
        program = search_programs(NETWORK, settings, sampling, 3, mesh).search
        state = search_state.initial_state(NETWORK, settings, jax.random.key(0))
        fresh = jax.tree.map(np.array, state)  # a copy, which keeps nothing alive
        state = before = replicate(state, mesh)
        train, validation = (
            split_of(frames, batch=4, mesh=mesh).frames(0, 3) for frames in (12, 8)
        )
        for count in (3, 1):
            state = program(
                state,
                train,
                validation,
                jnp.array(3),
                jax.random.key(1),
                jnp.array(count),
            )
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before))  # donated
        assert program._cache_size() == 1  # pyright: ignore
        states.append(state)
    return fresh, *states


@pytest.mark.slow
def test_a_search_does_not_depend_on_the_number_of_devices(searched):
    _, one, four = searched
    assert one.step == 4
    assert len(four.alphas.sharding.device_set) == 4
    np.testing.assert_array_equal(four.path_counts, one.path_counts)
    assert_close(four, one)
    assert np.abs(one.alphas).max() > 0.01


@pytest.mark.slow
def test_all_devices_hold_the_same_state(searched):
    for leaf in jax.tree.leaves(searched[-1]):
        copies = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(copies) == 4
        for copy in copies[1:]:
            np.testing.assert_array_equal(copy, copies[0])


@pytest.mark.slow
def test_idle_operations_rest_on_several_devices(searched):
    fresh, _, after = searched
    used = np.asarray(after.path_counts)[0] > 0
    assert used.any()
    assert not used.all()
    stacked = [
        np.asarray(state.weights["components"]["block"]["cells"]["cell"][STACKED])
        for state in (fresh, after)
    ]
    np.testing.assert_array_equal(stacked[1][:, :, ~used], stacked[0][:, :, ~used])
    assert (stacked[1] != stacked[0])[:, :, used].any(-1).all()
    inner = after.weight_optimizer.inner_states["operations"]
    for leaf in jax.tree.leaves(inner):
        assert not np.any(np.asarray(leaf)[:, :, ~used])


@pytest.mark.slow
def test_batch_norm_takes_statistics_of_the_whole_batch_in_training(batch):
    weaker = batch._replace(zero_filled=batch.zero_filled / 2, target=batch.target / 2)
    batch = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), batch, weaker)
    network = fixed_network(
        Architecture.parse("[O5]"), LayerSettings(4, batch_norm=True), "single"
    )
    optimizer = adam_with_l2(1e-3, 0.9)
    state = retrain_steps.initial_state(network, RetrainSettings(), jax.random.key(0))

    def step(state, batch):
        return train_step(network, optimizer, state, batch, jnp.float32(0.01))

    whole = jax.jit(step)(state, batch)  # without any mesh
    assert jax.tree.leaves(whole.statistics)
    run = on_every_device(step, mesh_for(4), (SHARED, DIVIDED), SHARED)
    assert_close(jax.jit(run)(state, batch), whole)


@pytest.mark.slow
def test_batch_norm_takes_statistics_of_the_whole_batch_in_a_search():
    random = np.random.default_rng(0)
    y, dy = (jnp.asarray(random.normal(1, 2, (4, 3, 3, 5)), "float32") for _ in "12")
    weights = {"norm_scale": jnp.arange(5.0), "norm_bias": jnp.ones(5)}

    def part(weights, y, dy):
        found, pull = jax.vjp(batch_statistics_norm, weights, y)
        of_weights, of_y = pull(dy)
        return (found, of_y), mean_over_devices(of_weights)

    expected = part(weights, y, dy)
    np.testing.assert_allclose(expected[0][0].mean((0, 1, 2)), 1, atol=1e-5)
    for count in COUNTS:
        specs = (SHARED, DIVIDED, DIVIDED)
        mesh = mesh_for(4, jax.devices()[:count])
        run = on_every_device(part, mesh, specs, (DIVIDED, SHARED))
        found, of_weights = jax.jit(run)(weights, y, dy)
        # Of the mean over devices of a loss that is a sum over a part.
        pair = ((found, jax.tree.map(lambda w, n=count: n * w, of_weights)), expected)
        for a, b in zip(*map(jax.tree.leaves, pair), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
