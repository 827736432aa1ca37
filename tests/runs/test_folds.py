"""The manifest of the folds: what is written comes back, damage is named."""

import json

import pytest

from emrnas_jax.data.folds import make_folds
from emrnas_jax.errors import InputError
from emrnas_jax.runs.folds import read_folds, write_folds


def test_a_manifest_comes_back(tmp_path):
    folds = make_folds("abcdefg", 3, seed=0)
    write_folds(tmp_path / "folds.json", folds)
    assert read_folds(tmp_path / "folds.json") == folds
    assert [path.name for path in tmp_path.iterdir()] == ["folds.json"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"folds": 3}', '{"folds": [{"train": ["a"]}]}']
)
def test_a_damaged_manifest_is_named(tmp_path, content):
    path = tmp_path / "folds.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"folds\.json: damaged"):
        read_folds(path)


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(InputError, match=r"folds\.json is missing"):
        read_folds(tmp_path / "folds.json")


def test_a_subject_in_two_parts_is_found(tmp_path):
    path = tmp_path / "folds.json"
    parts = {"train": ["a", "b"], "validation": ["c"], "test": ["b"]}
    path.write_text(json.dumps({"folds": [parts]}))
    with pytest.raises(InputError, match=r"\['b'\] twice in fold 1"):
        read_folds(path)
