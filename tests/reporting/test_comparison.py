"""The report of a run that compares many networks, with two searches."""

# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text
from msgspec import structs

from emrnas_jax.errors import InputError
from emrnas_jax.reporting import tables
from emrnas_jax.reporting.figures.reconstructions import (
    Panel,
    draw_reconstructions,
    pictures_shown_first,
)
from emrnas_jax.reporting.figures.zoom import Window, find_window, window_for
from emrnas_jax.reporting.page import write_report
from emrnas_jax.reporting.studies import ablations, architectures, pairs
from emrnas_jax.reporting.studies.consistencies import consistency_table
from emrnas_jax.reporting.studies.cost import efficiency_table
from emrnas_jax.runs.results import SearchLine
from emrnas_jax.runs.run import read_run


@pytest.fixture(scope="module")
def content(compared):
    return read_run(compared)


def texts(table):
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_ablations_are_read_from_settings_and_bold_where_they_differ(content):
    table = ablations.ablation_table(content)
    bold = {r[0].text: [c.text for c in r[1:7] if c.bold] for r in table.rows}
    assert bold == {
        "A": [],
        "B": ["Yes"],
        "C": ["No"],
        "D": ["No"],
        "E": ["No"],
        "F": ["Yes", "Yes"],
        "G, one operation": ["One operation"],
    }
    assert texts(table)["A"][:6] == ["No", "Yes", "Yes", "Yes", "No", "No"]
    assert [r[0].text for r in table.rows if r[4].bold] == ["E"]  # no ensemble
    assert texts(table)["A"][-1] == "–"


def test_differences_to_a_are_turned_round_where_the_run_has_the_other(compared):
    content = read_run(compared)
    for line in content.results.comparisons:
        turned = pairs.difference(
            content.results, line.reference, line.network, line.measure
        )
        assert turned.mean_difference == -line.mean_difference
        assert (turned.low, turned.high) == (-line.high, -line.low)


def test_the_table_of_architectures_tells_places_of_a_front_apart(content):
    score = content.results.networks["ablation_a"]
    own = {
        name: structs.replace(
            score,
            settings={"architecture": text},
            architecture_source=source,
            title=name,
        )
        for name, text, source in (
            ("whole", "[O1 O1]", "ensemble"),
            ("fast", "[O7 O7]", "front"),
            ("also_fast", "[O7 O7]", "front"),
            ("slow", "[O1 O8]", "front"),
        )
    }
    line = SearchLine(architecture="[O1 O1]", networks=tuple(own))
    changed = {"networks": own, "searches": {"whole": line}}
    results = structs.replace(content.results, **changed)
    run = replace(content, results=results, folds=(), other_searched={})
    rows = [[c.text for c in r] for r in architectures.architecture_table(run).rows]
    assert [[row[1], row[2], row[4]] for row in rows] == [
        ["Ensemble", "[O1 O1]", "whole"],
        ["Place of the front", "[O7 O7]", "fast; also_fast"],
        ["Place of the front", "[O1 O8]", "slow"],
    ]


def test_one_ablation_makes_no_table(content):
    networks = content.results.networks
    for name in [n for n in networks if n.startswith("ablation_")][1:]:
        networks = {k: v for k, v in networks.items() if k != name}
    results = structs.replace(content.results, networks=networks)
    run = content.__class__(**{**vars(content), "results": results})
    assert ablations.ablation_table(run) is None
    assert ablations.ablation_pictures(run) == []


def test_consistencies_stand_beside_each_other_with_their_gain(content):
    table = consistency_table(content)
    networks = content.results.networks
    (row,) = table.rows
    scores = [
        f"{networks[n].psnr_db_mean:.2f} ({networks[n].ssim_mean:.4f})"
        for n in ("dccnn_single", "dccnn_two_step", "dccnn_real")
    ]
    assert [cell.text for cell in row[2:5]] == scores
    gain = networks["dccnn_real"].psnr_db_mean - networks["dccnn_single"].psnr_db_mean
    assert row[6].text.startswith(f"+{gain:.2f}\n[")
    assert "complex data" in table.caption


def test_size_and_times_are_of_this_run_and_its_device(content):
    table = efficiency_table(content)
    found = texts(table)
    assert found["A"] == ["330,004", "34.5", "0.05"]
    assert found["Total variation"] == ["–", "–", "0.05"]
    assert "Zero-filled" not in found
    assert "CPU, 2 cores" in table.caption


def test_pairs_without_the_best_networks_are_folded_and_none_is_lost(content, compared):
    first, rest = pairs.comparison_tables(content)
    networks = len(content.results.networks)
    assert len(first.rows) == 2 * networks - 3
    assert len(first.rows) + len(rest.rows) == networks * (networks - 1) / 2
    page = (compared / "report" / "index.html").read_text()
    folded = re.findall(r"<details>.*?</details>", page, re.DOTALL)
    assert not any('"table-differences"' in part for part in folded)
    assert any('"table-other_differences"' in part for part in folded)
    assert '"table-differences"' in page
    assert tables.all_tables(content)[0].name == "scores"


def test_every_search_has_its_architecture_curves_and_networks(content, compared):
    rows = [
        [c.text for c in row] for row in architectures.architecture_table(content).rows
    ]
    assert ["Search of A", "Ensemble", "A"] in [[*r[:2], r[-1]] for r in rows]
    assert ["Search of A", "Fold 2", "E"] in [[*r[:2], r[-1]] for r in rows]
    assert ["Search of B", "Ensemble", "B"] in [[*r[:2], r[-1]] for r in rows]
    assert ["Drawn at random", "All folds", "D"] in [[*r[:2], r[-1]] for r in rows]
    figures = {p.stem for p in (compared / "report" / "figures").glob("*.png")}
    assert {"search", "search_ablation_b", "architecture_ablation_b"} <= figures
    assert "probabilities_ablation_b_fold_1" in figures


def test_every_table_of_scores_names_its_metrics(content):
    scored = ("ablations", "consistencies", "differences", "other_differences", "folds")
    captions = {table.name: table.caption for table in tables.all_tables(content)}
    for name in scored:
        assert captions[name].startswith("Phantom hearts, paper metrics: "), name
    assert "Metrics (paper): " in captions["scores"]


def test_tall_pictures_of_many_networks_are_folded_but_one(content):
    assert len(content.folds[0].examples) > 4
    folds = tuple(replace(content.folds[0], number=k) for k in (1, 2, 3))
    assert pictures_shown_first(replace(content, folds=folds)) == 1
    few = dict(list(content.folds[0].examples.items())[:4])
    folds = tuple(replace(fold, examples=few) for fold in folds)
    assert pictures_shown_first(replace(content, folds=folds)) == 3


def test_size_times_and_work_are_folded(compared):
    page = (compared / "report" / "index.html").read_text()
    *_, last = re.findall(r"<details>.*?</details>", page, re.DOTALL)
    assert '"table-efficiency"' in last


def test_training_curves_have_few_colours_a_figure(compared):
    figures = compared / "report" / "figures"
    found = sorted(path.stem for path in figures.glob("retraining*.png"))
    assert found == ["retraining", "retraining_2", "retraining_3"]


def test_the_window_is_where_bright_anatomy_has_the_largest_error():
    generator = np.random.default_rng(3)
    target = generator.random((21, 34))
    errors = generator.random((2, 21, 34))
    found = find_window(target, errors)
    weighted = errors.mean(0) * target
    sums = {
        (r, c): weighted[r : r + 5, c : c + 5].sum()
        for r in range(17)
        for c in range(30)
    }
    assert found == (*max(sums, key=sums.__getitem__), 5)


@pytest.mark.parametrize("text", ["1,2", "a,b,c", "1,2,0", "-1,2,3", 7, "20,0,16"])
def test_a_zoom_that_cannot_be_shown_is_named(text):
    with pytest.raises(InputError, match=rf"report.zoom: .*{text}"):
        window_for(text, np.zeros((32, 32)), np.zeros((1, 32, 32)))


def test_the_run_chooses_the_zoom(compared, tmp_path):
    assert window_for("off", np.zeros((8, 8)), np.zeros((1, 8, 8))) is None
    assert window_for("1, 2,3", np.zeros((8, 8)), np.zeros((1, 8, 8))) == (1, 2, 3)
    for path in (compared / "results.json", compared / "config.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config["report"] = {"zoom": "here"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    folder = tmp_path / "fold_1" / "tv"
    folder.mkdir(parents=True)
    examples = compared / "fold_1" / "tv" / "examples.npz"
    (folder / "examples.npz").write_bytes(examples.read_bytes())
    with pytest.raises(InputError, match=r"report.zoom: found 'here'"):
        write_report(tmp_path)


def test_enlarged_parts_are_those_of_the_boxes_on_the_same_scales():
    generator = np.random.default_rng(0)
    target = generator.random((16, 16)).astype(np.float32)
    networks = [
        Panel(f"random_{n}", generator.random((16, 16)).astype(np.float32), 20.0)
        for n in range(7)
    ]
    window = Window(3, 5, 4)
    figure = draw_reconstructions(target, target > 0.5, networks, window)
    shown = [axes.images[0] for axes in figure.axes if axes.images]
    parts = [image for image in shown if image.get_size() == (4, 4)]
    assert len(parts) == 15  # of the truth, and of images and errors of the networks
    np.testing.assert_array_equal(parts[0].get_array(), target[3:7, 5:9])
    errors = [image for image in shown if image.get_cmap().name == "magma"]
    assert len({image.get_clim() for image in errors}) == 1
    boxes = [patch for axes in figure.axes if axes.images for patch in axes.patches]
    assert {(b.get_xy(), b.get_width()) for b in boxes} == {((4.5, 2.5), 4)}
    assert len(boxes) == 15
    wide = {
        round(axes.get_position().x0, 3) for axes in figure.axes if axes.get_title()
    }
    assert len(wide) == 4  # eight columns in two rows
    titles = [text.get_text() for text in figure.findobj(Text)]
    assert sum(title.endswith("\n20.00 dB") for title in titles) == 7
