"""Tables of scores and archives of examples: what is written comes back."""

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.runs.scores import (
    ALL_SLICES,
    Examples,
    Scores,
    read_examples,
    read_scores,
    write_examples,
    write_scores,
)

RANDOM = np.random.default_rng(5)
SCORES = Scores(
    ("heart, 1", 'heart "2"', "é"),
    np.array([0, ALL_SLICES, 7]),
    np.array([0, 3, 19]),
    RANDOM.uniform(20, 40, 3).round(6),
    RANDOM.uniform(0.5, 1, 3).round(6),
    RANDOM.uniform(0, 0.1, 3).round(6),
)
EXAMPLES = Examples(
    ("a", "b"),
    np.array([1, 2], np.int32),
    np.array([0, 5], np.int32),
    RANDOM.random((2, 4, 6)).astype(np.float32),
    RANDOM.random((2, 4, 6)).astype(np.float32),
    RANDOM.random((2, 4, 6)) < 0.5,
    np.array([30.5, 31.25], np.float32),
    np.array([[4, 6], [3, 5]]),
)


def test_scores_come_back_with_six_decimals(tmp_path):
    path = tmp_path / "deep" / "scores.csv"
    write_scores(path, SCORES._replace(psnr_db=SCORES.psnr_db + 1e-8))
    found = read_scores(path)
    assert found.subject == SCORES.subject
    for own, expected in zip(found[1:], SCORES[1:], strict=True):
        np.testing.assert_array_equal(own, expected)


@pytest.mark.parametrize(
    ("row", "line"),
    [("a,0,0,30,0.9", 2), ("a,0,0,30,0.9,0.1,5", 2), ("a,x,0,30,0.9,0.1", 2)],
)
def test_a_row_of_another_form_is_named_with_its_line(tmp_path, row, line):
    path = tmp_path / "scores.csv"
    path.write_text(f"subject,slice,frame,psnr_db,ssim,nmse\n{row}\n")
    with pytest.raises(InputError, match=rf"scores\.csv, line {line}: .*found.*'a'"):
        read_scores(path)


def test_a_score_that_is_no_number_is_refused_and_infinity_is_read(tmp_path):
    """The PSNR of two equal images is infinite."""
    path = tmp_path / "scores.csv"
    perfect = SCORES._replace(psnr_db=np.full(3, np.inf))
    write_scores(path, perfect)
    np.testing.assert_array_equal(read_scores(path).psnr_db, perfect.psnr_db)
    write_scores(path, SCORES._replace(ssim=np.full(3, np.nan)))
    with pytest.raises(InputError, match=r"line 2: .*nan"):
        read_scores(path)


def test_a_missing_table_says_how_to_make_it(tmp_path):
    with pytest.raises(InputError, match=r"scores\.csv.*--stage=evaluate"):
        read_scores(tmp_path / "scores.csv")


def test_examples_come_back(tmp_path):
    path = tmp_path / "deep" / "examples.npz"
    write_examples(path, EXAMPLES)
    found = read_examples(path)
    assert found.subject == EXAMPLES.subject
    for own, expected in zip(found[1:], EXAMPLES[1:], strict=True):
        assert own.dtype == expected.dtype
        np.testing.assert_array_equal(own, expected)


def test_examples_name_their_frames_as_a_table_of_scores_does():
    assert EXAMPLES.frames == (("a", 1, 0), ("b", 2, 5))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mask": EXAMPLES.mask[:, :3]}, "shapes"),
        ({"psnr_db": EXAMPLES.psnr_db[:1]}, "not one name and PSNR"),
        ({"subject": ("a",)}, "not one name and PSNR"),
        ({"slice": np.zeros(3, np.int32)}, "not one name and PSNR"),
        ({"shape": EXAMPLES.shape[:1]}, "not one name and PSNR"),
        ({"shape": EXAMPLES.shape + 1}, "frames of"),
    ],
)
def test_examples_that_do_not_fit_each_other_are_refused(tmp_path, change, reason):
    path = tmp_path / "examples.npz"
    write_examples(path, EXAMPLES._replace(**change))
    with pytest.raises(InputError, match=rf"examples\.npz: damaged \({reason}"):
        read_examples(path)


@pytest.mark.parametrize("name", Examples._fields[:-1])
def test_an_archive_without_one_of_its_arrays_is_refused(tmp_path, name):
    path = tmp_path / "examples.npz"
    arrays = {key: value for key, value in EXAMPLES._asdict().items() if key != name}
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=rf"examples\.npz: damaged .*{name}"):
        read_examples(path)


def test_an_example_is_shown_in_its_own_shape():
    target, reconstruction, mask = EXAMPLES.images(1)
    np.testing.assert_array_equal(target, EXAMPLES.target[1, :3, :5])
    np.testing.assert_array_equal(reconstruction, EXAMPLES.reconstruction[1, :3, :5])
    np.testing.assert_array_equal(mask, EXAMPLES.mask[1, :3, :5])


def test_examples_of_earlier_versions_have_one_shape(tmp_path):
    path = tmp_path / "examples.npz"
    arrays = EXAMPLES._asdict()
    del arrays["shape"]
    np.savez(path, **arrays)
    np.testing.assert_array_equal(read_examples(path).shape, [[4, 6], [4, 6]])


def test_an_archive_of_python_objects_is_not_opened(tmp_path):
    """They could run any code when they are read."""
    path = tmp_path / "examples.npz"
    objects = np.array([{"a": 1}, None], object)
    np.savez(path, **EXAMPLES._asdict() | {"subject": objects}, allow_pickle=True)
    with pytest.raises(InputError, match=r"examples\.npz: damaged"):
        read_examples(path)
