"""Gates: one-hot values, the gradients of the papers, and the laws of drawing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from emrnas_jax.errors import InputError
from emrnas_jax.nas.gates import (
    GATES,
    argmax_choices,
    draw_choices,
    ensemble,
    entropy,
    fair_choices,
    fixed_gates,
    mixture_gates,
    one_path_gates,
    sample_choices,
    two_path_gates,
    uniform_choices,
)

CELLS, OPS = 6, 8

seeds = st.integers(0, 2**32 - 1)
spreads = st.sampled_from([0.0, 1.0, 30.0])


@pytest.fixture(autouse=True)
def _strict_dtypes():
    with jax.numpy_dtype_promotion("strict"):
        yield


def some_alphas(seed, spread=1.0):
    numbers = spread * np.random.default_rng(seed).standard_normal((CELLS, OPS))
    return jnp.asarray(numbers, jnp.float32)


def softmax(alphas):
    alphas = np.asarray(alphas, float)
    exponents = np.exp(alphas - alphas.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def alpha_gradient(gates_of, key, alphas, products):
    """Gradient to alphas when <dL/dy, O_j(x)> of cell i is `products[i, j]`."""

    def loss(alphas):
        gates = gates_of(key, alphas, "sample")
        chosen = jnp.take_along_axis(products, gates.choices, axis=-1)
        return jnp.sum(gates.weights * chosen), gates.choices

    gradient, choices = jax.grad(loss, has_aux=True)(alphas)
    return np.asarray(gradient), np.asarray(choices)


@given(seeds, spreads, st.sampled_from(["sample", "argmax"]))
def test_one_path_is_exactly_one_hot(seed, spread, rule):
    gates = one_path_gates(jax.random.key(seed), some_alphas(seed, spread), rule)
    assert gates.choices.shape == gates.weights.shape == (CELLS, 1)
    assert gates.weights.dtype == jnp.float32
    np.testing.assert_array_equal(gates.weights, 1.0)


@given(seeds, spreads, st.sampled_from(["sample", "argmax"]))
def test_two_paths_are_different_operations_and_exactly_one_hot(seed, spread, rule):
    gates = two_path_gates(jax.random.key(seed), some_alphas(seed, spread), rule)
    assert gates.choices.shape == (CELLS, 2)
    np.testing.assert_array_equal(gates.weights, [[1.0, 0.0]] * CELLS)
    first, second = np.asarray(gates.choices).T
    assert (first != second).all()
    assert ((first >= 0) & (first < OPS) & (second >= 0) & (second < OPS)).all()


@given(seeds, spreads)
def test_the_mixture_is_p_itself(seed, spread):
    alphas = some_alphas(seed, spread)
    gates = mixture_gates(jax.random.key(seed), alphas, "sample")
    np.testing.assert_array_equal(gates.choices, [list(range(OPS))] * CELLS)
    np.testing.assert_allclose(gates.weights, softmax(alphas), atol=1e-6)


@pytest.mark.slow
@given(seeds)
def test_one_path_gradient_is_that_of_p_of_the_active_operation(seed):
    alphas, products = some_alphas(seed), some_alphas(seed + 1)
    found, choices = alpha_gradient(
        one_path_gates, jax.random.key(seed), alphas, products
    )
    p = softmax(alphas)
    for i in range(CELLS):
        c = choices[i, 0]
        expected = [products[i, c] * p[i, c] * ((c == j) - p[i, j]) for j in range(OPS)]
        np.testing.assert_allclose(found[i], expected, atol=1e-6)


@pytest.mark.slow
@given(seeds)
def test_two_path_gradient_is_proxylessnas_over_the_pair(seed):
    """Equation 4 of ProxylessNAS, with p renormalised over the two sampled paths."""
    alphas, products = some_alphas(seed), some_alphas(seed + 1)
    found, choices = alpha_gradient(
        two_path_gates, jax.random.key(seed), alphas, products
    )
    for i in range(CELLS):
        pair = choices[i]
        p = softmax(alphas[i][pair])
        expected = np.zeros(OPS)
        for a in range(2):
            expected[pair[a]] = sum(
                products[i, pair[b]] * p[b] * ((a == b) - p[a]) for b in range(2)
            )
        np.testing.assert_allclose(found[i], expected, atol=1e-6)
        np.testing.assert_allclose(found[i].sum(), 0, atol=1e-6)
        assert set(np.flatnonzero(found[i])) <= set(pair.tolist())


@given(seeds)
def test_mixture_gradient_is_that_of_darts(seed):
    alphas, products = some_alphas(seed), some_alphas(seed + 1)
    found, _ = alpha_gradient(mixture_gates, jax.random.key(seed), alphas, products)
    p, g = softmax(alphas), np.asarray(products, float)
    np.testing.assert_allclose(
        found, p * (g - (p * g).sum(-1, keepdims=True)), atol=1e-6
    )


def test_fixed_gates_run_the_choices_and_give_alphas_nothing():
    gates = fixed_gates(jnp.array([3, 0, 7], jnp.int32))
    np.testing.assert_array_equal(gates.choices, [[3], [0], [7]])
    np.testing.assert_array_equal(gates.weights, [[1.0], [1.0], [1.0]])


def draws_of(rule, alphas, count=4000):
    keys = jax.random.split(jax.random.key(11), count)
    return np.asarray(jax.jit(jax.vmap(lambda key: rule(key, alphas)))(keys))


def counts_of(draws):
    return np.array([np.bincount(cell, minlength=OPS) for cell in draws.T])


def test_sampling_follows_p_and_cells_are_independent():
    alphas = some_alphas(5)
    draws = draws_of(sample_choices, alphas)
    p = softmax(alphas)
    for observed, expected in zip(counts_of(draws), p, strict=True):
        assert stats.chisquare(observed, expected * len(draws)).pvalue > 1e-3
    pairs = np.bincount(draws[:, 0] * OPS + draws[:, 1], minlength=OPS * OPS)
    expected = np.outer(p[0], p[1]).ravel() * len(draws)
    assert stats.chisquare(pairs, expected).pvalue > 1e-3


def test_warm_up_and_random_search_draw_uniformly_whatever_alphas_are():
    draws = draws_of(uniform_choices, some_alphas(0, 30.0))
    for observed in counts_of(draws):
        assert stats.chisquare(observed).pvalue > 1e-3


def test_fair_draws_run_every_operation_once_in_as_many_steps():
    alphas = jnp.zeros((5, 8))
    draw = jax.jit(lambda step: fair_choices(jax.random.key(1), step, alphas))
    drawn = np.stack([draw(jnp.array(step)) for step in range(32)])
    orders = [turn[:, cell] for turn in drawn.reshape(4, 8, 5) for cell in range(5)]
    assert all(sorted(order) == list(range(8)) for order in orders)
    # Cells and turns have orders of their own.
    assert len({order.tobytes() for order in orders}) > 15


@pytest.mark.parametrize("is_fair", [False, True])
def test_networks_are_as_often_short_as_long_where_components_may_be_left_out(is_fair):
    alphas, absent = jnp.zeros((5, 4)), 2
    keys = jax.random.split(jax.random.key(2), 3000)

    def draw(key, step):
        fair_at = (jax.random.key(7), step) if is_fair else None
        return draw_choices(key, alphas, absent, fair_at)

    drawn = np.asarray(jax.jit(jax.vmap(draw))(keys, jnp.arange(3000)))
    counts = np.bincount((drawn != absent).sum(1), minlength=6)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 1e-3
    for cell in drawn.T:
        others = np.bincount(cell[cell != absent], minlength=4)[[0, 1, 3]]
        assert stats.chisquare(others).pvalue > 1e-3
    assert len({round(np.mean(cell == absent), 1) for cell in drawn.T}) == 1


def test_two_paths_are_drawn_one_after_another_without_putting_back():
    alphas = some_alphas(6)
    draws = draws_of(lambda key, a: two_path_gates(key, a, "sample").choices, alphas)
    p = softmax(alphas)
    for i in range(CELLS):
        first, second = draws[:, i, 0], draws[:, i, 1]
        expected = np.outer(p[i], p[i]) / (1 - p[i][:, None])
        np.fill_diagonal(expected, 0)
        observed = np.bincount(first * OPS + second, minlength=OPS * OPS)
        possible = expected.ravel() > 0
        assert (observed[~possible] == 0).all()
        chance = stats.chisquare(
            observed[possible], expected.ravel()[possible] * len(draws)
        )
        assert chance.pvalue > 1e-3


def test_argmax_takes_the_largest_and_two_paths_the_two_largest():
    alphas = some_alphas(7)
    order = np.argsort(-np.asarray(alphas), axis=-1)
    key = jax.random.key(0)
    np.testing.assert_array_equal(argmax_choices(key, alphas), order[:, 0])
    gates = two_path_gates(key, alphas, "argmax")
    np.testing.assert_array_equal(gates.choices, order[:, :2])


def test_the_table_of_gates_has_the_paths_it_says():
    for paths, gates_of in GATES.items():
        gates = gates_of(jax.random.key(0), some_alphas(0), "sample")
        assert gates.choices.shape == gates.weights.shape == (CELLS, paths)


def test_entropy_runs_from_ln_8_to_zero():
    np.testing.assert_allclose(entropy(jnp.zeros((2, OPS))), np.log(8), rtol=1e-6)
    decided = jnp.zeros((1, OPS)).at[0, 2].set(1e4)
    np.testing.assert_array_equal(entropy(decided), 0)
    alphas = some_alphas(8)
    expected = stats.entropy(softmax(alphas), axis=-1)
    np.testing.assert_allclose(entropy(alphas), expected, atol=1e-5)


def test_ensemble_sums_p_over_folds():
    """Two folds that are sure of different operations lose to one both half like."""
    p = np.full((3, 3, OPS), 0.0)
    p[0, 0, [1, 2]] = 0.55, 0.45
    p[1, 0, [3, 2]] = 0.55, 0.45
    p[2, 0, [4, 2]] = 0.55, 0.45
    p[:, 1, 5] = p[:, 2, 7] = 1
    architecture, mean = ensemble(list(p), 3)
    assert str(architecture) == "[O3 O6 O8]"
    np.testing.assert_allclose(mean, p.mean(0))
    np.testing.assert_allclose(mean.sum(-1), 1)


def test_ensemble_of_different_networks_is_refused():
    with pytest.raises(InputError, match="differ"):
        ensemble([np.ones((3, 8)) / 8, np.ones((6, 8)) / 8], 3)
