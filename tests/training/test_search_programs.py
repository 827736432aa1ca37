"""The learning rate of a search's two phases, and what its programs refuse."""

import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.training.search_programs import _weight_rate, search_programs
from emrnas_jax.training.search_settings import SearchSettings

SETTINGS = SearchSettings(warmup_epochs=2, search_epochs=3, learning_rate=0.1)
PER_EPOCH = 5
WARM_UP, ALL = 2 * PER_EPOCH, 5 * PER_EPOCH


def rates(searching, steps):
    found = [
        _weight_rate(SETTINGS, searching, jnp.array(step), jnp.array(PER_EPOCH))
        for step in steps
    ]
    return np.array(found)


def cosine(steps):
    """Half a cosine over a number of steps, in plain NumPy."""
    return 0.1 * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2


def test_each_phase_has_a_cosine_of_its_own():
    found = rates(False, range(WARM_UP))
    np.testing.assert_allclose(found, cosine(WARM_UP), rtol=1e-5)
    found = rates(True, range(WARM_UP, ALL))
    np.testing.assert_allclose(found, cosine(ALL - WARM_UP), rtol=1e-5)


def test_the_rate_of_the_search_begins_anew_at_the_whole():
    last, first = rates(False, [WARM_UP - 1])[0], rates(True, [WARM_UP])[0]
    assert last < 0.03 * first
    assert first == pytest.approx(0.1)


def test_the_rate_falls_in_every_step_of_a_phase():
    assert (np.diff(rates(False, range(WARM_UP))) < 0).all()
    assert (np.diff(rates(True, range(WARM_UP, ALL))) < 0).all()


@pytest.mark.parametrize("paths", [3, 7, 9])
def test_other_numbers_of_paths_are_refused_before_anything_is_compiled(
    paths, sampling
):
    settings = SearchSettings(paths_per_cell=paths)
    with pytest.raises(InputError, match=f"found {paths}; choose one of 1, 2, 8"):
        search_programs(SearchNetwork(width=4), settings, sampling, 0)
