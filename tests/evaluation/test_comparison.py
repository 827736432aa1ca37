"""Paired differences: what the interval covers, and the cases where it is a point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.comparison import fold_statistics, paired_difference


def correlated(seed, subjects, frames, between, within):
    """Differences of mean zero: a deviation per subject and one per frame."""
    generator = np.random.default_rng(seed)
    names = np.repeat([f"p{number}" for number in range(subjects)], frames)
    offsets = np.repeat(between * generator.standard_normal(subjects), frames)
    noise = within * generator.standard_normal(len(names))
    return offsets + noise, names.tolist()


@given(st.integers(0, 1000))
def test_the_mean_lies_in_its_interval_and_the_order_only_turns_the_sign(seed):
    first, subjects = correlated(seed, 5, 4, 1, 1)
    second = np.random.default_rng(seed + 1).standard_normal(20)
    result = paired_difference(first, second, seed, subjects)
    assert result.frames == 20
    assert result.mean == pytest.approx(np.mean(first - second))
    assert result.low <= result.mean <= result.high
    turned = paired_difference(second, first, seed, subjects)
    assert turned.mean == pytest.approx(-result.mean)
    np.testing.assert_allclose([turned.low, turned.high], [-result.high, -result.low])


def test_without_subjects_the_interval_is_the_normal_one():
    differences = np.random.default_rng(0).standard_normal(400) + 0.3
    result = paired_difference(differences, np.zeros(400), seed=0)
    half = 1.96 * differences.std() / 20
    np.testing.assert_allclose(
        [result.low, result.high],
        [result.mean - half, result.mean + half],
        atol=0.05 * half,
    )


def test_one_frame_per_subject_is_the_bootstrap_of_frames():
    differences = np.random.default_rng(1).standard_normal(30)
    names = [f"p{number:02d}" for number in range(30)]
    by_subject = paired_difference(differences, np.zeros(30), 3, names)
    assert by_subject == paired_difference(differences, np.zeros(30), 3)


def test_copies_of_a_subjects_frames_do_not_narrow_the_interval():
    values = np.random.default_rng(2).standard_normal(12)
    names = [f"p{number:02d}" for number in range(12)]
    once = paired_difference(values, np.zeros(12), 4, names)
    copies = paired_difference(
        np.repeat(values, 50), np.zeros(600), 4, np.repeat(names, 50).tolist()
    )
    np.testing.assert_allclose(copies[:3], once[:3])
    by_frame = paired_difference(np.repeat(values, 50), np.zeros(600), 4)
    assert by_frame.high - by_frame.low < 0.2 * (copies.high - copies.low)


@pytest.mark.slow
def test_the_interval_covers_the_truth_for_correlated_frames():
    """Resampling subjects covers as promised; resampling frames does not."""
    covered = {"subjects": 0, "frames": 0}
    for seed in range(60):
        differences, subjects = correlated(seed, 20, 10, between=1, within=0.5)
        zeros = np.zeros(len(differences))
        by_subject = paired_difference(differences, zeros, seed, subjects)
        by_frame = paired_difference(differences, zeros, seed)
        covered["subjects"] += by_subject.low < 0 < by_subject.high
        covered["frames"] += by_frame.low < 0 < by_frame.high
    assert covered["subjects"] >= 51
    assert covered["frames"] <= 40


def test_subjects_with_more_frames_count_for_more():
    """Against resampling whole subjects one at a time."""
    generator = np.random.default_rng(5)
    sizes = [1, 9, 3, 7, 5, 2]
    names = [f"p{i}" for i, size in enumerate(sizes) for _ in range(size)]
    values = generator.standard_normal(27) + np.repeat(np.arange(6), sizes)
    result = paired_difference(values, np.zeros(27), 0, names)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    means = [
        np.concatenate([parts[i] for i in generator.integers(0, 6, 6)]).mean()
        for _ in range(4000)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    np.testing.assert_allclose([result.low, result.high], [low, high], atol=0.15)


def test_the_interval_is_that_of_scipy():
    values, names = correlated(9, 7, 3, 1, 1)
    values, names = values[:-2], names[:-2]
    result = paired_difference(values, np.zeros(19), 3, names)
    parts = np.split(values, np.arange(3, 19, 3))
    expected = stats.bootstrap(
        ([part.sum() for part in parts], [len(part) for part in parts]),
        lambda sums, sizes, axis=-1: sums.sum(axis) / sizes.sum(axis),
        n_resamples=9999,
        batch=256,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval
    np.testing.assert_allclose([result.low, result.high], expected, rtol=1e-12)


def test_the_order_of_the_frames_does_not_matter():
    values, names = correlated(6, 6, 5, 1, 1)
    order = np.random.default_rng(0).permutation(len(values))
    shuffled = [names[index] for index in order]
    np.testing.assert_allclose(
        paired_difference(values[order], np.zeros(30), 1, shuffled),
        paired_difference(values, np.zeros(30), 1, names),
    )


def test_the_seed_alone_decides_the_interval():
    values, names = correlated(7, 6, 5, 1, 1)
    zeros = np.zeros(30)
    first = paired_difference(values, zeros, 1, names)
    assert first == paired_difference(values, zeros, 1, names)
    assert first != paired_difference(values, zeros, 2, names)


@pytest.mark.parametrize("subjects", [None, ["a"] * 6, list("aabbcc"), list("aaaabc")])
def test_equal_differences_have_a_point_for_an_interval(subjects):
    first = np.full(6, 31.25, np.float32)
    result = paired_difference(first, first - 1, 0, subjects)
    assert result == (1, 1, 1, 6)
    assert paired_difference(first, first, 0, subjects) == (0, 0, 0, 6)


@pytest.mark.parametrize("subjects", [None, ["a"]])
def test_one_frame_has_a_point_for_an_interval(subjects):
    result = paired_difference(np.array([30.0]), np.array([28.5]), 0, subjects)
    assert result == (1.5, 1.5, 1.5, 1)


def test_one_subject_alone_has_its_frames_resampled():
    values = np.random.default_rng(8).standard_normal(20)
    alone = paired_difference(values, np.zeros(20), 0, ["a"] * 20)
    assert alone == paired_difference(values, np.zeros(20), 0)
    assert alone.low < alone.high


def test_frames_with_an_infinite_score_are_left_out_and_not_counted():
    first = np.array([np.inf, 30, 31, 33])
    second = np.array([np.inf, 29, 31, 31])
    result = paired_difference(first, second, 0, list("aabb"))
    assert result.frames == 3
    assert result.mean == pytest.approx(1)
    assert np.isfinite(result).all()
    nothing = paired_difference(first[:1], second[:1], 0)
    assert nothing.frames == 0
    assert np.isnan(nothing.mean)


def test_a_frame_without_a_subject_is_refused():
    scores = np.zeros(3)
    with pytest.raises(InputError, match="3 scores but 2 subjects"):
        paired_difference(scores, scores, 0, ["a", "b"])


def test_the_spread_over_folds_is_that_of_the_population():
    assert fold_statistics([30.0, 31.0, 35.0]) == pytest.approx(
        (32, stats.tstd([30, 31, 35]) * np.sqrt(2 / 3))
    )
    assert fold_statistics([30.5]) == (30.5, 0)


def test_an_infinite_fold_has_no_spread_and_no_folds_are_refused():
    mean, std = fold_statistics(np.array([30, np.inf]))
    assert mean == np.inf
    assert np.isnan(std)
    with pytest.raises(InputError, match="no scores"):
        fold_statistics([])
