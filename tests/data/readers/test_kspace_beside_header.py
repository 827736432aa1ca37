"""K-space in HDF5 with a header beside it: padding, acquired lines, contradictions."""

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_conventions import CONFIG
from emrnas_jax.data.readers.kspace_scan import complete_images, read_kspace
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import birdcage_maps

HOW = Reading("complex", "columns")
ROWS, LINES = 64, 57
# 47 of 57 lines were acquired, with the zero frequency at 23: they lie at 5 to 51.
PADDED = np.arange(LINES)
PADDED = (PADDED >= 5) & (PADDED < 52)
OPEN = np.arange(LINES) < 50  # of 57 lines the last seven were left out


@pytest.fixture
def images(scanner):
    return scanner.object(ROWS, LINES)


@pytest.fixture
def kspace(images, scanner):
    return scanner.centred(images)


@pytest.fixture
def told(scanner):
    """The header of 47 lines, whose image the scanner interpolates."""
    return scanner.header(
        (ROWS, LINES), (64, 108), 46, 23, 2, encoded_mm=(460, 204.5), mm=(230, 194)
    )


def test_complete_kspace_with_padding_is_complete(kspace, told, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=kspace * PADDED, ismrmrd_header=told)
    scan = read_kspace(path, HOW)
    assert scan.images is not None
    assert scan.kspace is None
    assert scan.mask is None
    assert scan.acquired is not None
    np.testing.assert_array_equal(scan.acquired, [np.fft.ifftshift(PADDED)[None]] * 2)
    assert scan.stored_as.endswith("complete, zero padding of 5 + 5 of 57 columns")
    assert not scan.warnings
    # The scanner interpolates the image, so nothing is cut.
    assert scan.size is None
    images = scan.images[..., 0] + 1j * scan.images[..., 1]
    found = np.fft.fftshift(np.fft.fft2(images * scan.scale, norm="ortho"), (1, 2))
    assert np.abs(found[..., ~PADDED]).max() < 1e-5
    assert np.abs(found[..., PADDED]).max() > 1


def test_complete_kspace_with_padding_is_trained_on(kspace, told, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=kspace * PADDED, ismrmrd_header=told)
    how = Reading("complex", "columns", form=CONFIG)
    assert len(list(complete_images(path, how))) == 2


def test_acquired_lines_that_are_stored_alone_are_laid_at_their_place(
    kspace, told, tmp_path, write
):
    padded = write.hdf5(tmp_path, kspace=kspace * PADDED, ismrmrd_header=told)
    alone = write.hdf5(
        tmp_path, "alone.h5", kspace=kspace[..., PADDED], ismrmrd_header=told
    )
    scan, expected = read_kspace(alone, HOW), read_kspace(padded, HOW)
    np.testing.assert_array_equal(scan.images, expected.images)
    assert scan.stored_as == expected.stored_as
    [warning] = scan.warnings
    assert "57 lines, and the file the 47 that were acquired" in warning
    assert "at lines 5 to 51" in warning


def test_partial_fourier_is_said_and_not_taken_for_missing(
    kspace, scanner, tmp_path, write
):
    text = scanner.header((ROWS, LINES), last=49, centre=28, slices=2)
    path = write.hdf5(tmp_path, kspace=kspace * OPEN, ismrmrd_header=text)
    scan = read_kspace(path, HOW)
    assert scan.images is not None
    assert scan.acquired is not None
    np.testing.assert_array_equal(scan.acquired[0, 0], np.fft.ifftshift(OPEN))
    assert scan.stored_as.endswith("complete, partial Fourier, 50 of 57 columns")
    [warning] = scan.warnings
    assert "28 below the zero frequency and 22 from it on" in warning


@pytest.mark.parametrize("coils", [1, 4])
@pytest.mark.parametrize("stored", ["mask", "mask without padding", "zeros"])
def test_padding_is_not_measured_where_lines_are_missing(
    stored, coils, images, told, scanner, tmp_path, write
):
    lines = (np.arange(LINES) % 3 == 0) | (np.abs(np.arange(LINES) - 28) < 5)
    measured = lines & PADDED
    kspace = scanner.centred(images)
    if coils > 1:
        maps = np.asarray(birdcage_maps(coils, (ROWS, LINES)))
        kspace = scanner.centred(images[:, None] * maps)
    arrays = {"kspace": kspace * measured, "ismrmrd_header": told}
    # fastMRI's masks do not know of the padding.
    masks = {"mask": lines, "mask without padding": measured}
    arrays |= {"mask": masks[stored]} if stored in masks else {}
    scan = read_kspace(write.hdf5(tmp_path, **arrays), HOW)
    assert scan.kspace is not None
    assert scan.mask is not None
    assert scan.acquired is None
    np.testing.assert_array_equal(scan.mask[:, 0], [np.fft.ifftshift(measured)] * 2)
    assert scan.stored_as.endswith(", zero padding of 5 + 5 of 57 columns")
    assert not scan.warnings


def test_a_mask_beside_complete_padded_kspace_leaves_the_padding_out(
    kspace, told, tmp_path, write
):
    lines = (np.arange(LINES) % 3 == 0) | (np.abs(np.arange(LINES) - 28) < 5)
    path = write.hdf5(tmp_path, kspace=kspace * PADDED, ismrmrd_header=told, mask=lines)
    scan = read_kspace(path, HOW)
    assert scan.images is not None
    assert scan.mask is not None
    np.testing.assert_array_equal(scan.mask[0, 0], np.fft.ifftshift(lines & PADDED))
    # A mask of all acquired lines leaves nothing out.
    path = write.hdf5(
        tmp_path, kspace=kspace * PADDED, ismrmrd_header=told, mask=PADDED
    )
    assert read_kspace(path, HOW).mask is None


def test_values_where_the_header_has_padding_are_kept_and_said(
    kspace, told, tmp_path, write
):
    path = write.hdf5(tmp_path, kspace=kspace, ismrmrd_header=told)
    scan = read_kspace(path, HOW)
    assert scan.images is not None
    assert scan.acquired is None
    assert scan.stored_as.endswith("complete")
    [warning] = scan.warnings
    assert "columns 5 to 51 of 57 were acquired" in warning
    assert "columns 0 to 56 are not zero" in warning


@pytest.mark.parametrize("coils", [1, 4])
@pytest.mark.parametrize("flat", [True, False])
def test_axes_that_the_header_has_swapped_are_turned_and_said(
    flat, coils, scanner, tmp_path, write
):
    images = scanner.object(80, 40)
    kspace = scanner.centred(images)
    if coils > 1:
        maps = np.asarray(birdcage_maps(coils, (80, 40)))
        kspace = scanner.centred(images[:, None] * maps)
    lines = (np.arange(40) % 4 == 0) | (np.abs(np.arange(40) - 20) < 4)
    text = scanner.header((80, 40), (40, 40), slices=2)
    arrays = {"kspace": kspace * lines, "mask": lines, "ismrmrd_header": text}
    expected = read_kspace(write.hdf5(tmp_path, **arrays), HOW)
    arrays["kspace"] = arrays["kspace"].swapaxes(-1, -2)
    arrays["mask"] = lines if flat else lines[:, None]
    path = write.hdf5(tmp_path, **arrays)
    scan = read_kspace(path, HOW)
    np.testing.assert_array_equal(scan.kspace, expected.kspace)
    np.testing.assert_array_equal(scan.mask, expected.mask)
    assert scan.size == (40, 40)
    [warning] = scan.warnings
    assert "a readout of 80 and 40 lines, and k-space 40 x 80" in warning
    # The user's word counts more.
    names = "frame,coil,row,column" if coils > 1 else "frame,row,column"
    scan = read_kspace(path, Reading("complex", "columns", axes=names))
    assert scan.shape == (40, 80)
    [warning] = scan.warnings
    assert "40 x 80; it is not used" in warning


def test_a_header_of_another_scan_is_refused_in_one_line_unless_axes_are_named(
    kspace, scanner, tmp_path, write
):
    text = scanner.header((96, 48), slices=2)
    path = write.hdf5(tmp_path, kspace=kspace, ismrmrd_header=text)
    message = r"96 and 48 lines.*64 rows and 57 columns"
    with pytest.raises(InputError, match=message) as error:
        read_kspace(path, HOW)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    way_out = str(error.value).rpartition("--kspace_axes=")[2]
    scan = read_kspace(path, Reading("complex", "columns", axes=way_out))
    assert scan.images is not None


def test_another_number_of_slices_is_said(kspace, scanner, tmp_path, write):
    text = scanner.header((ROWS, LINES), slices=32)
    path = write.hdf5(tmp_path, kspace=kspace, ismrmrd_header=text)
    [warning] = read_kspace(path, HOW).warnings
    assert "32 slices, and the file 2" in warning


@pytest.mark.parametrize("text", ["<ismrmrdHeader>", "", "<ismrmrdHeader/>"])
def test_a_header_that_says_nothing_is_not_used(text, kspace, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=kspace, ismrmrd_header=text)
    scan = read_kspace(path, HOW)
    assert scan.images is not None
    damaged = not text.endswith("/>")
    assert [("cannot be read" in warning) for warning in scan.warnings] == [
        True
    ] * damaged


def test_the_size_of_the_image_is_the_complete_ones_else_the_headers(
    scanner, tmp_path, write
):
    kspace = scanner.centred(scanner.object(80, 40))
    text = scanner.header((80, 40), (40, 36), slices=2)
    for target, expected in (
        (None, (40, 36)),
        (np.ones((2, 50, 40)), (50, 40)),
        (np.ones((2, 90, 20)), (80, 20)),  # narrower than what is scored
        (np.ones((2, 80, 40)), None),
    ):
        arrays = {} if target is None else {"reconstruction_rss": target}
        path = write.hdf5(tmp_path, kspace=kspace, ismrmrd_header=text, **arrays)
        assert read_kspace(path, HOW).size == expected
