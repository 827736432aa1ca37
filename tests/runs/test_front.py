"""Places of a front: what a network may take of it other than the choice of the run."""

import numpy as np
import pytest
from msgspec import structs

from emrnas_jax.errors import InputError
from emrnas_jax.runs.front import PLACE, Front, FrontPoint, architecture_at

TIMES = np.linspace(2, 12, 101)


@pytest.fixture
def front():
    """101 candidates whose quality jumps about, and a front above them."""
    random = np.random.default_rng(0)
    noise = random.uniform(0, 1, len(TIMES))
    judged = [
        FrontPoint(architecture=f"[J{i}]", ms=ms, gain_db=ms / 10 - own)
        for i, (ms, own) in enumerate(zip(TIMES, noise, strict=True))
    ]
    points = [
        FrontPoint(architecture=f"[F{i}]", ms=ms, gain_db=ms / 10)
        for i, ms in enumerate(TIMES[::7])
    ]
    random.shuffle(judged)
    return Front(
        device="a device",
        budget_ms=0.0,
        chosen="[F3]",
        points=tuple(points),
        judged=tuple(judged),
        error_db=0.1,
        slowest_ms=20.0,
    )


def point(front, place):
    text = architecture_at(front, place)
    return next(p for p in (*front.points, *front.judged) if p.architecture == text)


def test_front_and_candidates_are_the_best_within_the_same_times(front):
    for limit in (3, 5, 7, 9, 11):
        percent = 100 * limit // 20
        found = point(front, f"front_within_{percent}_percent")
        within = [own for own in front.points if own.ms <= limit]
        assert found == within[-1]
        judged = point(front, f"judged_within_{percent}_percent")
        within = [own for own in front.judged if own.ms <= limit]
        assert judged.gain_db == max(own.gain_db for own in within)


def test_candidates_are_spread_over_time_whatever_their_quality(front):
    times = [point(front, f"candidate_{n}_of_4").ms for n in range(1, 5)]
    np.testing.assert_allclose(
        times, np.quantile(TIMES, [1 / 8, 3 / 8, 5 / 8, 7 / 8]), atol=0.11
    )
    every = {architecture_at(front, f"candidate_{n}_of_101") for n in range(1, 102)}
    assert every == {own.architecture for own in front.judged}


def test_the_slowest_architecture_is_within_all_of_its_time(front):
    """Sums of the same times in another order differ by rounding."""
    last = front.points[-1]
    less = structs.replace(front, slowest_ms=np.nextafter(last.ms, 0))
    assert point(less, "front_within_100_percent") == last


def test_a_time_that_nothing_keeps_is_refused_with_the_fastest(front):
    message = r"front_within_9_percent: nothing takes at most 1\.80 ms, .* takes 2\.00"
    with pytest.raises(InputError, match=message):
        architecture_at(front, "front_within_9_percent")


def test_a_front_without_the_slowest_time_says_that_it_is_older(front):
    older = structs.replace(front, slowest_ms=0.0)
    with pytest.raises(InputError, match=r"older version.* --stage=ensemble again"):
        architecture_at(older, "front_within_50_percent")


@pytest.mark.parametrize(
    "text",
    [
        "front",
        "candidate_0_of_3",
        "candidate_1_of_",
        "candidate_within_40_percent",
        "best_within_40_percent",
        "front_within_0_percent",
        "front_1_of_2",
        "[O1]",
    ],
)
def test_other_texts_are_no_places(text):
    assert not PLACE.fullmatch(text)
