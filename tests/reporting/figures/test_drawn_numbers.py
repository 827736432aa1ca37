"""What is drawn are the numbers of the run: lines, bars and whiskers."""

# pyright: reportAttributeAccessIssue=false

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from msgspec import structs

from emrnas_jax.nas.space import OPERATIONS
from emrnas_jax.reporting.figures import curves, probabilities
from emrnas_jax.reporting.studies import ablations
from emrnas_jax.runs.history import Search
from emrnas_jax.runs.results import Comparison, NetworkScore, Results
from emrnas_jax.runs.run import FoldRun, Run

EPOCH = np.arange(1, 5)
P = np.random.default_rng(0).dirichlet(np.ones(3), (4, 2))  # epoch, cell, operation


def a_run(path, networks, comparisons=(), folds=()):
    results = Results(
        dataset="Hearts",
        sampling_rate=0.15,
        folds=1,
        convention="paper",
        unit="frame",
        networks=networks,
        comparisons=tuple(comparisons),
    )
    return Run(path, {}, results, None, [], tuple(folds))


def score(psnr_db, ssim=0.9):
    return NetworkScore(
        psnr_db_mean=psnr_db, psnr_db_std=0.1, ssim_mean=ssim, ssim_std=0.01, frames=9
    )


def test_the_lines_of_a_cell_are_its_p_and_the_likeliest_is_thick():
    axes = Figure().subplots()
    probabilities._draw_cell(axes, EPOCH, P[:, 0], OPERATIONS[:3])
    uniform, *lines = axes.lines
    assert set(np.asarray(uniform.get_ydata())) == {1 / 3}
    np.testing.assert_array_equal([line.get_ydata() for line in lines], P[:, 0].T)
    widths = [line.get_linewidth() for line in lines]
    assert int(np.argmax(widths)) == P[-1, 0].argmax()
    assert [text.get_text() for text in axes.texts] == [f"O{1 + P[-1, 0].argmax()}"]


@pytest.fixture
def ablated(tmp_path):
    networks = {
        "ablation_a": score(33.7, 0.91),
        "ablation_b": score(33.1, 0.90),
        "ablation_c": score(float("nan"), 0.89),
    }
    line = Comparison(
        network="ablation_a",
        reference="ablation_b",
        measure="psnr_db",
        mean_difference=0.6,
        low=0.5,
        high=0.75,
        frames=9,
    )
    return a_run(tmp_path, networks, [line])


def bars(run, measure):
    axes = Figure().subplots()
    names, reference = ablations._ablations(run)
    ablations._bars(axes, run, names, reference, measure)
    return axes


def test_bars_are_as_high_as_the_scores_and_start_where_the_title_says(ablated):
    axes = bars(ablated, "ssim")
    assert [bar.get_height() for bar in axes.patches] == [0.91, 0.90, 0.89]
    start = axes.get_ylim()[0]
    assert axes.get_title(loc="left") == f"SSIM, axis from {start:.4f}"
    assert 0 < start < 0.89
    shown = [text.get_text() for text in axes.texts]
    assert shown == ["0.910", "0.900", "0.890"]


def test_a_whisker_is_the_interval_of_the_difference_turned_round(ablated):
    whiskers = ablations._whiskers(
        [
            ablations._paired(ablated, name, "ablation_a", "psnr_db")
            for name in ("ablation_a", "ablation_c", "ablation_b")
        ]
    )
    # B minus A is -0.6 with an interval from -0.75 to -0.5.
    np.testing.assert_allclose(whiskers, [[0, 0, 0.15], [0, 0, 0.1]])


def test_a_network_that_diverged_has_no_bar_and_hides_no_other(ablated):
    axes = bars(ablated, "psnr_db")
    assert [bar.get_height() for bar in axes.patches] == [33.7, 33.1, 0]
    assert [text.get_text() for text in axes.texts][-1] == "–"
    assert all(np.isfinite(axes.get_ylim()))


def test_the_reference_alone_is_dark(ablated):
    colours = [bar.get_facecolor() for bar in bars(ablated, "ssim").patches]
    assert colours.count(colours[0]) == 1


def test_the_searched_network_stands_for_model_a(tmp_path):
    networks = {
        "emrnas": score(34.0),
        "ablation_b": score(33.0),
        "ablation_c": score(32.0),
    }
    run = a_run(tmp_path, networks)
    assert ablations._ablations(run) == (
        ["emrnas", "ablation_b", "ablation_c"],
        "emrnas",
    )
    table = ablations.ablation_table(run)
    assert table is not None
    assert [row[0].text for row in table.rows] == ["EMR-NAS", "B", "C"]
    assert table.header[-1] == "PSNR − EMR-NAS (dB)"


def test_ablations_of_ones_own_make_a_table(tmp_path):
    own = {
        name: structs.replace(
            score(30.0), title=name.title(), group="ablations", reference="whole"
        )
        for name in ("half", "none")
    }
    run = a_run(tmp_path, {"whole": score(31.0), **own})
    assert ablations._ablations(run) == (["whole", "half", "none"], "whole")


def a_search(tmp_path, config, entropy):
    """A run whose search has run for four epochs, validation from the third on."""
    validation = np.array([np.nan, np.nan, -5.0, -5.5])
    count = 0 if np.isnan(entropy) else len(EPOCH)
    of_p = EPOCH[:count], P[:count]
    search = Search(EPOCH, validation - 1, validation, EPOCH * entropy, *of_p)
    run = a_run(tmp_path, {"unet": score(30.0)}, folds=[FoldRun(1, search=search)])
    return replace(run, config=config | {"report": {"pdf": False}})


def test_a_search_without_p_has_no_panel_for_it(tmp_path):
    [with_p] = curves.search_pictures(a_search(tmp_path, {}, 0.5))
    [without] = curves.search_pictures(a_search(tmp_path, {}, np.nan))
    assert "how decided the cells are" in with_p.caption
    assert "decided" not in without.caption
    assert "entropy" not in without.description
    assert without.width < with_p.width


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, " (mean squared error)"),
        ({"search": {"loss": "log_mse"}}, " (logarithm of each frame's squared error)"),
        ({"networks": {"a": {"search": {"loss": "log_mse"}}, "b": {}}}, ""),
        ({"search": {"method": "reinforce"}}, ""),
    ],
)
def test_the_title_of_losses_names_the_loss_of_the_run(tmp_path, config, words):
    assert curves._loss(a_search(tmp_path, config, 0.5), "search") == words


def test_two_folds_without_training_have_no_curves(tmp_path):
    run = a_run(tmp_path, {"unet": score(30.0)}, folds=[FoldRun(1), FoldRun(2)])
    assert curves.retraining_pictures(run) == []
    assert curves.search_pictures(run) == []
    assert probabilities.probability_pictures(run) == []
