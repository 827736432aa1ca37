"""REINFORCE: the mean of the estimate is the gradient itself, whatever the losses."""

from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.nas.reinforce import (
    draw_architectures,
    leave_one_out_gradient,
    log_relative_time,
)

GROUPS, OPS = 2, 3
EVERY = np.array(list(product(range(OPS), repeat=GROUPS)), np.int32)


@pytest.fixture(autouse=True)
def _strict_dtypes():
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture
def alphas():
    numbers = np.random.default_rng(0).standard_normal((GROUPS, OPS))
    return jnp.asarray(numbers, jnp.float32)


@pytest.fixture
def losses():
    """One loss for every architecture, of which no part is additive."""
    return np.random.default_rng(1).normal(-5, 1, len(EVERY)).astype(np.float32)


def probabilities_of(alphas):
    """Probability of every architecture, as a function to take gradients of."""
    log_p = jax.nn.log_softmax(alphas)
    return jnp.exp(log_p[jnp.arange(GROUPS), EVERY].sum(-1))


@pytest.mark.parametrize("draws", [2, 3])
def test_the_estimate_is_unbiased(draws, alphas, losses):
    """Every tuple of draws, weighted by its probability, against the gradient of E."""
    exact = jax.grad(lambda a: probabilities_of(a) @ losses)(alphas)
    tuples = np.array(list(product(range(len(EVERY)), repeat=draws)))
    weights = np.asarray(probabilities_of(alphas), float)[tuples].prod(-1)
    estimate = jax.vmap(partial(leave_one_out_gradient, operations=OPS))
    estimates = estimate(jnp.asarray(EVERY[tuples]), jnp.asarray(losses[tuples]))
    mean = np.einsum("t,tgo->go", weights, np.asarray(estimates, float))
    np.testing.assert_allclose(mean, exact, atol=1e-5)
    assert np.abs(exact).max() > 0.05


def test_each_loss_is_compared_with_the_mean_of_the_others(alphas, losses):
    choices, own = EVERY[[0, 4, 5, 7]], losses[:4]
    expected = np.zeros((GROUPS, OPS))
    for i in range(4):
        score = np.eye(OPS)[choices[i]] - np.asarray(jax.nn.softmax(alphas))
        expected += (own[i] - np.delete(own, i).mean()) * score / 4
    found = leave_one_out_gradient(jnp.asarray(choices), jnp.asarray(own), OPS)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_all_losses_have_in_common_drops_out(losses):
    choices = jnp.asarray(EVERY[:4])
    found = [
        leave_one_out_gradient(choices, jnp.asarray(losses[:4] + constant), OPS)
        for constant in (np.float32(0), np.float32(3))
    ]
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_operations_that_no_draw_or_every_draw_has_get_exactly_zero(losses):
    """Adam makes a whole step of the smallest gradient, also of one by rounding."""
    choices = jnp.array([[0, 1], [0, 2], [0, 1]])
    for own in losses[:7], 3 * losses[:7]:
        for first in range(5):
            three = jnp.asarray(own[first : first + 3])
            found = np.asarray(leave_one_out_gradient(choices, three, OPS))
            np.testing.assert_array_equal(found[0], 0)
            np.testing.assert_array_equal(found[1, 0], 0)
            assert np.all(found[1, 1:])


def test_architectures_are_drawn_from_p_independently_of_each_other(alphas):
    drawn = draw_architectures(jax.random.key(0), alphas, 20_000)
    p = np.asarray(jax.nn.softmax(alphas))
    counts = np.stack([np.bincount(own, minlength=OPS) for own in np.asarray(drawn).T])
    np.testing.assert_allclose(counts / len(drawn), p, atol=0.02)
    pairs = np.bincount(drawn[:, 0] * OPS + drawn[:, 1], minlength=OPS**2)
    together = (p[0][:, None] * p[1]).ravel()
    np.testing.assert_allclose(pairs / len(drawn), together, atol=0.02)
    again = np.bincount(drawn[:-1, 0] * OPS + drawn[1:, 0], minlength=OPS**2)
    together = (p[0][:, None] * p[0]).ravel()
    np.testing.assert_allclose(again / (len(drawn) - 1), together, atol=0.02)


def test_times_are_relative_to_the_mean_of_uniform_draws():
    times = np.array([[1.0, 2.0, 6.0], [2.0, 2.5, 3.0]], np.float32)
    found = log_relative_time(jnp.asarray(times), jnp.asarray(EVERY))
    own = np.array([times[0, a] + times[1, b] for a, b in EVERY])
    np.testing.assert_allclose(found, np.log(own / own.mean()), atol=1e-6)
