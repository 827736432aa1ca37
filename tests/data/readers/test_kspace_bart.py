"""BART's files: sizes, axes, volumes, and what they refuse."""

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_bart import load, takes
from emrnas_jax.errors import InputError


def write(folder, values, sizes=None):
    """Write an array of BART's axes: READ, PHS1, PHS2, COIL, MAPS, TE, ..."""
    path = folder / "scan.cfl"
    values.astype(np.complex64).ravel(order="F").tofile(path)
    words = " ".join(str(size) for size in sizes or values.shape)
    path.with_suffix(".hdr").write_text(f"# Dimensions\n{words}\n# Command\nfft\n")
    return path


@pytest.fixture
def values(random):
    parts = random.normal(size=(2, 5, 7, 6, 3))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@pytest.mark.parametrize("axis", [0, 2])
def test_a_slice_has_its_two_axes_of_space_in_their_order(axis, values, tmp_path):
    flat = values.take([0], axis=axis)
    found = load(write(tmp_path, flat), "")
    assert takes(tmp_path / "scan.cfl")
    expected = np.moveaxis(flat.squeeze(axis), -1, 0)[None]
    np.testing.assert_array_equal(found.kspace, expected)
    assert found.from_scanner


def test_other_axes_are_frames(values, tmp_path):
    # Two echoes of one slice, and one coil: an axis that is not there.
    echoes = np.stack([values[:1, ..., :1], 2 * values[:1, ..., :1]], -1)[..., None, :]
    found = load(write(tmp_path, echoes), "")
    np.testing.assert_array_equal(found.kspace[0], values[0, ..., 0])
    np.testing.assert_array_equal(found.kspace[1], 2 * values[0, ..., 0])


def test_a_volume_becomes_slices_along_its_readout(values, tmp_path):
    found = load(write(tmp_path, values), "")
    assert found.kspace.shape == (5, 3, 7, 6)
    # The mean over the slices is the sample of the zero frequency, at index 5 // 2.
    mean = found.kspace.sum(0) / np.sqrt(5)
    np.testing.assert_allclose(mean, np.moveaxis(values[2], -1, 0), atol=1e-5)


def test_declared_axes_count_more_than_barts(values, tmp_path):
    path = write(tmp_path, values[0].transpose(2, 0, 1))  # coil, row, column
    found = load(path, "coil,row,column")
    np.testing.assert_array_equal(found.kspace[0], np.moveaxis(values[0], -1, 0))


def test_what_is_no_kspace_or_damaged_is_refused(values, tmp_path):
    maps = values[..., None]
    for sizes, message in (
        ((5, 7, 6, 4), r"holds 630 values.*\(5, 7, 6, 4"),
        ((5, 1, 1, 126), "two or three axes of space"),
        ((0, 7), "no line of sizes"),
        (("five", 7), "no line of sizes"),
    ):
        with pytest.raises(InputError, match=message):
            load(write(tmp_path, values, sizes), "")
    with pytest.raises(InputError, match="2 sets of maps"):
        load(write(tmp_path, np.concatenate([maps, maps], -1)), "")
    (tmp_path / "scan.hdr").unlink()
    with pytest.raises(InputError, match=r"scan\.hdr is missing"):
        load(tmp_path / "scan.cfl", "")
