import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from emrnas_jax.reporting import tables, words
from emrnas_jax.reporting.markup import (
    to_latex,
    to_markdown,
)
from emrnas_jax.reporting.studies import pairs
from emrnas_jax.reporting.studies.cost import cost_table
from emrnas_jax.runs.run import read_run


def edit_results(run, change):
    path = run / "results.json"
    results = json.loads(path.read_text())
    change(results)
    path.write_text(json.dumps(results))
    return read_run(run)


def texts(table):
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def bold(table, column):
    return [row[0].text for row in table.rows if row[column].bold]


def fold_means(run, network, measure):
    means = []
    for fold in (1, 2, 3):
        with (run / f"fold_{fold}" / network / "scores.csv").open(newline="") as file:
            means.append(np.mean([float(row[measure]) for row in csv.DictReader(file)]))
    return means


@pytest.fixture(scope="module")
def content(template):
    return read_run(template)


def test_scores_are_mean_and_deviation_of_the_fold_means(template, content):
    found = texts(tables.scores_table(content))
    for network, name in (
        ("zero_filled", "Zero-filled"),
        ("dccnn", "DC-CNN"),
        ("emrnas", "EMR-NAS"),
    ):
        psnr_db = fold_means(template, network, "psnr_db")
        ssim = fold_means(template, network, "ssim")
        assert found[name][0] == f"{np.mean(psnr_db):.2f} ± {np.std(psnr_db):.2f}"
        assert found[name][1] == f"{np.mean(ssim):.4f} ± {np.std(ssim):.4f}"
    assert found["EMR-NAS"][2:] == ["324,186", "0.0512"]


def test_each_column_of_the_fold_table_is_one_fold(template, content):
    table = tables.fold_table(content)
    assert table.header == ("Network", "Fold 1", "Fold 2", "Fold 3")
    psnr_db = fold_means(template, "dccnn", "psnr_db")
    ssim = fold_means(template, "dccnn", "ssim")
    expected = [f"{p:.2f} / {s:.4f}" for p, s in zip(psnr_db, ssim, strict=True)]
    assert texts(table)["DC-CNN"] == expected


def test_networks_of_ones_own_keep_the_order_of_the_scores(content):
    names = ["zeta", "alpha", "mu", "beta", "omega", "delta"]
    fold = content.folds[0]
    scores = dict.fromkeys(names, fold.scores["dccnn"])
    own = replace(content, folds=(replace(fold, scores=scores),))
    table = tables.fold_table(own)
    assert [row[0].text for row in table.rows] == names


def test_the_searched_network_comes_last_and_zero_filling_first(content):
    names = [row[0].text for row in tables.scores_table(content).rows]
    assert names == ["Zero-filled", "DC-CNN", "EMR-NAS"]


def test_the_best_is_bold_in_each_column(run):
    def change(results):
        results["networks"]["dccnn"] |= {"psnr_db_mean": 40.0, "ssim_mean": 0.1}

    table = tables.scores_table(edit_results(run, change))
    assert bold(table, 1) == ["DC-CNN"]
    assert bold(table, 2) == ["EMR-NAS"]
    assert bold(table, 3) == bold(table, 4) == []


def test_networks_equal_in_print_are_both_bold(run):
    def change(results):
        results["networks"]["dccnn"]["psnr_db_mean"] = 41.001
        results["networks"]["emrnas"]["psnr_db_mean"] = 41.004

    table = tables.scores_table(edit_results(run, change))
    assert bold(table, 1) == ["DC-CNN", "EMR-NAS"]


def test_a_network_without_a_number_is_never_the_best(run):
    def change(results):
        results["networks"]["dccnn"]["psnr_db_mean"] = float("nan")

    table = tables.scores_table(edit_results(run, change))
    assert bold(table, 1) == ["EMR-NAS"]


def test_one_fold_has_no_deviation(run):
    table = tables.scores_table(edit_results(run, lambda r: r.update(folds=1)))
    assert "±" not in "".join(cell.text for row in table.rows for cell in row)
    assert "deviation" not in table.caption


def test_a_single_frame_is_not_called_frames(run):
    def change(results):
        for line in results["networks"].values():
            line["frames"] = 1

    content = edit_results(run, change)
    assert "(1 frame in all)" in tables.scores_table(content).caption
    assert "on 1 test frame of 3 folds" in words.lead(content)[0]


def test_the_caption_names_data_metrics_and_device(content):
    caption = tables.scores_table(content).caption
    for part in (
        "Phantom hearts",
        "15\u00a0%",
        "data range 1",
        "CPU, 2 cores",
        "18 fr",
    ):
        assert part in caption


def test_tables_of_scores_name_their_metrics_and_what_was_scored(run):
    def change(results):
        results |= {"convention": "fastmri", "unit": "volume"}
        results["metrics"] = "fastmri: per volume"

    content = edit_results(run, change)
    (differences, *_) = pairs.comparison_tables(content)
    scores, folds = tables.scores_table(content), tables.fold_table(content)
    assert "Metrics (fastmri): per volume." in scores.caption
    for table in (differences, folds):
        assert table.caption.startswith("Phantom hearts, fastmri metrics: ")
    for table in (scores, differences, folds):
        assert "test volume" in table.caption
        assert "frame" not in table.caption.replace("Seconds per frame", "")
    assert differences.header[-1] == "Volumes"


def test_differences_carry_their_interval_and_sign(run):
    def change(results):
        results["comparisons"] = [
            {
                "network": "emrnas",
                "reference": "dccnn",
                "measure": "psnr_db",
                "mean_difference": -0.4,
                "low": -0.625,
                "high": 0.1251,
                "frames": 1234,
            }
        ]

    table = pairs.comparison_tables(edit_results(run, change))[0]
    assert texts(table) == {"EMR-NAS − DC-CNN": ["−0.40 [−0.62, +0.13]", "1,234"]}


def test_a_pair_has_one_row_for_both_measures(content):
    table = pairs.comparison_tables(content)[0]
    assert len(table.rows) == 2
    assert table.header == ("Networks", "PSNR (dB)", "SSIM", "Frames")


def test_every_subject_is_tested_in_the_fold_that_the_manifest_says(content):
    tested = [row[1].text for row in tables.manifest_table(content).rows]
    assert tested == [
        "heart_01, heart_02 (2)",
        "heart_03, heart_04 (2)",
        "heart_05, heart_06 (2)",
    ]


def test_latex_environments_and_braces_are_balanced(content):
    text = tables.latex(content)
    begun = re.findall(r"\\begin\{(\w+)\}", text)
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+)\}", text))
    assert begun.count("tabular") == 6
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")


def test_every_latex_row_has_a_cell_for_every_column(content):
    for table in tables.all_tables(content):
        text = to_latex(table)
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len(rows) == len(table.rows) + 1
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(table.header) - 1


def test_markdown_rows_are_as_wide_as_their_header(content):
    for table in tables.all_tables(content):
        rows = [line for line in to_markdown(table).splitlines() if line[:1] == "|"]
        assert len(rows) == len(table.rows) + 2
        assert {row.count("|") for row in rows} == {len(table.header) + 1}


def test_work_per_frame_is_beside_what_the_device_can_do(content):
    """42.3 GFLOP and 846 MB in 51.2 ms, of 20,000 GFLOP/s and 100 GB/s."""
    found = texts(cost_table(content))
    assert found.keys() == {"DC-CNN", "EMR-NAS"}  # zero-filling has no network
    expected = ["42.3", "846", "4\u00a0% of 20,000 billion/s"]
    assert found["EMR-NAS"] == [*expected, "17\u00a0% of 100 GB/s"]


def test_a_run_without_ceilings_has_no_table_of_work(run):
    def without(results):
        for line in results["networks"].values():
            line.pop("gflops_ceiling", None)

    content = edit_results(run, without)
    assert "cost" not in [table.name for table in tables.all_tables(content)]
