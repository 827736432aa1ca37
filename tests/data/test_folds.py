import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrnas_jax.data.folds import Fold, FoldSettings, make_folds
from emrnas_jax.errors import InputError

SUBJECTS = [f"p{number:02d}" for number in range(1, 34)]


@given(st.integers(2, 6), st.integers(6, 40), st.integers(0, 9))
def test_folds_partition_the_subjects(count, subjects, seed):
    names = [f"s{number}" for number in range(subjects)]
    folds = make_folds(names, count, seed)
    assert len(folds) == count
    for fold in folds:
        assert sorted(sum(fold, ())) == sorted(names)
        assert all(fold)
    tested = [name for fold in folds for name in fold.test]
    assert sorted(tested) == sorted(names)
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 1


def test_33_subjects_split_as_in_the_paper():
    for fold in make_folds(SUBJECTS, 3, seed=0):
        # 22 subjects are not tested, 9 : 2 of them.
        assert [len(part) for part in fold] == [18, 4, 11]


def test_order_and_repetition_of_subjects_do_not_matter():
    again = make_folds(SUBJECTS[::-1] * 2, 3, seed=4)
    assert again == make_folds(SUBJECTS, 3, seed=4)


def test_the_seed_draws_the_folds():
    assert make_folds(SUBJECTS, 3, seed=0) != make_folds(SUBJECTS, 3, seed=1)


def test_folds_do_not_change_with_the_program():
    [first, *_] = make_folds("abcdef", 3, seed=0)
    assert first == Fold(("a", "b", "d"), ("c",), ("e", "f"))


@pytest.mark.parametrize(("subjects", "count"), [("ab", 3), ("ab", 2), ("abc", 2)])
def test_too_few_subjects_are_named(subjects, count):
    with pytest.raises(InputError, match=f"{len(subjects)} subjects .*{count} folds"):
        make_folds(subjects, count, seed=0)


def test_one_fold_is_refused():
    with pytest.raises(InputError, match="at least 2, found 1"):
        make_folds(SUBJECTS, 1, seed=0)


def test_validation_is_a_part():
    with pytest.raises(InputError, match="between 0 and 1, found 2"):
        make_folds(SUBJECTS, 3, seed=0, validation=2.0)


def test_named_subjects_are_the_one_test():
    test = FoldSettings(test="p25, p30").tested
    [fold] = make_folds(SUBJECTS, 3, seed=0, test=test)
    assert fold.test == ("p25", "p30")
    assert sorted(sum(fold, ())) == SUBJECTS
    assert fold.validation


def test_no_test_leaves_every_subject_to_training():
    settings = FoldSettings(test="none")
    assert (settings.tested, settings.number) == ((), 1)
    [fold] = make_folds(SUBJECTS, 3, seed=0, test=settings.tested)
    assert sorted(fold.train + fold.validation) == SUBJECTS
    assert (FoldSettings().tested, FoldSettings().number) == (None, 3)


@pytest.mark.parametrize(
    ("test", "message"),
    [(("p25", "p99"), "no subject p99"), (SUBJECTS[1:], "leave at least two")],
)
def test_a_test_that_cannot_be_is_named(test, message):
    with pytest.raises(InputError, match=rf"folds\.test: .*{message}"):
        make_folds(SUBJECTS, 3, seed=0, test=tuple(test))
