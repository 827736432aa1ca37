"""The front is every architecture that no other one beats, against all of them."""

from itertools import product

import numpy as np
import pytest

from emrnas_jax.nas.front import best_within, evenly_over_time, pareto_front


@pytest.fixture
def sums():
    """Losses and times of five cells; operations that take longer tend to be better."""
    random = np.random.default_rng(3)
    times = random.integers(1, 40, (5, 4)) / 4
    return random.normal(0, 0.3, (5, 4)) - 0.2 * times, times


def test_the_front_is_that_of_trying_every_architecture(sums):
    losses, times = sums
    cells = np.arange(5)
    every = np.array(list(product(range(4), repeat=5)))
    loss, ms = (own[cells, every].sum(1) for own in (losses, times))
    beaten = [
        bool(np.any((ms <= t) & (loss < x)) or np.any((ms < t) & (loss <= x)))
        for x, t in zip(loss, ms, strict=True)
    ]
    expected = {tuple(c) for c, b in zip(every.tolist(), beaten, strict=True) if not b}
    front = pareto_front(losses, times)
    assert {point.choices for point in front} == expected
    for point in front:
        assert point.loss == pytest.approx(losses[cells, list(point.choices)].sum())
        assert point.ms == pytest.approx(times[cells, list(point.choices)].sum())


def test_the_front_counts_the_components_that_are_present(sums):
    """Against every architecture, where their number adds to the loss."""
    losses, times = sums
    absent, by_count = 1, np.array([9.0, 4.0, 2.0, 1.5, 1.2, 1.1])
    times[:, absent] = 0
    cells = np.arange(5)
    every = np.array([c for c in product(range(4), repeat=5) if set(c) != {absent}])
    loss = losses[cells, every].sum(1) + by_count[(every != absent).sum(1)]
    ms = times[cells, every].sum(1)
    front = pareto_front(losses, times, by_count, absent)
    for point in front:
        assert not np.any((ms <= point.ms + 1e-6) & (loss < point.loss - 1e-9))
        place = np.flatnonzero((every == point.choices).all(1))
        assert point.loss == pytest.approx(loss[place[0]])
    best = min(loss[ms <= 6.0])
    within = best_within(front, 6.0)
    assert within is not None
    assert within.loss == pytest.approx(best)
    # Without what the number adds, others are the best.
    plain = pareto_front(losses, times, absent=absent)
    assert {p.choices for p in plain} != {p.choices for p in front}


def test_time_rises_and_loss_falls_along_the_front(sums):
    front = pareto_front(*sums)
    assert np.all(np.diff([point.ms for point in front]) > 0)
    assert np.all(np.diff([point.loss for point in front]) < 0)


def test_fifteen_cells_of_eight_operations_are_no_work():
    random = np.random.default_rng(4)
    times = random.uniform(5, 10, (15, 8))
    front = pareto_front(random.normal(size=(15, 8)) - times, times)
    assert 50 < len(front) < 15 * 5000


def test_the_best_within_a_budget_is_the_last_that_fits(sums):
    front = pareto_front(*sums)
    middle = front[len(front) // 2]
    assert best_within(front, middle.ms) == middle
    assert best_within(front, middle.ms - 1e-6) == front[len(front) // 2 - 1]
    assert best_within(front, 1e9) == front[-1]
    assert best_within(front, front[0].ms - 0.1) is None


def test_a_few_points_have_both_ends_and_the_order_of_the_front(sums):
    front = pareto_front(*sums)
    few = evenly_over_time(front, 4)
    assert few[0] == front[0]
    assert few[-1] == front[-1]
    assert len(few) == 4
    assert few == sorted(few, key=lambda point: point.ms)
    assert evenly_over_time(front[:1], 4) == front[:1]
    assert evenly_over_time(front, len(front) - 1) == sorted(
        set(evenly_over_time(front, len(front) - 1)), key=lambda point: point.ms
    )
    [middle] = evenly_over_time(front, 1)
    assert front[0].ms < middle.ms < front[-1].ms
