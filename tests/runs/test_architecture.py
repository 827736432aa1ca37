"""Files of a run keep the operations that they are of, and are read by them later."""

import json

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.nas import operation_tables, space
from emrnas_jax.nas.operation_tables import (
    changes,
    completed_operations,
    in_words,
    unnamed_operations,
    with_newer,
)
from emrnas_jax.nas.space import (
    OPERATIONS,
    PRESETS,
    TABLE_1,
    Architecture,
    Operation,
)
from emrnas_jax.runs import architecture as architecture_file
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs import operations as operations_file
from emrnas_jax.runs.architecture import read_architecture, write_architecture
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.operations import (
    operations_of_run,
    refuse_other_operations,
    write_operations,
)

NINTH = Operation("O9", (1, 2, 1, 1), (1,))
CHANGED = Operation("O5", (1, 1, 1, 1), (1,))


@pytest.fixture
def candidates(monkeypatch):
    """Make other operations those of the package, as far as these files see it."""

    def become(*operations):
        monkeypatch.setattr(space, "OPERATIONS", operations)
        monkeypatch.setattr(operation_tables, "OPERATIONS", operations)
        monkeypatch.setattr(operations_file, "OPERATIONS", operations)
        monkeypatch.setattr(architecture_file, "OPERATIONS", operations)

    return become


def now():
    return space.OPERATIONS


def operation(**changed):
    return {"name": "O1", "dilations": [1, 2, 4, 1], "connections": [1]} | changed


def named(operations, **more):
    record = {"architecture": "[O1]", "operations": operations}
    return json.dumps(record | more).encode()


def without_names(path):
    record = json.loads(path.read_text())
    del record["operations"]
    path.write_text(json.dumps(record))


def test_written_architecture_reads_back(tmp_path):
    path = tmp_path / "deep" / "architecture.json"
    architecture = PRESETS["brain"]
    write_architecture(path, architecture)
    assert read_architecture(path) == (architecture, None)
    p = np.random.default_rng(0).dirichlet(np.ones(8), 15)
    write_architecture(path, architecture, p)
    found, probabilities = read_architecture(path)
    assert found == architecture
    np.testing.assert_array_equal(probabilities, p)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"5",
        b"{}",
        b'{"architecture": 5}',
        b'{"architecture": "[O1 O9]"}',
        b'{"architecture": "[O3]", "probabilities": [[0.1, 0.9]]}',
        b'{"architecture": "[O1]", "probabilities": [0.5]}',
        b'{"architecture": "[O1]", "probabilities": [[1, 2], [3]]}',
        b'{"architecture": "[O1]", "probabilities": "high"}',
        b'{"architecture": "[O1 O2]", "probabilities": [[1,0,0,0,0,0,0,0]]}',
        b'{"architecture": "[O1]", "operations": 5}',
        b'{"architecture": "[O1]", "operations": []}',
        b'{"architecture": "[O1]", "operations": ["O1"]}',
        b'{"architecture": "[O1]", "operations": [{"name": "O1", "dilations": [1]}]}',
        named([operation(dilations=[1, 2, 4])]),
        named([operation(dilations=[1, 2, 4, 0])]),
        named([operation(connections=[4])]),
        named([operation(), operation()]),
        named([operation()], probabilities=[[0.5, 0.5]]),
    ],
)
def test_a_damaged_file_is_an_input_error_that_names_it(tmp_path, content):
    path = tmp_path / "architecture.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"architecture\.json"):
        read_architecture(path)


def test_a_missing_file_is_an_input_error_that_names_it(tmp_path):
    with pytest.raises(InputError, match=r"none\.json.*--stage=search"):
        read_architecture(tmp_path / "none.json")


def test_the_operations_of_a_file_are_those_that_it_was_written_with(
    candidates, tmp_path
):
    """A later package may have more, fewer or changed ones, in any order."""
    path, p = tmp_path / "architecture.json", np.eye(9)[[8, 4]]
    nine = (*TABLE_1, NINTH)
    written = Architecture.parse("[O9 O5]", nine)
    write_architecture(path, written, p)
    for now in (TABLE_1, nine, (CHANGED,), nine[::-1]):
        candidates(*now)
        found, probabilities = read_architecture(path)
        assert found == written
        assert str(found) == "[O9 O5]"
        assert found.used == (TABLE_1[4], NINTH)
        np.testing.assert_array_equal(probabilities, p)


@pytest.mark.parametrize("count", [2, 8])
def test_a_file_without_names_has_those_of_table_1(candidates, count, tmp_path):
    path, p = tmp_path / "architecture.json", np.eye(count)[[1, 0]]
    write_architecture(path, Architecture.parse("[O2 O1]", TABLE_1[:count]), p)
    without_names(path)
    for now in (TABLE_1, (*TABLE_1, NINTH), (NINTH, *TABLE_1[:3])):
        candidates(*now)
        found, probabilities = read_architecture(path)
        assert found.operations == TABLE_1[:count]
        assert str(found) == "[O2 O1]"
        np.testing.assert_array_equal(probabilities, p)


def test_a_file_without_names_of_more_operations_has_those_of_the_package(candidates):
    candidates(*TABLE_1, NINTH)
    assert unnamed_operations(9) == (*TABLE_1, NINTH)
    # Without O9 its name is all that is known, until the package has it again.
    candidates(*TABLE_1)
    unknown = Operation("O9", (), ())
    assert unnamed_operations(9) == (*TABLE_1, unknown)
    assert completed_operations((unknown,)) == (unknown,)
    candidates(*TABLE_1, NINTH)
    assert completed_operations((unknown,)) == (NINTH,)


def test_a_run_keeps_the_operations_that_it_was_begun_with(candidates, tmp_path):
    run = RunFolder(tmp_path)
    candidates(*TABLE_1, NINTH)
    assert operations_of_run(run) == (*TABLE_1, NINTH)
    write_operations(run.operations)
    candidates(*TABLE_1)
    # A start that was killed before the folds were written has begun nothing.
    assert operations_of_run(run) == TABLE_1
    (tmp_path / "folds.json").write_text("{}")
    assert operations_of_run(run) == (*TABLE_1, NINTH)
    (tmp_path / "operations.json").write_text("{")
    with pytest.raises(InputError, match=r"operations\.json: damaged"):
        operations_of_run(run)


def test_a_run_of_an_older_version_counts_its_operations_in_a_log(candidates, tmp_path):
    run = RunFolder(tmp_path)
    run.folds.write_text("{}")
    candidates(*TABLE_1, NINTH)
    assert operations_of_run(run) == TABLE_1
    folder = run.fold(2).search("ablation_b")
    folder.path.mkdir(parents=True)
    for row in ({"epoch": 1}, {"epoch": 2, "path_counts": [[0] * 9] * 2}):
        metrics_log.append(folder.metrics, row)
    assert operations_of_run(run) == (*TABLE_1, NINTH)


def test_newer_operations_stand_behind_those_of_the_run(candidates):
    candidates(NINTH, CHANGED, *TABLE_1[:3])
    assert with_newer(TABLE_1, now()) == (*TABLE_1, NINTH)
    assert with_newer(OPERATIONS, space.OPERATIONS) == (*OPERATIONS, NINTH)


@pytest.fixture
def searches(tmp_path):
    """The folders of two folds' searches, the first of them finished among O1..O8."""
    folders = [RunFolder(tmp_path).fold(k).search() for k in (1, 2)]
    write_architecture(folders[0].architecture, Architecture.parse("[O1]"))
    return folders


def test_a_search_is_not_continued_among_other_operations(
    candidates, searches, tmp_path
):
    refuse_other_operations(searches, RunFolder(tmp_path), TABLE_1, now())
    candidates(*TABLE_1, NINTH)
    with pytest.raises(InputError) as raised:
        refuse_other_operations(
            searches, RunFolder(tmp_path), TABLE_1, space.OPERATIONS
        )
    assert str(raised.value) == (
        f"{searches[0].path} was searched among 8 operations O1..O8, and there are 9 "
        "now: O9 is new; use a new --workdir"
    )
    # A checkpoint of a search in progress belongs to the run's operations too.
    with pytest.raises(InputError, match=r"was begun with 8 .* 9 now: O9 is new; use"):
        refuse_other_operations(
            searches[1:], RunFolder(tmp_path), TABLE_1, space.OPERATIONS
        )
    # Where everything is searched nothing has to continue.
    refuse_other_operations(
        searches[:1], RunFolder(tmp_path), TABLE_1, space.OPERATIONS
    )
    candidates(*TABLE_1[:4], CHANGED, *TABLE_1[5:])
    with pytest.raises(InputError, match=r"8 now: O5 has dilations 1-1-1-1.*not.*2-4"):
        refuse_other_operations(
            searches, RunFolder(tmp_path), TABLE_1, space.OPERATIONS
        )
    candidates(*TABLE_1[::-1])
    with pytest.raises(InputError, match=r"8 now: they are in another order"):
        refuse_other_operations(
            searches, RunFolder(tmp_path), TABLE_1, space.OPERATIONS
        )


def test_folds_searched_among_different_operations_are_refused(
    candidates, searches, tmp_path
):
    """Versions that did not name the operations let a run get there."""
    candidates(*TABLE_1, NINTH)
    nine = Architecture.parse("[O9]")
    write_architecture(searches[1].architecture, nine, np.eye(9)[8:])
    with pytest.raises(InputError, match=r"fold_2/search among 9: O9 is new; use a"):
        refuse_other_operations(
            searches, RunFolder(tmp_path), TABLE_1, space.OPERATIONS
        )


def test_differences_are_told_in_words():
    assert in_words(TABLE_1[:3]) == "3 operations O1..O3"
    assert in_words((NINTH, CHANGED)) == "2 operations O9, O5"
    assert changes(TABLE_1, (*TABLE_1[1:], NINTH)) == "O9 is new; O1 is gone"
