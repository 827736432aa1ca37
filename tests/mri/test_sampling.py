"""Laws of masks: totals, centre, frequencies, sizes and axes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.mri.cartesian_lines import line_probability
from emrnas_jax.mri.packed_masks import PackedMasks
from emrnas_jax.mri.sampling import KINDS, Sampling, draw_mask

MASKS = PackedMasks.pack(np.eye(3, 12, k=6, dtype=bool), "masks.npz")
DRAWN = ["cartesian", "random", "equispaced", "equispaced_fraction"]


@functools.cache
def drawer(sampling, shape):
    # One after another: thousands together would all wait for the last redraw. Here the
    # optimisations that tests do without elsewhere are worth their time.
    return jax.jit(
        lambda keys: jax.lax.map(lambda key: draw_mask(sampling, key, shape), keys),
        compiler_options={"xla_backend_optimization_level": 3},
    )


def drawn_lines(sampling, count, number, seed=0):
    """Many masks of `count` lines, zero frequency in the middle: [mask, line]."""
    keys = jax.random.split(jax.random.key(seed), number)
    masks = drawer(sampling, (count, 5))(keys)
    return np.fft.fftshift(np.asarray(masks)[:, :, 0], axes=1)


def inclusion(probability, totals):
    """How often each line is on, given that the total is one of `totals`: exact."""

    def totals_law(probabilities):
        law = np.ones(1)
        for p in probabilities:
            law = np.convolve(law, [1 - p, p])
        return np.append(law, np.zeros(2))

    accepted = totals_law(probability)[list(totals)].sum()
    rest = [totals_law(np.delete(probability, i)) for i in range(len(probability))]
    with_line = [law[np.array(totals) - 1].sum() for law in rest]
    return probability * with_line / accepted


@pytest.mark.parametrize(
    ("rate", "count", "totals"),
    [
        (0.15, 256, {38, 39}),
        (0.25, 256, {64}),
        (0.15, 40, {6}),
        (0.1, 30, {3}),
        (0.15, 8, {2}),
        (0.9, 33, {29, 30}),
    ],
)
def test_cartesian_measures_the_rate_to_a_line(rate, count, totals):
    lines = drawn_lines(Sampling(rate=rate), count, 200)
    assert set(lines.sum(axis=1).tolist()) == totals


@pytest.mark.parametrize("count", [256, 65, 8])
def test_cartesian_always_measures_the_two_centre_lines(count):
    lines = drawn_lines(Sampling(), count, 200)
    assert lines[:, [count // 2 - 1, count // 2]].all()
    if count > 8:
        others = np.delete(lines, [count // 2 - 1, count // 2], axis=1)
        assert not others.all(axis=0).any()


def test_the_zero_frequency_comes_first():
    mask = draw_mask(Sampling(rate=0.1), jax.random.key(0), (20, 20))
    np.testing.assert_array_equal(np.flatnonzero(mask), [0, 19])


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "count"), [(0.15, 65), (0.25, 40)])
def test_cartesian_frequencies_are_those_of_independent_draws_redrawn(rate, count):
    lines = drawn_lines(Sampling(rate=rate), count, 8000)
    total = rate * count
    totals = [int(total)] if total == int(total) else [int(total), int(total) + 1]
    expected = inclusion(line_probability(rate, count), totals)
    deviation = np.sqrt(np.maximum(expected * (1 - expected), 1e-12) / len(lines))
    # The largest of 64 normal deviations stays below 4.5 but once in 2300 tests.
    assert np.abs((lines.mean(axis=0) - expected) / deviation).max() < 4.5


@pytest.mark.slow
def test_cartesian_frequencies_are_those_of_the_published_masks(published_masks):
    frequencies = drawn_lines(Sampling(), 256, 8000).mean(axis=0)
    published = published_masks["line_probability_10k"]
    # The fit's own error is 0.003, that of counting 8000 masks up to 0.006.
    assert np.sqrt(np.mean((frequencies - published) ** 2)) < 0.006
    assert np.abs(frequencies - published).max() < 0.03


def test_published_totals_and_centre_are_those_drawn(published_masks):
    masks = published_masks["masks"]
    lines = drawn_lines(Sampling(), 256, 200)
    assert set(masks.sum(axis=1)) == set(lines.sum(axis=1))
    np.testing.assert_array_equal(masks.all(axis=0), lines.all(axis=0))


def test_random_measures_the_rate_on_average_and_the_centre_always():
    sampling = Sampling(kind="random", rate=0.25, center_fraction=0.08)
    lines = drawn_lines(sampling, 100, 4000)
    centre = np.arange(46, 54)
    assert lines[:, centre].all()
    outside = np.delete(lines, centre, axis=1)
    # (W/R - n) / (W - n), fastMRI's probability of every other line.
    expected = (25 - 8) / (100 - 8)
    deviation = np.sqrt(expected * (1 - expected) / 4000)
    assert np.abs(outside.mean(axis=0) - expected).max() < 4.5 * deviation


def fastmri_equispaced(count, rate, center_fraction, fraction):
    """All masks of fastMRI's equispaced kinds, one per offset, plainly written."""
    low = round(count * center_fraction)
    start = (count - low + 1) // 2
    step = 1 / rate
    if fraction:
        step = (step * (low - count)) / (low * step - count)
    masks = set()
    for offset in range(round(step)):
        mask = np.zeros(count, bool)
        mask[start : start + low] = True
        if fraction:
            mask[np.around(np.arange(offset, count - 1, step)).astype(int)] = True
        else:
            mask[offset :: round(step)] = True
        masks.add(tuple(mask.tolist()))
    return masks


@pytest.mark.parametrize(
    ("count", "rate", "center_fraction"),
    [(368, 0.25, 0.08), (320, 0.125, 0.04), (33, 0.5, 0.1)],
)
@pytest.mark.parametrize("kind", ["equispaced", "equispaced_fraction"])
def test_equispaced_masks_are_exactly_those_of_fastmri(
    kind, count, rate, center_fraction
):
    sampling = Sampling(kind=kind, rate=rate, center_fraction=center_fraction)
    drawn = {tuple(mask) for mask in drawn_lines(sampling, count, 400).tolist()}
    fraction = kind == "equispaced_fraction"
    assert drawn == fastmri_equispaced(count, rate, center_fraction, fraction)


def test_equispaced_fraction_hits_a_rate_that_is_no_whole_acceleration():
    sampling = Sampling(kind="equispaced_fraction", rate=0.15)
    totals = drawn_lines(sampling, 256, 100).sum(axis=1)
    assert abs(totals.mean() - 0.15 * 256) < 1.5


def test_equispaced_gaps_differ_by_one_line_at_most():
    sampling = Sampling(kind="equispaced", rate=0.15, center_fraction=0.0)
    for lines in drawn_lines(sampling, 256, 20):
        assert set(np.diff(np.flatnonzero(lines)).tolist()) == {6, 7}


@pytest.mark.parametrize("kind", DRAWN)
def test_rate_one_measures_everything(kind):
    assert drawn_lines(Sampling(kind=kind, rate=1.0), 30, 10).all()


@pytest.mark.parametrize("kind", ["random", "equispaced_fraction"])
def test_a_centre_rounded_up_to_the_rate_is_measured_alone(kind):
    # 0.15 of 10 lines is 1.5, rounded to 2 of centre: nothing is left for the others.
    sampling = Sampling(kind=kind, rate=0.15, center_fraction=0.15)
    lines = drawn_lines(sampling, 10, 20)
    np.testing.assert_array_equal(lines, [np.isin(np.arange(10), [4, 5])] * 20)


@pytest.mark.parametrize("kind", DRAWN)
def test_a_key_names_its_mask(kind):
    sampling = Sampling(kind=kind)
    first, again = (drawn_lines(sampling, 64, 30, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != drawn_lines(sampling, 64, 30, seed=2)).any()


@pytest.mark.parametrize("kind", DRAWN)
def test_scan_vmap_and_plain_calls_draw_the_same_mask(kind):
    sampling = Sampling(kind=kind)
    keys = jax.random.split(jax.random.key(3), 3)

    def step(carry, key):
        return carry, draw_mask(sampling, key, (32, 8))

    scanned = jax.lax.scan(step, 0, keys)[1]
    plain = jnp.stack([draw_mask(sampling, key, (32, 8)) for key in keys])
    np.testing.assert_array_equal(scanned, plain)
    together = jax.jit(jax.vmap(lambda key: draw_mask(sampling, key, (32, 8))))(keys)
    np.testing.assert_array_equal(together, plain)


@pytest.mark.parametrize("kind", DRAWN)
def test_columns_are_rows_turned(kind):
    key = jax.random.key(4)
    rows = draw_mask(Sampling(kind=kind), key, (32, 20))
    columns = draw_mask(Sampling(kind=kind, phase_encode="columns"), key, (20, 32))
    assert rows.shape == (32, 1)
    assert columns.shape == (1, 32)
    assert rows.dtype == jnp.bool_
    np.testing.assert_array_equal(columns, rows.T)


@pytest.mark.slow
def test_of_several_rates_each_mask_has_one_all_as_likely():
    sampling = Sampling(rate=0.25, others=((0.5, 0.04), (0.125, 0.04)))
    totals = drawn_lines(sampling, 64, 600).sum(axis=1)
    found, counts = np.unique(totals, return_counts=True)
    np.testing.assert_array_equal(found, [8, 16, 32])
    # Four standard deviations of 600 draws.
    assert np.all(np.abs(counts - 200) < 4 * np.sqrt(600 * 2 / 9))


def test_each_of_several_rates_has_its_own_centre():
    sampling = Sampling("random", 0.25, 0.125, others=((0.5, 0.375),))
    lines = drawn_lines(sampling, 64, 100)
    assert lines[:, 28:36].all()
    wide = lines[:, 20:44].all(axis=1)
    # A narrow mask rarely measures all of the wide centre by chance.
    assert 30 < wide.sum() < 70
    assert lines[wide].mean() > 0.4 > 0.3 > lines[~wide].mean()


def test_several_rates_draw_the_same_mask_in_a_batch_and_alone():
    sampling = Sampling(rate=0.25, others=((0.5, 0.04),))
    keys = jax.random.split(jax.random.key(3), 3)
    plain = jnp.stack([draw_mask(sampling, key, (32, 8)) for key in keys])
    together = jax.jit(jax.vmap(lambda key: draw_mask(sampling, key, (32, 8))))(keys)
    np.testing.assert_array_equal(together, plain)


@pytest.mark.parametrize("rate", [0.1, 0.35])
@pytest.mark.parametrize("kind", ["random", "equispaced", "equispaced_fraction"])
def test_fastmri_kinds_always_measure_their_centre(kind, rate):
    lines = drawn_lines(Sampling(kind=kind, rate=rate, center_fraction=0.1), 30, 50)
    # fastMRI's first line of the centre: (30 - 3 + 1) // 2.
    assert lines[:, 14:17].all()
    assert (lines.mean(axis=1) > 0.8 * rate).all() or kind == "random"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "radial"}, "sampling.kind.*cartesian.*'radial'"),
        ({"rate": 0.0}, r"sampling.rate.*\(0, 1\].*0.0"),
        ({"rate": -0.1}, "sampling.rate"),
        ({"rate": 4.0}, "sampling.rate.*1 / R"),
        ({"rate": float("nan")}, "sampling.rate"),
        ({"phase_encode": "depth"}, "sampling.phase_encode.*rows, columns.*'depth'"),
        ({"kind": "random", "center_fraction": 0.2}, "center_fraction.*0.15.*0.2"),
        ({"kind": "equispaced", "center_fraction": 0.2}, "center_fraction"),
        ({"kind": "equispaced_fraction", "center_fraction": 0.2}, "center_fraction"),
        ({"kind": "random", "center_fraction": -0.1}, "center_fraction"),
        ({"others": ((0.3, 0.04), (1.5, 0.04))}, "sampling.rate.*1.5"),
        ({"kind": "random", "others": ((0.1, 0.2),)}, "center_fraction.*0.1, .*0.2"),
        ({"kind": "file"}, "kind 'file' needs given masks"),
        ({"masks": MASKS}, "kind 'cartesian' does not use given masks"),
    ],
)
def test_impossible_settings_are_refused_with_their_name_and_value(settings, message):
    with pytest.raises(InputError, match=message):
        Sampling(**settings)


def test_a_centre_wider_than_the_rate_does_not_matter_to_cartesian():
    assert Sampling(rate=0.02).center_fraction > 0.02


def test_a_rate_below_the_two_centre_lines_is_refused():
    with pytest.raises(InputError, match=r"0.05 of 16 lines is 0.8.*two centre lines"):
        draw_mask(Sampling(rate=0.05), jax.random.key(0), (16, 256))


@pytest.mark.parametrize("kind", ["random", "equispaced", "equispaced_fraction"])
def test_a_rate_below_one_line_is_refused(kind):
    sampling = Sampling(kind=kind, rate=1e-7, center_fraction=0.0)
    with pytest.raises(InputError, match="1e-07 of 16 lines is less than one line"):
        draw_mask(sampling, jax.random.key(0), (16, 256))


def test_every_kind_has_a_test():
    # test_poisson_discs.py and test_mask_files.py have the last two.
    assert {*DRAWN, "poisson", "file"} == set(KINDS)
