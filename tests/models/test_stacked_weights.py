"""The rows: nothing of an operation is lost in one, and idle rows are not touched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.models.operations import weight_shapes
from emrnas_jax.models.stacked_weights import (
    ROWS,
    initial_rows,
    pack,
    put_active,
    row_length,
    take_active,
    unpack,
)
from emrnas_jax.nas.space import OPERATIONS

WIDTH = 4


@pytest.mark.parametrize("with_norm", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_pack_and_unpack_are_inverse(operation, with_norm, operation_weights):
    weights = operation_weights(operation, WIDTH, 0, with_norm)
    length = row_length(WIDTH, with_norm)
    row = pack(weights, length)
    assert row.shape == (length,)
    found = unpack(operation, row, WIDTH, with_norm)
    assert jax.tree.structure(found) == jax.tree.structure(weights)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(weights), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(pack(found, length), row)


def test_a_row_is_as_long_as_the_dense_operation():
    assert row_length(16, False) == 10 * 16 * 16 * 9 + 4 * 16
    assert row_length(16, True) == row_length(16, False) + 3 * 2 * 16


@pytest.mark.parametrize("with_norm", [False, True])
def test_rows_start_as_the_papers_framework_would(with_norm):
    rows = initial_rows(jax.random.key(0), 8, 16, with_norm)
    for row, operation in zip(rows, OPERATIONS, strict=True):
        weights = unpack(operation, row, 16, with_norm)
        assert jax.tree.map(jnp.shape, weights) == weight_shapes(
            operation, 16, with_norm
        )
        for own in weights:
            fan_in = 9 * own["kernel"].shape[2]
            np.testing.assert_allclose(own["kernel"].var() * 3 * fan_in, 1, rtol=0.1)
            assert abs(own["kernel"]).max() <= 1 / np.sqrt(fan_in)
            assert not np.any(own["bias"])
            assert np.all(own.get("norm_scale", 1) == 1)
            assert not np.any(own.get("norm_bias", 0))
        used = sum(leaf.size for leaf in jax.tree.leaves(weights))
        assert not np.any(row[used:])
    assert len(np.unique(np.asarray(rows[:, :10]), axis=0)) == 8


def test_active_rows_are_taken_and_put_back_and_idle_ones_stay():
    random = np.random.default_rng(0)
    params = {
        "cells": {ROWS: jnp.asarray(random.standard_normal((2, 3, 8, 5)))},
        "first": {"bias": jnp.asarray(random.standard_normal((2, 4)))},
    }
    choices = jnp.array([[0, 7, 3], [3, 3, 1]])
    active = take_active(params, choices)
    np.testing.assert_array_equal(active["first"]["bias"], params["first"]["bias"])
    for c, k in np.ndindex(2, 3):
        np.testing.assert_array_equal(
            active["cells"][ROWS][c, k, 0], params["cells"][ROWS][c, k, choices[c, k]]
        )
    moved = put_active(params, jax.tree.map(jnp.negative, active), choices)
    np.testing.assert_array_equal(moved["first"]["bias"], -params["first"]["bias"])
    is_active = np.arange(8) == np.asarray(choices)[..., None]
    before, after = params["cells"][ROWS], moved["cells"][ROWS]
    np.testing.assert_array_equal(after[~is_active], before[~is_active])
    np.testing.assert_array_equal(after[is_active], -before[is_active])
