"""Stacked weights: nothing of an operation is lost, and idle ones are not touched."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.operations import weight_shapes
from emrnas_jax.models.stacked_weights import (
    STACKED,
    initial_stack,
    pack,
    padding,
    put_active,
    take_active,
    unpack,
    vector_length,
)
from emrnas_jax.nas.space import OPERATIONS

WIDTH = 4


def every(settings):
    return [weight_shapes(operation, settings) for operation in OPERATIONS]


@pytest.mark.parametrize("with_norm", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_pack_and_unpack_are_inverse(operation, with_norm, operation_weights):
    weights = operation_weights(operation, WIDTH, 0, with_norm)
    settings = LayerSettings(WIDTH, batch_norm=with_norm)
    length = vector_length(every(settings))
    vector = pack(weights, length)
    assert vector.shape == (length,)
    found = unpack(weight_shapes(operation, settings), vector)
    assert jax.tree.structure(found) == jax.tree.structure(weights)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(weights), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(pack(found, length), vector)


def test_a_vector_is_as_long_as_the_dense_operation():
    length = vector_length(every(LayerSettings(16)))
    assert length == 10 * 16 * 16 * 9 + 4 * 16
    with_norm = every(LayerSettings(16, batch_norm=True))
    assert vector_length(with_norm) == length + 3 * 2 * 16


def test_padding_is_what_no_operation_uses():
    settings = LayerSettings(16)
    used = [
        sum(
            math.prod(shape)
            for own in weight_shapes(o, settings)
            for shape in own.values()
        )
        for o in OPERATIONS
    ]
    assert padding(every(settings)) == 8 * max(used) - sum(used) > 0


@pytest.mark.parametrize("with_norm", [False, True])
def test_stacked_weights_start_as_the_papers_framework_would(with_norm):
    settings = LayerSettings(16, batch_norm=with_norm)
    stacked = initial_stack(jax.random.key(0), 8, every(settings))
    for vector, operation in zip(stacked, OPERATIONS, strict=True):
        weights = unpack(weight_shapes(operation, settings), vector)
        assert jax.tree.map(jnp.shape, weights) == weight_shapes(operation, settings)
        for own in weights:
            fan_in = 9 * own["kernel"].shape[2]
            np.testing.assert_allclose(own["kernel"].var() * 3 * fan_in, 1, rtol=0.1)
            assert abs(own["kernel"]).max() <= 1 / np.sqrt(fan_in)
            assert not np.any(own["bias"])
            assert np.all(own.get("norm_scale", 1) == 1)
            assert not np.any(own.get("norm_bias", 0))
        used = sum(leaf.size for leaf in jax.tree.leaves(weights))
        assert not np.any(vector[used:])
    assert len(np.unique(np.asarray(stacked[:, :10]), axis=0)) == 8


def test_active_weights_are_taken_and_put_back_and_idle_ones_stay():
    random = np.random.default_rng(0)
    params = {
        "cells": {STACKED: jnp.asarray(random.standard_normal((2, 3, 8, 5)))},
        "first": {"bias": jnp.asarray(random.standard_normal((2, 4)))},
    }
    choices = jnp.array([[0, 7, 3], [3, 3, 1]])
    active = take_active(params, choices)
    np.testing.assert_array_equal(active["first"]["bias"], params["first"]["bias"])
    for c, k in np.ndindex(2, 3):
        np.testing.assert_array_equal(
            active["cells"][STACKED][c, k, 0],
            params["cells"][STACKED][c, k, choices[c, k]],
        )
    moved = put_active(params, jax.tree.map(jnp.negative, active), choices)
    np.testing.assert_array_equal(moved["first"]["bias"], -params["first"]["bias"])
    is_active = np.arange(8) == np.asarray(choices)[..., None]
    before, after = params["cells"][STACKED], moved["cells"][STACKED]
    np.testing.assert_array_equal(after[~is_active], before[~is_active])
    np.testing.assert_array_equal(after[is_active], -before[is_active])
