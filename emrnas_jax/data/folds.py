"""Folds by subject, and their manifest.

Neighbouring frames of one subject are nearly equal and subjects differ by decibels, so
training, validation and test never share a subject, and the folds are written down.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from emrnas_jax.errors import InputError


class Fold(NamedTuple):
    """The subjects of one fold, each part sorted.

    Attributes:
        train: S_train, on which the weights are trained.
        validation: S_val, on which the architecture is searched.
        test: S_test, seen by nothing but the evaluation.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def make_folds(
    subjects: Iterable[str], count: int, seed: int, validation: float = 2 / 11
) -> list[Fold]:
    """Draw folds in which every subject is tested exactly once.

    Args:
        subjects: names of the subjects; repeated ones count once, in any order.
        count: number of folds, at least 2.
        seed: seed of the run.
        validation: fraction in (0, 1) of the subjects not tested that is S_val, at
            least one subject. S_train : S_val = 9 : 2 in section 3.

    Returns:
        Folds whose test parts are disjoint and together all subjects.

    Raises:
        InputError: there are too few subjects to give every part of every fold one.
    """
    names = sorted(set(subjects))
    if count < 2:
        raise InputError(f"folds: expected at least 2, found {count}")
    if not 0 < validation < 1:
        raise InputError(f"validation: expected between 0 and 1, found {validation}")
    # The fold with the largest test part must keep one to train and one to validate.
    if len(names) < count or len(names) - -(-len(names) // count) < 2:
        raise InputError(
            f"{len(names)} subjects ({', '.join(names[:5])}) cannot be split into "
            f"{count} folds of training, validation and test; use more subjects"
        )
    # A stream of its own, so that another use of the seed leaves the folds as they are.
    generator = np.random.default_rng([seed, zlib.crc32(b"folds")])
    parts = np.array_split(generator.permutation(names), count)
    folds = []
    for number in range(count):
        others = [p for other, p in enumerate(parts) if other != number]
        rest = generator.permutation(np.concatenate(others)).tolist()
        # Each part gets a subject, however the fraction rounds.
        held = min(max(round(len(rest) * validation), 1), len(rest) - 1)
        folds.append(
            Fold(
                train=tuple(sorted(rest[held:])),
                validation=tuple(sorted(rest[:held])),
                test=tuple(sorted(parts[number].tolist())),
            )
        )
    return folds


@dataclass(frozen=True)
class FoldSettings:
    """The config section `folds`.

    Attributes:
        count: folds of the cross-validation.
        validation: fraction of the training subjects that is S_val.
    """

    count: int = 3  # section 3
    validation: float = 2 / 11  # "a ratio around 9:2", section 3

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: a value is outside its range.
        """
        if self.count < 2:
            raise InputError(f"folds.count: found {self.count}; at least 2 are needed")
        if not 0 < self.validation < 1:
            raise InputError(
                f"folds.validation: found {self.validation}; use a fraction between "
                "0 and 1"
            )
