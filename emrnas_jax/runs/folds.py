"""`folds.json`: the manifest of a run's folds, the subjects of each part by name."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from emrnas_jax.data.folds import Fold
from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json

Subjects = Annotated[tuple[str, ...], Meta(min_length=1)]

WAY_OUT = "remove it to draw the folds anew"


class _Fold(Struct, frozen=True):
    train: Subjects
    validation: Subjects
    test: tuple[str, ...]  # empty where every subject is trained on


class _Manifest(Struct, frozen=True):
    folds: Annotated[tuple[_Fold, ...], Meta(min_length=1)]


def write_folds(path: Path, folds: list[Fold]) -> None:
    """Write the manifest, whole or not at all."""
    write_json(path, _Manifest(tuple(_Fold(*fold) for fold in folds)))


def read_folds(path: Path) -> list[Fold]:
    """Return the folds of a manifest.

    Raises:
        InputError: the file is missing or damaged, or two parts of a fold share a
            subject.
    """
    # Read back rather than drawn again, so that a run keeps its folds when the way of
    # drawing them changes.
    manifest = read_json(path, _Manifest, WAY_OUT)
    folds = [Fold(own.train, own.validation, own.test) for own in manifest.folds]
    for number, fold in enumerate(folds, 1):
        names = [name for part in fold for name in part]
        # A subject in two parts would be trained on and tested.
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{path}: found {twice} twice in fold {number}; {WAY_OUT}")
    return folds
