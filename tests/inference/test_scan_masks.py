import numpy as np
import pytest

from emrnas_jax.data.readers.mask_files import StoredMask
from emrnas_jax.errors import InputError
from emrnas_jax.inference.scan_masks import (
    doubts_of_samples,
    doubts_of_zeros,
    given_masks,
    line_masks,
    measured_mask,
    narrow,
    nonzero_mask,
    one_each,
    sized_masks,
)


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
    assert not doubts_of_zeros(given, given)
    [doubt] = doubts_of_zeros(given, found)
    assert "zero on 33% of what the mask marks" in doubt


def test_a_mask_of_what_was_discarded_is_refused(lines):
    with pytest.raises(InputError, match="1 means measured"):
        measured_mask(~lines[None, :, None], lines[None, :, None], "mask")


SQUARE = (3, 64, 64)
CENTRE = np.abs(np.arange(64) - 32) < 3
MEASURED = CENTRE | (np.arange(64) % 5 == 0)  # zero frequency in the middle


def laid(values, shape=SQUARE, variable="mask", axis="rows"):
    """What becomes of the masks of a file, with the zero frequency in the middle."""
    stored = StoredMask(values, variable, "masks.npz")
    return np.fft.fftshift(given_masks(stored, shape, None, axis, "scan"), axes=(1, 2))


def test_a_matrix_of_the_frames_size_is_one_mask_of_rows_or_columns():
    for variable in ("mask", "masks", ""):
        for shape in (SQUARE, (64, 64, 64)):
            if variable == "masks" and shape[0] == 64:
                continue  # may be a list
            rows = np.repeat(MEASURED[:, None], 64, axis=1)
            for matrix, wanted in (
                (rows, MEASURED[:, None]),
                (rows.T, MEASURED[None]),
            ):
                found = laid(matrix, shape, variable)
                np.testing.assert_array_equal(found, [wanted] * shape[0])


def test_a_matrix_of_samples_is_one_mask():
    random = np.random.default_rng(0)
    samples = (CENTRE[:, None] & CENTRE) | (random.random((64, 64)) < 0.2)
    np.testing.assert_array_equal(laid(samples, variable=""), [samples] * 3)


@pytest.mark.parametrize(("variable", "count"), [("masks", 64), ("", 64), ("", 3)])
def test_a_list_of_masks_of_the_frames_size_is_asked_about(variable, count):
    random = np.random.default_rng(0)
    masks = CENTRE | (random.random((64, 64)) < 0.2)
    with pytest.raises(InputError, match=r"scan: --mask=masks.npz: \(64, 64\) may be"):
        laid(masks, (count, 64, 64), variable)
    found = laid(masks[:, :, None], (64, 64, 64), variable)
    np.testing.assert_array_equal(found, masks[:, :, None])


def test_a_list_of_masks_is_one_for_each_frame():
    masks = np.stack([CENTRE, MEASURED, CENTRE | (np.arange(64) % 7 == 0)])
    np.testing.assert_array_equal(laid(masks), masks[:, :, None])
    np.testing.assert_array_equal(laid(masks, axis="columns"), masks[:, None])
    np.testing.assert_array_equal(laid(masks[:1], variable=""), [masks[0, :, None]] * 3)
    np.testing.assert_array_equal(laid(masks[:1]), [masks[0, None]] * 3)
    with pytest.raises(InputError, match="2 masks for 3 frames"):
        laid(masks[:2])
    with pytest.raises(InputError, match="of 64 lines, and the frames are 60 x 48"):
        laid(masks, (3, 60, 48))


def test_a_list_with_a_wrong_mask_is_asked_about_too():
    random = np.random.default_rng(0)
    masks = CENTRE | (random.random((64, 64)) < 0.2)
    masks[3] = ~masks[3]
    for values in (masks, masks.T):
        with pytest.raises(InputError, match="may be one mask"):
            laid(values, (64, 64, 64), "")
    repeated = np.repeat(MEASURED[None], 64, axis=0)
    with pytest.raises(InputError, match="may be one mask"):
        laid(repeated, (64, 64, 64), "masks")


def test_a_radial_mask_is_one_mask():
    y, x = np.mgrid[-32:32, -32:32]
    angles = np.arange(8) * np.pi / 8
    spokes = [abs(x * np.sin(angle) - y * np.cos(angle)) < 0.6 for angle in angles]
    radial = np.any(spokes, axis=0)
    np.testing.assert_array_equal(laid(radial, variable=""), [radial] * 3)


def test_a_transposed_mask_is_told_so():
    samples = np.ones((48, 64), bool)
    samples[5] = False
    for values in (samples.T, samples.T[None]):
        with pytest.raises(InputError, match="transpose it"):
            laid(values, (3, 48, 64))


def test_zeros_inside_measured_lines_are_measurements(random, lines):
    kspace = random.integers(-20, 20, (2, 8, 64)) * (1 + 1j)
    kspace = np.where(lines[:, None], kspace, 0)
    assert np.any(kspace[:, lines] == 0)
    present = nonzero_mask(kspace)
    assert present.shape == (2, 8, 1)
    mask = np.broadcast_to(lines[:, None], (2, 8, 1))
    np.testing.assert_array_equal(measured_mask(mask, kspace != 0, "mask"), mask)


def test_scattered_zeros_are_doubted(random):
    assert not doubts_of_samples(np.ones((2, 8, 1), bool))
    [doubt] = doubts_of_samples(random.random((2, 8, 8)) < 0.5)
    assert "--fully_sampled" in doubt
