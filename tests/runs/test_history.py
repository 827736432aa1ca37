"""Training curves: one value per epoch, NaN where a line has none."""

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.history import read_retraining, read_search

WARM_UP = {"epoch": 1, "step": 4, "train_loss": 0.5}
P = [[0.25, 0.75], [0.5, 0.5]]
SEARCHED = {"epoch": 2, "step": 8, "train_loss": 0.25, "validation_loss": 0.375}
SEARCHED |= {"entropy": 0.6, "probabilities": P}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def write(path, *rows):
    for row in rows:
        metrics_log.append(path, row)


def test_a_search_has_p_of_its_searching_epochs_alone(path):
    write(path, WARM_UP, SEARCHED)
    found = read_search(path)
    assert found.epoch.tolist() == [1, 2]
    assert found.search_epoch.tolist() == [2]
    np.testing.assert_array_equal(found.train_loss, [0.5, 0.25])
    np.testing.assert_array_equal(found.validation_loss, [np.nan, 0.375])
    np.testing.assert_array_equal(found.probabilities, [P])


def test_a_random_search_has_no_p(path):
    write(path, WARM_UP, {"epoch": 2, "train_loss": 0.1, "path_counts": [[1, 1]]})
    found = read_search(path)
    assert found.probabilities.shape == (0, 0, 0)
    assert np.isnan(found.entropy).all()


def test_a_training_has_its_loss_and_psnr(path):
    write(path, {"epoch": 1, "train_loss": 1, "train_psnr_db": 20.5}, {"epoch": 2})
    found = read_retraining(path)
    assert found.epoch.tolist() == [1, 2]
    np.testing.assert_array_equal(found.train_loss, [1.0, np.nan])
    np.testing.assert_array_equal(found.train_psnr_db, [20.5, np.nan])


def test_an_empty_log_has_no_epochs(path):
    path.write_text("")
    assert len(read_search(path).epoch) == len(read_retraining(path).epoch) == 0


@pytest.mark.parametrize(
    "row",
    [
        {"step": 3},
        {"epoch": True},
        {"epoch": 2.5},
        {"epoch": 2, "train_loss": "low"},
        {"epoch": 2, "probabilities": [1, 2]},
    ],
)
def test_a_damaged_line_is_named_with_its_number(path, row):
    write(path, WARM_UP, row)
    with pytest.raises(InputError, match=r"metrics\.jsonl, line 2: damaged .*remove"):
        read_search(path)


@pytest.mark.parametrize("p", [[[1.0], [0.5, 0.5]], [[1.0, 0.0]], []])
def test_tables_of_p_of_different_shapes_are_refused(path, p):
    write(path, SEARCHED, SEARCHED | {"epoch": 3, "probabilities": p})
    with pytest.raises(InputError, match=r"line 2: probabilities are not a table"):
        read_search(path)
