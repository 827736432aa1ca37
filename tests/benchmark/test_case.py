import dataclasses

import jax
import numpy as np

from emrnas_jax.benchmark.case import (
    PATHS,
    batch_of,
    initial_state,
    initial_weights,
    network_of,
    phantom_batch,
    sampled_paths,
    search_network,
)
from emrnas_jax.models.networks import build_network
from emrnas_jax.nas.space import Architecture


def test_the_sampled_paths_differ_and_start_with_the_architecture(case):
    case = dataclasses.replace(case, architecture=Architecture.parse("[O5 O8]"))
    paths = [tuple(np.asarray(path).tolist()) for path in sampled_paths(case)]
    assert paths[0] == case.architecture.cells
    assert len(set(paths)) == PATHS
    again = [tuple(np.asarray(path).tolist()) for path in sampled_paths(case)]
    assert again == paths


def test_no_weight_is_zero_and_every_call_gives_the_same(case):
    weights = jax.device_get(initial_weights(case))
    assert all(np.all(leaf != 0) for leaf in jax.tree.leaves(weights))
    again = initial_weights.__wrapped__(case)  # not the kept one
    jax.tree.map(np.testing.assert_array_equal, weights, jax.device_get(again))


def test_a_training_starts_with_these_weights_and_empty_moments(case):
    state = initial_state(case)
    assert state.step == 0
    jax.tree.map(np.testing.assert_array_equal, state.weights, initial_weights(case))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(state.optimizer))


def test_phantoms_are_under_sampled_frames_of_the_size():
    batch = phantom_batch(16, 3)
    assert batch.target.shape == batch.zero_filled.shape == (3, 16, 16, 2)
    measured = np.asarray(batch.measurement.mask).mean()
    assert 0 < measured < 0.5
    assert np.abs(batch.target - batch.zero_filled).max() > 0.01


def test_strips_are_measured_with_the_masks_of_their_frames(case):
    strips = dataclasses.replace(case, strip=8)
    assert strips.shape == (case.size, 8)
    whole, cut = batch_of(case), batch_of(strips)
    for name in ("zero_filled", "target"):
        expected = getattr(whole, name)[:, :, :8]
        np.testing.assert_allclose(getattr(cut, name), expected, atol=1e-6)
    np.testing.assert_array_equal(cut.measurement.mask, whole.measurement.mask)


def test_the_half_resolution_cascade_has_its_own_size(case):
    network = network_of(dataclasses.replace(case, network="half_resolution"))
    assert network == build_network("half_resolution", {})


def test_a_search_has_the_cells_of_the_architecture(case):
    case = dataclasses.replace(case, architecture=Architecture.parse("[O5 O8|O1 O1]"))
    network = search_network(case)
    assert (network.components, network.cells_per_block, network.width) == (2, 2, 4)
