import numpy as np
import pytest

from emrnas_jax.data.readers.given_masks import given_masks
from emrnas_jax.data.readers.mask_files import StoredMask
from emrnas_jax.errors import InputError

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


def test_a_transposed_mask_is_named_as_such():
    samples = np.ones((48, 64), bool)
    samples[5] = False
    for values in (samples.T, samples.T[None]):
        with pytest.raises(InputError, match="transpose it"):
            laid(values, (3, 48, 64))
