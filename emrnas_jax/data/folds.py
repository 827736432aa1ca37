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
    subjects: Iterable[str],
    count: int,
    seed: int,
    validation: float = 2 / 11,
    test: tuple[str, ...] | None = None,
) -> list[Fold]:
    """Draw folds in which every subject is tested exactly once.

    Args:
        subjects: names of the subjects; repeated ones count once, in any order.
        count: number of folds, at least 2.
        seed: seed of the run.
        validation: fraction in (0, 1) of the subjects not tested that is S_val, at
            least one subject. S_train : S_val = 9 : 2 in section 3.
        test: subjects that are tested, perhaps none, in one fold; None draws folds.

    Returns:
        Folds whose test parts are disjoint and together all subjects; or the one fold
        of the given test part.

    Raises:
        InputError: there are too few subjects to give every part of every fold one, or
            one that is to be tested is not there.
    """
    names = sorted(set(subjects))
    if test is not None:
        return [_fold_of(names, test, seed, validation)]
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
    generator = _generator(seed)
    parts = np.array_split(generator.permutation(names), count)
    folds = []
    for number in range(count):
        others = [p for other, p in enumerate(parts) if other != number]
        rest = generator.permutation(np.concatenate(others)).tolist()
        folds.append(_divided(rest, parts[number].tolist(), validation))
    return folds


def _generator(seed: int) -> np.random.Generator:
    # A stream of its own, so that another use of the seed leaves the folds as they are.
    return np.random.default_rng([seed, zlib.crc32(b"folds")])


def _divided(rest: list[str], test: list[str], validation: float) -> Fold:
    """Return the fold of a test part; the first of the rest are S_val."""
    # Each part gets a subject, however the fraction rounds.
    held = min(max(round(len(rest) * validation), 1), len(rest) - 1)
    return Fold(
        train=tuple(sorted(rest[held:])),
        validation=tuple(sorted(rest[:held])),
        test=tuple(sorted(test)),
    )


def _fold_of(
    names: list[str], test: tuple[str, ...], seed: int, validation: float
) -> Fold:
    missing = sorted(set(test) - set(names))
    if missing:
        raise InputError(
            f"folds.test: found no subject {', '.join(missing)}; there are "
            f"{', '.join(names)}"
        )
    rest = [name for name in names if name not in test]
    if len(rest) < 2:
        raise InputError(
            f"folds.test: {len(test)} of {len(names)} subjects are tested; leave at "
            "least two for training and validation"
        )
    return _divided(_generator(seed).permutation(rest).tolist(), list(test), validation)


NOTHING = "none"  # as a test part: every subject is trained on


@dataclass(frozen=True)
class FoldSettings:
    """The config section `folds`.

    Attributes:
        count: folds of the cross-validation.
        validation: fraction of the training subjects that is S_val.
        test: names of the subjects that are tested, separated by commas, in place of a
            cross-validation; "none" tests nothing. There is one fold then, and `count`
            is not used.
    """

    count: int = 3  # section 3
    validation: float = 2 / 11  # "a ratio around 9:2", section 3
    test: str = ""

    @property
    def tested(self) -> tuple[str, ...] | None:
        """Names of the subjects that are tested; None for a cross-validation."""
        if not self.test:
            return None
        names = tuple(name.strip() for name in self.test.split(",") if name.strip())
        return () if names == (NOTHING,) else names

    @property
    def number(self) -> int:
        """Number of folds."""
        return self.count if self.tested is None else 1

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
