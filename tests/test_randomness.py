"""Keys: the same for the same purpose, others for every other."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrnas_jax.randomness import key_for

purposes = st.lists(
    st.one_of(st.text(max_size=8), st.integers(0, 2**32 - 1)), max_size=4
).map(tuple)


BITS = (343456174, 3453351751)  # of JAX's threefry


def data(key):
    return tuple(jax.random.key_data(key).tolist())


@pytest.mark.slow
@given(st.integers(0, 2**31 - 1), purposes, purposes)
def test_two_purposes_share_a_key_only_if_they_are_the_same(seed, one, other):
    assert (data(key_for(seed, *one)) == data(key_for(seed, *other))) == (one == other)


@given(st.integers(0, 2**31 - 1), purposes)
def test_the_order_of_the_words_counts(seed, purpose):
    turned = purpose[::-1]
    same = data(key_for(seed, *purpose)) == data(key_for(seed, *turned))
    assert same == (purpose == turned)


def test_drawing_from_a_key_does_not_change_the_next():
    """No hidden state: keys made between others, and used, make no difference."""
    first = data(key_for(3, "mask", 1))
    jax.random.normal(key_for(3, "order"), (4,))
    assert data(key_for(3, "mask", 1)) == first


def test_every_other_purpose_gives_another_key():
    words = ("mask", "order", "paths", 0, 1, 2)
    purposes = [
        *itertools.permutations(words, 2),
        *itertools.permutations(words, 1),
        (),
    ]
    keys = {data(key_for(seed, *p)) for p in purposes for seed in (0, 1)}
    assert len(keys) == 2 * len(purposes)


def test_a_key_is_this_one():
    """The bits themselves: another generator of JAX's would change every run."""
    assert data(key_for(7, "mask", "training", 3)) == BITS


def test_keys_do_not_change_between_versions_of_python_or_runs():
    """A run continued elsewhere must draw the same numbers; hash() would not."""
    key = key_for(7, "mask", "training", 3)
    expected = jax.random.key(7)
    for number in (2138030896, 3574762127, 3):
        expected = jax.random.fold_in(expected, number)
    np.testing.assert_array_equal(
        jax.random.key_data(key), jax.random.key_data(expected)
    )
