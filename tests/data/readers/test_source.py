"""The checks that every image passes, and the errors that name a file."""

import re
from pathlib import Path

import numpy as np
import pytest

from emrnas_jax.data.readers.source import (
    NamedImage,
    Source,
    by_name,
    name_parts,
    read_file,
    reading,
    require_axes,
    require_finite,
    require_whole,
    unit_magnitude,
)
from emrnas_jax.errors import InputError


def source_of(*images):
    """A source whose every file holds these images."""

    def read(path):
        for number, image in enumerate(images):
            yield NamedImage(path.stem, number, 0, image)

    return Source("own", "own files", "float32", lambda _: True, read)


def test_constant_images_are_left_out_and_the_others_keep_their_number(random, said):
    images = [np.zeros((4, 4)), random.random((4, 4)), np.full((4, 4), 7.0)]
    [named] = read_file(source_of(*images), Path("scan.h5"))
    assert named[:3] == ("scan", 1, 0)
    assert said == ["scan.h5: left out 2 constant images"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "scan.h5: found no frames"),
        ([np.ones((4, 4))], r"scan.h5: found only constant images \(1\)"),
        ([np.ones((0, 4))], "slice 0, frame 0 is empty, 0 x 4 pixels"),
        (
            [np.diag([1, np.nan])],
            "frame 0: found 1 NaN or infinite values of 4",
        ),
    ],
)
def test_images_that_cannot_be_used_are_named(images, message):
    with pytest.raises(InputError, match=message):
        list(read_file(source_of(*images), Path("scan.h5")))


def test_the_largest_magnitude_becomes_one(random):
    values = random.normal(size=(3, 4)) + 1j * random.normal(size=(3, 4))
    found = unit_magnitude(values * 1e-9, "file")
    assert np.abs(found).max() == pytest.approx(1)
    np.testing.assert_allclose(np.angle(found), np.angle(values))
    np.testing.assert_array_equal(unit_magnitude(values * 0, "file"), values * 0)
    assert unit_magnitude(values[:0], "file").shape == (0, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(value):
    values = np.array([1.0, value, value])
    with pytest.raises(InputError, match="file: found 2 NaN or infinite values of 3"):
        require_finite(values, "file")


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", None])
def test_settings_that_are_no_whole_numbers_are_refused(value):
    require_whole("data.height", 1, 1)
    with pytest.raises(InputError, match=r"data\.height: .* at least 1, found"):
        require_whole("data.height", value, 1)


def test_another_number_of_axes_is_refused_with_their_names():
    require_axes((2, 3), "row column", "file")
    with pytest.raises(InputError, match=r"expected the axes \[row, column\].*\(2,\)"):
        require_axes((2,), "row column", "file")


def test_a_name_is_matched_as_a_whole():
    pattern = re.compile(r"p(\d+)t(\d+)\.png")
    takes = by_name(pattern)
    assert takes(Path("folder/p1t22.png"))
    assert not takes(Path("xp1t22.png"))
    assert not takes(Path("p1t22.png.bak"))
    assert name_parts(pattern, Path("folder/p1t22.png")) == ("1", "22")
    with pytest.raises(InputError, match=r"q\.png: expected a name like p"):
        name_parts(pattern, Path("q.png"))


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (ValueError("bad\nsecond line"), r"scan\.h5: cannot be read, .*\(bad\); copy"),
        (KeyError(), r"damaged \(KeyError\)"),
        (UnboundLocalError("x"), r"damaged \(x\)"),
        (PermissionError(13, "Permission denied"), r"cannot be opened \(Permission"),
        (InputError("already clear"), "^already clear$"),
    ],
)
def test_whatever_a_library_raises_names_the_file(raised, message):
    with pytest.raises(InputError, match=message), reading(Path("scan.h5")):
        raise raised


def test_a_file_that_is_too_large_for_memory_is_no_damaged_one():
    with pytest.raises(MemoryError), reading(Path("scan.h5")):
        raise MemoryError


def test_ctrl_c_is_no_damaged_file():
    with pytest.raises(KeyboardInterrupt), reading(Path("scan.h5")):
        raise KeyboardInterrupt
