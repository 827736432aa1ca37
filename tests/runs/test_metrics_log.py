"""The log: rows read back, and a continued run reads as if never stopped."""

import json
from contextlib import closing

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.folder import TrainingFolder


def rows_up_to(step):
    return [{"step": n, "loss": 1 / n} for n in range(1, step + 1)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for row in rows_up_to(5):
        metrics_log.append(path, row)
    return path


def test_rows_read_back_in_order(path):
    assert metrics_log.read(path) == rows_up_to(5)


def test_no_file_is_an_empty_log(tmp_path):
    assert metrics_log.read(tmp_path / "metrics.jsonl") == []
    metrics_log.truncate(tmp_path / "metrics.jsonl", 3)
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize(("step", "kept"), [(0, 0), (3, 3), (5, 5), (9, 5)])
def test_truncation_drops_the_rows_after_the_step(path, step, kept):
    metrics_log.truncate(path, step)
    assert metrics_log.read(path) == rows_up_to(kept)


@pytest.mark.parametrize("cut", ['{"step": 6, "lo', "\0\0\0", '{"step": 6, "x": "\xe9'])
def test_a_line_cut_by_a_kill_is_dropped(path, cut):
    with path.open("a") as file:
        file.write(cut)
    metrics_log.truncate(path, 9)
    assert metrics_log.read(path) == rows_up_to(5)


def test_half_a_character_at_the_end_is_dropped(path):
    with path.open("ab") as file:
        file.write('{"step": 6, "name": "é'.encode()[:-1])
    metrics_log.truncate(path, 9)
    assert metrics_log.read(path) == rows_up_to(5)


def test_a_row_whose_line_end_was_cut_is_kept_and_the_next_is_a_line_of_its_own(path):
    path.write_text(path.read_text().rstrip("\n"))
    metrics_log.truncate(path, 5)
    metrics_log.append(path, {"step": 6, "loss": 1 / 6})
    assert metrics_log.read(path) == rows_up_to(6)


@pytest.mark.parametrize("line", ["not json", "[1, 2]", "5"])
def test_a_damaged_line_is_an_input_error_with_its_place(path, line):
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 6"):
        metrics_log.read(path)


@pytest.mark.parametrize("line", ["5", "[]", "{}", '{"step": null}', '{"step": "a"}'])
def test_truncation_drops_what_follows_a_line_that_is_no_row(path, line):
    path.write_text(path.read_text() + line + "\n" + json.dumps({"step": 6}) + "\n")
    metrics_log.truncate(path, 9)
    assert metrics_log.read(path) == rows_up_to(5)


def test_a_log_reopened_at_a_checkpoint_continues_from_there(tmp_path):
    folder = TrainingFolder(tmp_path / "run")
    with closing(metrics_log.RunLog(folder, 0)) as log:
        for row in rows_up_to(4):
            log.write({**row, "phase": "search", "probabilities": [[0.5, 0.5]]})
    with closing(metrics_log.RunLog(folder, 2)) as log:
        for row in rows_up_to(5)[2:]:
            log.write(row)
    assert [row["step"] for row in metrics_log.read(folder.metrics)] == [1, 2, 3, 4, 5]
    assert list(folder.tensorboard.iterdir())


def test_a_fresh_run_does_not_keep_the_rows_of_one_that_left_no_checkpoint(tmp_path):
    for _ in range(2):
        with closing(metrics_log.RunLog(TrainingFolder(tmp_path), 0)) as log:
            log.write({"step": 1})
    assert metrics_log.read(tmp_path / "metrics.jsonl") == [{"step": 1}]
