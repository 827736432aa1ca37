"""The figures of a search by the front draw the numbers of its files."""

# pyright: reportAttributeAccessIssue=false

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text
from msgspec import structs

from emrnas_jax.errors import InputError
from emrnas_jax.nas.latency_table import Check, LatencyTable, Measured, write_table
from emrnas_jax.nas.space import Architecture
from emrnas_jax.nas.wide_space import WIDE
from emrnas_jax.reporting.figures import front as front_figures
from emrnas_jax.reporting.figures import front_checks, trained_front
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.front import Front, FrontPoint, write_front
from emrnas_jax.runs.results import NetworkScore, Results, SearchLine
from emrnas_jax.runs.run import Run

# Time in ms and dB beside the average candidate.
POINTS = {"[skip|thin]": (1.0, -0.5), "[thin|pair]": (2.0, 0.1), "[low|pair]": (3.0, 1)}
JUDGED = {
    "[thin|thin]": (1.5, -0.2),
    "[pair|skip]": (1.7, -0.1),
    "[pair|long]": (2.2, 0.0),
    "[pair|four]": (2.8, 0.3),
}
CHECK = Check(
    architectures=("[thin|thin]", "[pair|pair]", "[low|low]"),
    predicted_ms=(1.0, 2.0, 4.0),
    measured_ms=(1.1, 1.9, 4.5),
    median_error=0.0525,
    rank_correlation=0.95,
)


def score(architecture="", psnr_db=30.0, ms=2.0, device="a device", **own):
    settings = {"architecture": architecture} if architecture else {}
    return NetworkScore(
        psnr_db_mean=psnr_db,
        psnr_db_std=0.1,
        ssim_mean=0.9,
        ssim_std=0.01,
        frames=9,
        seconds_per_frame=1e-3 * ms,
        device=device,
        settings=settings,
        **own,
    )


FROM_SEARCH = {
    "front_1": score("[thin|pair]", 30.5, 2.1),
    "front_2": score("[skip|thin]", 29.0, 1.1),
    "judged_1": score("[thin|thin]", 29.2, 1.4),
    "judged_2": score("[pair|skip]", 29.6, 1.9),
    "judged_3": score("[pair|long]", 29.5, 2.4),
    "judged_4": score("[pair|four]", 30.1, 2.9),
}
BESIDE = {
    "zero_filled": score(psnr_db=21.0, ms=0.0),
    # The architecture of a candidate, but not a network of the search.
    "published": score("[pair|four]", 28.0, 2.5, title="Published"),
}


def points_of(own):
    return tuple(
        FrontPoint(architecture=text, ms=float(ms), gain_db=float(gain))
        for text, (ms, gain) in own.items()
    )


@pytest.fixture
def run(tmp_path):
    """A run without files."""
    line = SearchLine(architecture="[low|pair]", networks=tuple(FROM_SEARCH))
    results = Results(
        dataset="Hearts",
        sampling_rate=0.15,
        folds=2,
        convention="paper",
        unit="frame",
        networks=BESIDE | FROM_SEARCH,
        searches={"front_1": line},
    )
    config = {"report": {"pdf": False}}
    return Run(tmp_path, config, results, None, [], ())


@pytest.fixture
def searched(run):
    """The same run with the files of its search."""
    front = Front(
        device="a device",
        budget_ms=0.0,
        chosen="[low|pair]",
        points=points_of(POINTS),
        judged=points_of(JUDGED),
        error_db=0.05,
    )
    write_front(RunFolder(run.path).front(), front)
    of = Measured(device="a device", settings={}, size=(64, 48), batch=1, coils=0)
    times = {own.name: 1.0 for own in WIDE}
    table = LatencyTable(
        measured=of, jax="0", rest_ms=0.5, operations_ms=times, check=CHECK
    )
    write_table(RunFolder(run.path).latency(), table)
    return run


def with_networks(run, networks):
    return replace(run, results=structs.replace(run.results, networks=networks))


def lines_of(axes):
    return [np.column_stack(line.get_data()).tolist() for line in axes.lines]


def test_a_run_without_a_front_has_none_of_these_figures(run):
    architecture = Architecture.parse("[low|pair]", WIDE)
    assert front_figures.front_pictures(run) == []
    assert front_figures.share_pictures(run, architecture) == []
    assert front_checks.time_check_pictures(run) == []
    assert front_checks.order_pictures(run) == []
    assert trained_front.quality_pictures(run) == []


def test_networks_are_sorted_by_where_their_architectures_come_from(searched):
    device, names = trained_front.timed_on_one_device(searched)
    assert device == "a device"
    groups = trained_front.groups_of(searched, names)
    assert [[own.title for own in group.networks] for group in groups] == [
        ["front_2", "front_1"],
        ["judged_1", "judged_2", "judged_3", "judged_4"],
        ["Published"],
    ]
    assert [group.is_front for group in groups] == [True, False, False]


def test_measured_time_and_psnr_of_every_network_are_drawn_and_named(searched):
    _, names = trained_front.timed_on_one_device(searched)
    figure = trained_front.draw_quality(trained_front.groups_of(searched, names))
    front, judged, other = figure.axes[0].lines
    np.testing.assert_allclose(lines_of(figure.axes[0])[0], [[1.1, 29.0], [2.1, 30.5]])
    assert np.size(judged.get_xdata()) == 4
    assert [line.get_linestyle() for line in (front, judged, other)] == [
        "-",
        "None",
        "None",
    ]
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {"front_1", "front_2", "judged_4", "Published"} <= words


def test_names_do_not_lie_on_each_other(searched):
    _, names = trained_front.timed_on_one_device(searched)
    figure = trained_front.draw_quality(trained_front.groups_of(searched, names))
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 7
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_times_of_another_device_are_left_out_and_said_to_be(searched):
    other = score(psnr_db=31.0, ms=0.1, device="a faster one")
    run = with_networks(searched, searched.results.networks | {"elsewhere": other})
    [picture] = trained_front.quality_pictures(run)
    assert "elsewhere" not in picture.description
    assert "judged_1: 1.40 ms, 29.20 dB" in picture.description
    assert "1 network that diverged or ran on another device is left" in picture.caption
    [picture] = trained_front.quality_pictures(searched)
    assert "left out" not in picture.caption
    assert "on a device, median over folds" in picture.caption


def test_times_far_from_the_table_are_said_to_be_doubtful(searched):
    # From 1.9 / 1.7 down to 1.4 / 1.5 times as long.
    [picture] = trained_front.quality_pictures(searched)
    assert "took 0.9 to 1.1 times as long as it predicted" in picture.caption
    assert "busy" not in picture.caption
    slow = structs.replace(FROM_SEARCH["front_2"], seconds_per_frame=2e-3)
    run = with_networks(searched, FROM_SEARCH | {"front_2": slow})
    [picture] = trained_front.quality_pictures(run)
    assert "0.9 to 2.0 times" in picture.caption
    assert "Such a spread comes from a busy device" in picture.caption


def test_a_wide_range_of_times_has_a_logarithmic_axis_with_plain_numbers(searched):
    slow = structs.replace(BESIDE["published"], seconds_per_frame=50e-3)
    run = with_networks(searched, FROM_SEARCH | {"published": slow})
    _, names = trained_front.timed_on_one_device(run)
    axes = trained_front.draw_quality(trained_front.groups_of(run, names)).axes[0]
    assert axes.get_xscale() == "log"
    shown = [label.get_text() for label in axes.get_xticklabels(which="both")]
    assert {"1", "2", "5", "10", "20", "50"} <= set(shown)
    assert not any("10^" in text for text in shown)


def test_one_network_makes_no_picture_of_quality(searched):
    run = with_networks(searched, {"front_1": FROM_SEARCH["front_1"]})
    assert trained_front.quality_pictures(run) == []


def test_the_times_of_the_check_are_drawn_beside_the_diagonal(searched):
    diagonal, points = lines_of(front_checks.draw_times(CHECK).axes[0])
    assert all(x == y for x, y in diagonal)
    assert points == [[1.0, 1.1], [2.0, 1.9], [4.0, 4.5]]
    [picture] = front_checks.time_check_pictures(searched)
    assert "a frame of 64 × 48 pixels on a device" in picture.caption
    assert "median error is 5.2\u00a0%" in picture.caption
    assert "(Spearman's) is 0.95" in picture.caption


def test_a_table_that_was_not_checked_makes_no_picture(searched):
    path = RunFolder(searched.path).latency()
    path.write_text(path.read_text().replace('"check": {', '"unknown": {'))
    assert front_checks.time_check_pictures(searched) == []
    path.write_text("{}")
    with pytest.raises(InputError, match=r"latency\.json: damaged"):
        front_checks.time_check_pictures(searched)


def test_the_order_of_the_search_is_compared_with_that_of_training(searched):
    assert front_checks.trained_candidates(searched) == {
        "[thin|thin]": (-0.2, 29.2),
        "[pair|skip]": (-0.1, 29.6),
        "[pair|long]": (0.0, 29.5),
        "[pair|four]": (0.3, 30.1),
    }
    [picture] = front_checks.order_pictures(searched)
    # Five of six pairs agree: tau = (5 - 1) / 6, and p = 8 / 24 among 24 orders.
    assert "Kendall's tau is 0.67 (p = 0.333)" in picture.caption
    assert "for 4 architectures" in picture.caption


def test_two_networks_of_one_architecture_count_once(searched):
    again = structs.replace(FROM_SEARCH["judged_1"], psnr_db_mean=29.0)
    run = with_networks(searched, FROM_SEARCH | {"front_1": again})
    found = front_checks.trained_candidates(run)
    assert len(found) == 4
    assert found["[thin|thin]"] == pytest.approx((-0.2, 29.1))


def test_three_architectures_make_no_order(searched):
    three = {n: s for n, s in FROM_SEARCH.items() if n != "judged_1"}
    assert front_checks.order_pictures(with_networks(searched, three)) == []
    lost = structs.replace(FROM_SEARCH["judged_1"], psnr_db_mean=float("nan"))
    diverged = with_networks(searched, FROM_SEARCH | {"judged_1": lost})
    assert front_checks.order_pictures(diverged) == []


def test_shares_of_the_front_are_counted_in_every_cell(searched):
    found = [Architecture.parse(text, WIDE) for text in POINTS]
    shares = front_figures.shares_of(found)
    names = [own.name for own in WIDE]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares[0, names.index("skip")] == 1 / 3
    assert shares[1, names.index("pair")] == 2 / 3
    figure = front_figures.draw_shares(found)
    bars = [bar for bar in figure.axes[0].patches if bar.get_height()]
    assert sorted(bar.get_height() for bar in bars) == pytest.approx(
        [1 / 3, 1 / 3, 1 / 3, 1 / 3, 2 / 3]
    )
    [legend] = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["low", "pair", "thin", "skip"]
    [picture] = front_figures.share_pictures(searched, found[0])
    assert "3 architectures of the front, from 1.00 to 3.00 ms" in picture.caption


def test_cells_of_a_component_are_numbered_within_it():
    found = [Architecture.parse(text) for text in ("[O1 O2|O3 O4]", "[O1 O2|O3 O5]")]
    axes = front_figures.draw_shares(found).axes[0]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["1.1", "1.2", "2.1", "2.2"]


@pytest.mark.parametrize(("count", "marker"), [(3, "o"), (13, "")])
def test_many_points_of_a_front_have_no_markers(searched, count, marker):
    front = front_figures.front_of(searched)
    assert front is not None
    points = front.points + (front.points[-1],) * (count - 3)
    axes = front_figures.draw_front(structs.replace(front, points=points)).axes[0]
    assert np.size(axes.lines[0].get_xdata()) == count
    assert axes.lines[0].get_marker() == marker
