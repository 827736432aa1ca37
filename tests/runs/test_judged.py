"""Judged candidates: read as they were written, and put together over the folds."""

import re

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.judged import (
    all_losses,
    append_judged,
    common_losses,
    logarithms,
    read_judged,
)

ONE, TWO, THREE, FOUR = (Architecture(((number,),)) for number in range(4))


def write_fold(folder, judged):
    folder.mkdir()
    for number, (architecture, loss) in enumerate(judged.items(), 1):
        append_judged(folder / "candidates.jsonl", number, architecture, loss)


@pytest.fixture
def folders(tmp_path):
    """Two folds; the second is ten times as hard, and both have one of their own."""
    found = [tmp_path / name for name in "ab"]
    write_fold(found[0], {ONE: 1.0, TWO: 0.5, THREE: 0.2})
    write_fold(found[1], {TWO: 5.0, FOUR: 5.0, ONE: 10.0})
    return found


def test_losses_are_read_as_they_were_written_and_in_their_order(tmp_path):
    losses = {TWO: 1 / 3, ONE: -1e-300, FOUR: 2.5e8}
    write_fold(tmp_path / "a", losses)
    found = read_judged(tmp_path / "a" / "candidates.jsonl", OPERATIONS)
    assert found == losses
    assert list(found) == list(losses)
    assert read_judged(tmp_path / "none.jsonl", OPERATIONS) == {}


@pytest.mark.parametrize(
    "row", [{"architecture": "[O1]"}, {"architecture": "[P1]", "validation_loss": 1.0}]
)
def test_a_line_that_is_no_candidate_is_named(tmp_path, row):
    path = tmp_path / "candidates.jsonl"
    append_judged(path, 1, ONE, 1.0)
    metrics_log.append(path, {"step": 2} | row)
    with pytest.raises(InputError, match=rf"{path}, line 2: .*; delete the line"):
        read_judged(path, OPERATIONS)


def test_common_candidates_have_the_mean_logarithm(folders):
    found = common_losses(folders, OPERATIONS, "mse")
    assert set(found) == {ONE, TWO}
    assert found[ONE] == pytest.approx(np.log(10) / 2)
    assert found[TWO] == pytest.approx(np.log(0.5 * 5.0) / 2)


def test_a_candidate_of_one_fold_is_compared_by_those_of_all_folds(folders):
    every = all_losses(folders, OPERATIONS, "mse")
    common = common_losses(folders, OPERATIONS, "mse")
    assert {own: every[own] for own in common} == common
    assert list(every)[:2] == list(common)
    # As good in its fold as [O2] is there, and 0.4 times its error.
    assert every[FOUR] == pytest.approx(every[TWO])
    assert every[THREE] == pytest.approx(every[TWO] + np.log(0.2 / 0.5))


def test_folds_without_a_common_candidate_are_refused(folders, tmp_path):
    write_fold(tmp_path / "c", {FOUR: 1.0})
    with pytest.raises(InputError, match=re.escape(str(folders[0]))):
        all_losses([*folders, tmp_path / "c"], OPERATIONS, "mse")


def test_logarithms_are_those_of_the_squared_error():
    assert logarithms({ONE: 1.0, TWO: np.e}, "mse") == {ONE: 0.0, TWO: 1.0}
    assert logarithms({ONE: -3.0}, "log_mse") == {ONE: -3.0}
