"""The folds' ensemble is of the operations that the folds were searched among."""

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.nas.space import TABLE_1, Architecture, Operation
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.architecture import write_architecture
from emrnas_jax.training.ensemble import ensemble_of_folds
from emrnas_jax.training.random_search import certain
from emrnas_jax.training.search_settings import SearchSettings

NINE = (*TABLE_1, Operation("O9", (1, 2, 1, 1), (1,)))  # the package has eight


def write_fold(folder, operations, p):
    found = Architecture.from_cells(p.argmax(-1).tolist(), 1, operations)
    write_architecture(folder / "architecture.json", found, p)
    return folder


def test_the_largest_sum_may_be_an_operation_that_the_package_does_not_have(tmp_path):
    p = np.full((2, 1, 9), 0.05)
    p[0, 0, [0, 8]] = 0.4, 0.25
    p[1, 0, [1, 8]] = 0.3, 0.35
    folders = [write_fold(tmp_path / str(k), NINE, own) for k, own in enumerate(p)]
    architecture, mean = ensemble_of_folds(folders, SearchSettings(), 1)
    assert str(architecture) == "[O9]"
    assert architecture.operations == NINE
    np.testing.assert_allclose(mean, p.mean(0))


def test_a_random_search_ends_among_its_own_candidates(tmp_path):
    folders = [write_fold(tmp_path / k, NINE, np.eye(9)[[8]]) for k in "ab"]
    for folder in folders:
        for number, (text, loss) in enumerate({"[O1]": 2.0, "[O9]": 1.0}.items(), 1):
            row = {"step": number, "architecture": text, "validation_loss": loss}
            metrics_log.append(folder / "candidates.jsonl", row)
    settings = SearchSettings(method="random")
    architecture, p = ensemble_of_folds(folders, settings, 1)
    assert architecture == Architecture(((8,),), NINE)
    np.testing.assert_array_equal(p, certain(architecture))
    assert p.shape == (1, 9)


def test_folds_of_different_operations_are_not_summed(tmp_path):
    changed = (*TABLE_1[:7], Operation("O8", (1, 2, 1, 1), (1,)))
    folders = [
        write_fold(tmp_path / name, operations, np.full((1, 8), 1 / 8))
        for name, operations in (("a", TABLE_1), ("b", changed))
    ]
    with pytest.raises(InputError, match=r"b among 8: O8 has dilations 1-2-1-1"):
        ensemble_of_folds(folders, SearchSettings(), 1)
