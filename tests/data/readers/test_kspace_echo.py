"""An echo beside the zero frequency: found, moved where that is exact, and said."""

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_echo import echo_offset
from emrnas_jax.data.readers.kspace_scan import read_kspace
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.mri.coils import birdcage_maps

MAGNITUDE, COMPLEX = Reading("magnitude", "columns"), Reading("complex", "columns")
ROWS, COLUMNS = 64, 48


@pytest.fixture
def images(scanner):
    # Without the phase that `object` has along the columns.
    return np.abs(scanner.object(ROWS, COLUMNS, 3))


@pytest.fixture
def lines():
    return (np.arange(COLUMNS) % 4 == 1) | (np.abs(np.arange(COLUMNS) - 24) < 4)


@pytest.mark.parametrize("offset", [2, -1, -3, 8])
def test_the_echo_is_found_wherever_it_lies(offset, images, scanner):
    kspace = np.fft.ifftshift(scanner.centred(images), (1, 2)).astype(np.complex64)
    for axis in (-2, -1):
        assert echo_offset(np.roll(kspace, offset, axis), axis) == offset
        assert echo_offset(kspace, axis) == 0
    # Half a sample is a phase that any object may have.
    turn = np.exp(1j * np.pi * np.linspace(-0.5, 0.5, ROWS))[:, None]
    half = np.fft.ifftshift(scanner.centred(images * turn), (1, 2))
    assert echo_offset(half.astype(np.complex64), -2) == 0


# Coils widen the echo, so that one sample beside it is less certain.
@pytest.mark.parametrize(("coils", "offset"), [(1, 2), (1, -1), (4, 2), (4, -3)])
def test_measured_kspace_is_moved_along_the_readout_and_magnitudes_stay(
    offset, coils, images, lines, scanner, tmp_path, write
):
    if coils > 1:
        maps = np.abs(birdcage_maps(coils, (ROWS, COLUMNS)))
        images = images[:, None] * maps
    kspace = scanner.centred(images) * lines
    arrays = {"kspace": kspace, "mask": lines}
    expected = read_kspace(write.hdf5(tmp_path, **arrays), MAGNITUDE)
    arrays["kspace"] = np.roll(kspace, offset, axis=-2)
    path = write.hdf5(tmp_path, "beside.h5", **arrays)
    scan = read_kspace(path, MAGNITUDE)
    np.testing.assert_allclose(scan.values, expected.values, atol=1e-6)
    np.testing.assert_array_equal(scan.mask, expected.mask)
    assert scan.stored_as.endswith(f", echo at row {32 + offset} of 64, moved")
    assert not scan.warnings
    # Complex images keep their phase, and it is said.
    scan = read_kspace(path, COMPLEX)
    assert scan.kspace is not None
    assert echo_offset(scan.kspace, -2) == offset
    [warning] = scan.warnings
    assert f"at row {32 + offset} of 64, {abs(offset)} beside the middle" in warning


def test_an_echo_is_left_along_an_axis_whose_lines_are_missing(
    images, lines, scanner, tmp_path, write
):
    kspace = np.roll(scanner.centred(images), 3, axis=-1) * lines
    scan = read_kspace(write.hdf5(tmp_path, kspace=kspace, mask=lines), MAGNITUDE)
    assert scan.kspace is not None
    assert echo_offset(scan.kspace, -1) == 3
    [warning] = scan.warnings
    assert "at column 27 of 48, 3 beside the middle" in warning
    assert "np.roll(kspace, -3, axis=-1)" in warning


@pytest.mark.parametrize("coils", [1, 4])
def test_complete_kspace_has_the_same_magnitudes_wherever_its_echo_is(
    coils, images, scanner, tmp_path, write
):
    if coils > 1:
        images = images[:, None] * np.asarray(birdcage_maps(coils, (ROWS, COLUMNS)))
    kspace = scanner.centred(images)
    expected = read_kspace(write.hdf5(tmp_path, kspace=kspace), MAGNITUDE)
    moved = np.roll(kspace, (2, -3), (-2, -1))
    scan = read_kspace(write.hdf5(tmp_path, "beside.h5", kspace=moved), MAGNITUDE)
    np.testing.assert_allclose(scan.values, expected.values, atol=1e-5)
    assert "echo at row 34 of 64, moved, echo at column 21 of 48" in scan.stored_as
    if coils > 1:
        assert scan.target is not None
        assert expected.target is not None
        np.testing.assert_allclose(scan.target, expected.target, atol=1e-5)


@pytest.mark.parametrize("size", [48, 47])
@pytest.mark.parametrize("convention", ["centred", "shifted", "plain"])
def test_no_phase_is_left_in_any_convention(convention, size, scanner, tmp_path, write):
    images = np.abs(scanner.object(ROWS, size))
    measured = np.abs(np.arange(size) - size // 2) < 15
    if convention == "centred":
        kspace = scanner.centred(images)
    else:
        kspace = np.fft.fftshift(np.fft.fft2(images, norm="ortho"), (1, 2))
    kspace = np.roll(kspace, 1, axis=-2) * measured
    if convention == "plain":
        kspace = np.fft.ifftshift(kspace, (1, 2))
    attributes = {"kspace_convention": convention}
    path = write.hdf5(tmp_path, attributes=attributes, kspace=kspace)
    scan = read_kspace(path, MAGNITUDE)
    assert scan.kspace is not None
    zero_filled = np.fft.ifft2(scan.kspace, norm="ortho")
    # A window of lines around the zero frequency leaves images of magnitudes real.
    assert np.abs(zero_filled.imag).max() < 1e-3
    assert zero_filled.real.max() > 0.9
