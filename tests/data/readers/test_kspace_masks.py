import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_masks import (
    line_masks,
    measured_mask,
    narrow,
    nonzero_mask,
    one_each,
    sample_warnings,
    sized_masks,
    zero_warnings,
)
from emrnas_jax.errors import InputError


@pytest.fixture
def kspace(random):
    parts = random.normal(size=(2, 3, 8, 6)).astype(np.float32)
    return parts[0] + 1j * parts[1]


@pytest.fixture
def lines(random):
    return random.permutation(np.arange(8) < 3)


@pytest.mark.parametrize("axis", [1, 2])
def test_missing_lines_are_found_along_either_axis(axis, random, kspace):
    shape = [3, 1, 1]
    shape[axis] = kspace.shape[axis]
    mask = random.random(shape) < 0.5
    mask[:, :1, :1] = True
    np.testing.assert_array_equal(nonzero_mask(kspace * mask), mask)


def test_missing_samples_are_found(random, kspace):
    mask = random.random(kspace.shape) < 0.5
    np.testing.assert_array_equal(nonzero_mask(kspace * mask), mask)


def test_lines_inside_a_padded_window_are_found(lines, kspace):
    mask = lines[:, None] & (np.arange(6) > 0)
    found = nonzero_mask(kspace * mask)
    np.testing.assert_array_equal(np.broadcast_to(found, kspace.shape)[0], mask)


def test_complete_kspace_has_a_mask_of_ones(kspace):
    assert nonzero_mask(kspace).all()


def test_lines_lie_along_the_axis_of_their_number():
    for size, wanted in (((8, 6), (1, 8, 1)), ((6, 8), (1, 1, 8))):
        found = line_masks(np.ones((1, 8), bool), size, None, "rows", "mask")
        assert found.shape == wanted


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_lines_of_square_frames_lie_where_kspace_is_missing(axis, lines):
    mask = lines[:, None] if axis == "rows" else lines[None]
    present = np.broadcast_to(mask, (1, 8, 8))
    other = {"rows": "columns", "columns": "rows"}[axis]
    found = line_masks(lines[None], (8, 8), present, other, "mask")
    np.testing.assert_array_equal(found[0], mask)


def test_lines_of_complete_square_frames_lie_along_the_networks_axis(lines):
    for axis, shape in (("rows", (1, 8, 1)), ("columns", (1, 1, 8))):
        present = np.ones((1, 8, 1), bool)
        assert line_masks(lines[None], (8, 8), present, axis, "m").shape == shape


def test_masks_of_the_wrong_size_are_refused(lines):
    with pytest.raises(InputError, match=r"masks of 8 lines.*7 x 6"):
        line_masks(lines[None], (7, 6), None, "rows", "mask")
    with pytest.raises(InputError, match=r"\(7, 6\) for frames of 8 x 6"):
        sized_masks(np.ones((7, 6), bool), (8, 6), "mask")
    with pytest.raises(InputError, match="2 masks for 3 frames"):
        one_each(np.ones((2, 8, 1), bool), 3, "mask")


def test_full_masks_of_lines_become_one_line_wide(lines):
    full = np.broadcast_to(lines[:, None], (2, 8, 6))
    assert narrow(full).shape == (2, 8, 1)
    assert narrow(full.swapaxes(1, 2)).shape == (2, 1, 8)
    assert sized_masks(full[0], (8, 6), "mask").shape == (1, 8, 1)


def test_lines_marked_outside_the_acquired_window_do_not_count(lines):
    window = np.ones(8, bool)
    window[np.flatnonzero(lines)[0]] = False
    given, present = lines[None, :, None], (lines & window)[None, :, None]
    found = measured_mask(given, present, "mask")
    np.testing.assert_array_equal(found, present)
    assert not zero_warnings(given, given)
    [warning] = zero_warnings(given, found)
    assert "zero on 33% of what the mask marks" in warning


def test_a_mask_of_what_was_discarded_is_refused(lines):
    with pytest.raises(InputError, match="1 means measured"):
        measured_mask(~lines[None, :, None], lines[None, :, None], "mask")


def test_zeros_inside_measured_lines_are_measurements(random, lines):
    kspace = random.integers(-20, 20, (2, 8, 64)) * (1 + 1j)
    kspace = np.where(lines[:, None], kspace, 0)
    assert np.any(kspace[:, lines] == 0)
    present = nonzero_mask(kspace)
    assert present.shape == (2, 8, 1)
    mask = np.broadcast_to(lines[:, None], (2, 8, 1))
    np.testing.assert_array_equal(measured_mask(mask, kspace != 0, "mask"), mask)


def test_scattered_zeros_give_a_warning(random):
    assert not sample_warnings(np.ones((2, 8, 1), bool))
    [warning] = sample_warnings(random.random((2, 8, 8)) < 0.5)
    assert "--fully_sampled" in warning


@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize(("first", "last"), [(5, 5), (0, 7), (9, 0)])
def test_zeros_at_the_ends_alone_give_a_warning(first, last, rows):
    lines = np.ones(57, bool)
    lines[:first] = lines[57 - last :] = False
    present = np.fft.ifftshift(lines)[None, None]
    present = present.swapaxes(1, 2) if rows else present
    [warning] = sample_warnings(present)
    name = "rows" if rows else "columns"
    assert f"first {first} and the last {last} of 57 {name}" in warning
    assert "--fully_sampled" in warning


def test_missing_lines_give_no_warning():
    line = np.arange(57)
    centre = np.abs(line - 28) < 6
    for lines in (centre, centre | (line % 4 == 0), np.abs(line - 28) != 20):
        assert not sample_warnings(np.fft.ifftshift(lines)[None, None])
