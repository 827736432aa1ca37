import json

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.reporting.page import write_report
from emrnas_jax.runs.run import read_run


def test_a_run_without_results_says_what_to_run(run):
    (run / "results.json").unlink()
    with pytest.raises(InputError, match=r"hearts: no results.json.*--stage=evaluate"):
        write_report(run)
    assert not (run / "report").exists()


def test_a_cut_results_file_is_named_with_its_line(run):
    path = run / "results.json"
    path.write_text("\n".join(path.read_text().splitlines()[:9]))
    with pytest.raises(InputError, match=r"results.json: damaged \(line \d+: not JSON"):
        read_run(run)


@pytest.mark.parametrize("value", [None, "34.8", True, [1.0]])
def test_a_score_that_is_no_number_is_named(run, value):
    path = run / "results.json"
    results = json.loads(path.read_text())
    results["networks"]["dccnn"]["psnr_db_mean"] = value
    path.write_text(json.dumps(results))
    with pytest.raises(
        InputError, match=r"results.json: damaged \(networks.dccnn.psnr_db_mean"
    ):
        read_run(run)


@pytest.mark.parametrize(
    ("key", "value"), [("networks", {}), ("networks", []), ("comparisons", [3])]
)
def test_results_of_another_form_are_refused(run, key, value):
    path = run / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError, match=r"results.json"):
        read_run(run)


def test_the_scores_read_are_those_of_the_convention_of_the_results(run):
    path = run / "results.json"
    results = json.loads(path.read_text())
    results |= {"convention": "fastmri", "metrics": "fastmri: per volume"}
    path.write_text(json.dumps(results))
    own = run / "fold_2" / "emrnas" / "scores_fastmri.csv"
    own.write_text("subject,slice,frame,psnr_db,ssim,nmse\nheart_03,-1,0,31,0.9,0.1\n")
    content = read_run(run)
    assert [sorted(fold.scores) for fold in content.folds] == [[], ["emrnas"], []]
    assert content.folds[1].scores["emrnas"].psnr_db.tolist() == [31]
    assert not any(fold.examples for fold in content.folds)


def test_results_of_an_unknown_convention_are_refused(run):
    path = run / "results.json"
    results = json.loads(path.read_text())
    path.write_text(json.dumps(results | {"convention": "ours"}))
    with pytest.raises(InputError, match=r"'ours', known are paper, fastmri, calgary"):
        read_run(run)


def test_a_damaged_score_is_named_with_its_line(run):
    path = run / "fold_2" / "dccnn" / "scores.csv"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].rsplit(",", 2)[0] + ",?,0.1"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"scores.csv, line 4: .*'\?'"):
        read_run(run)


def test_a_row_cut_short_is_named_with_its_line(run):
    path = run / "fold_2" / "dccnn" / "scores.csv"
    path.write_text("\n".join([*path.read_text().splitlines()[:3], "heart_03,0"]))
    with pytest.raises(InputError, match=r"scores.csv, line 4"):
        read_run(run)


@pytest.mark.parametrize(
    "text", ["", "subject,slice,frame,psnr_db,ssim,nmse\n", "a,b\n"]
)
def test_scores_without_frames_or_columns_are_refused(run, text):
    (run / "fold_1" / "emrnas" / "scores.csv").write_text(text)
    with pytest.raises(InputError, match=r"scores.csv.*--stage=evaluate"):
        read_run(run)


@pytest.mark.parametrize("folder", ["search", "emrnas"])
def test_a_cut_line_of_the_log_is_named(run, folder):
    path = run / "fold_1" / folder / "metrics.jsonl"
    with path.open("a") as file:
        file.write('{"epoch": 9, "tra')
    lines = len(path.read_text().splitlines())
    with pytest.raises(InputError, match=rf"metrics.jsonl, line {lines}"):
        read_run(run)


@pytest.mark.parametrize(
    ("name", "value"),
    [("epoch", "one"), ("train_loss", "low"), ("probabilities", [[0.5, "x"]])],
)
def test_a_log_value_that_is_no_number_is_named_with_its_line(run, name, value):
    path = run / "fold_3" / "search" / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[6][name] = value
    path.write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(
        InputError, match=rf"metrics.jsonl, line 7: (damaged \({name}|{name})"
    ):
        read_run(run)


def test_a_damaged_archive_of_examples_is_named(run):
    path = run / "fold_1" / "emrnas" / "examples.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"examples.npz: damaged"):
        read_run(run)


def test_examples_that_do_not_fit_each_other_are_refused(run):
    path = run / "fold_1" / "emrnas" / "examples.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["reconstruction"] = arrays["reconstruction"][:, :8]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"examples.npz: damaged \(shapes"):
        read_run(run)


@pytest.mark.parametrize(
    "name", ["config.json", "folds.json", "architecture.json", "provenance.json"]
)
def test_damaged_json_is_named(run, name):
    (run / name).write_text("{")
    with pytest.raises(InputError, match=name):
        read_run(run)


def test_probabilities_for_other_cells_are_refused(run):
    path = run / "architecture.json"
    record = json.loads(path.read_text())
    record["probabilities"] = record["probabilities"][:3]
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"shape \(3, 8\), expected \(15, 8\)"):
        read_run(run)


def test_warm_up_epochs_have_no_probabilities(run):
    search = read_run(run).folds[0].search
    assert search is not None
    assert search.epoch.tolist() == list(range(1, 9))
    assert search.search_epoch.tolist() == [5, 6, 7, 8]
    assert search.probabilities.shape == (4, 15, 8)
    assert np.isnan(search.validation_loss).tolist() == [True] * 4 + [False] * 4
    np.testing.assert_allclose(search.probabilities.sum(-1), 1)


def test_folds_come_in_the_order_of_their_numbers(run):
    (run / "fold_1").rename(run / "fold_10")
    (run / "fold_old").mkdir()
    assert [fold.number for fold in read_run(run).folds] == [2, 3, 10]
