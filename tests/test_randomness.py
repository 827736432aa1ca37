"""Keys: the same for the same purpose, others for every other."""

import itertools

import jax
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emrnas_jax.randomness import key_for

purposes = st.lists(
    st.one_of(st.text(max_size=8), st.integers(0, 2**32 - 1)), max_size=4
).map(tuple)


def data(key):
    return tuple(jax.random.key_data(key).tolist())


@given(st.integers(0, 2**31 - 1), purposes)
def test_the_same_purpose_gives_the_same_key(seed, purpose):
    assert data(key_for(seed, *purpose)) == data(key_for(seed, *purpose))


def test_every_other_purpose_gives_another_key():
    words = ("mask", "order", "paths", 0, 1, 2)
    purposes = [
        *itertools.permutations(words, 2),
        *itertools.permutations(words, 1),
        (),
    ]
    keys = {data(key_for(seed, *p)) for p in purposes for seed in (0, 1)}
    assert len(keys) == 2 * len(purposes)


def test_keys_do_not_change_between_versions_of_python_or_runs():
    """A run continued elsewhere must draw the same numbers; hash() would not."""
    key = key_for(7, "mask", "training", 3)
    expected = jax.random.key(7)
    for number in (2138030896, 3574762127, 3):
        expected = jax.random.fold_in(expected, number)
    np.testing.assert_array_equal(
        jax.random.key_data(key), jax.random.key_data(expected)
    )
