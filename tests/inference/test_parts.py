"""Only a part of k-space is covered, or of the image kept: masks, images and scores."""

import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.evaluation.conventions import PAPER
from emrnas_jax.inference import load_model
from emrnas_jax.inference.frames import middle, reconstruct_scans
from emrnas_jax.inference.jobs import reconstruct_files
from emrnas_jax.inference.plan import Settings
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.mri.coils import birdcage_maps

ROWS, LINES = 16, 16
HOW = Reading("magnitude", "rows")


@pytest.fixture(scope="module")
def model(make_model):
    return load_model(make_model())


@pytest.fixture
def padded(scanner, tmp_path, write):
    """A complete file: 12 of 16 lines acquired, 10 x 8 pixels of the image kept."""
    text = scanner.header((ROWS, LINES), (10, 8), last=11, centre=6, slices=2)
    acquired = (np.arange(LINES) >= 2) & (np.arange(LINES) < 14)
    kspace = scanner.centred(scanner.object(ROWS, LINES)) * acquired
    return write.hdf5(tmp_path, kspace=kspace, ismrmrd_header=text), acquired


def test_the_middle_is_the_one_that_fastmri_scores():
    images = np.arange(2 * 9 * 8).reshape(2, 9, 8)
    # `center_crop` of fastMRI begins at (whole - size) // 2.
    np.testing.assert_array_equal(middle(images, (4, 5)), images[:, 2:6, 1:6])
    assert middle(images, None) is images


def test_drawn_masks_leave_padding_out(model, padded, scanner, tmp_path, write):
    path, acquired = padded
    [found] = reconstruct_scans(model, [read_scan(path, HOW)], batch=2)
    whole = write.hdf5(
        tmp_path, "whole.h5", kspace=scanner.centred(scanner.object(ROWS, LINES))
    )
    scan = read_scan(whole, HOW)._replace(subjects=("scan",) * 2)
    [drawn] = reconstruct_scans(model, [scan], batch=2)
    expected = drawn.mask & np.fft.ifftshift(acquired)
    np.testing.assert_array_equal(found.mask, expected)
    assert found.mask.any()


def test_the_kept_part_of_the_image_is_written_and_scored(model, padded, tmp_path):
    path, _ = padded
    scan = read_scan(path, HOW)
    assert scan.size == (10, 8)
    [whole] = reconstruct_scans(model, [scan._replace(size=None)], batch=2)
    out = tmp_path / "out"
    summary = reconstruct_files(model, Settings(path, out, HOW, batch=2))
    assert summary.failed == 0
    with h5py.File(out / "scan.h5") as file:
        found = {name: np.asarray(file[name]) for name in file if name != "subject"}
        assert "zero padding of 2 + 2 of 16 columns" in str(file.attrs["stored_as"])
    for name in ("reconstruction", "zero_filled"):
        expected = middle(getattr(whole, name), (10, 8))
        np.testing.assert_allclose(found[name], expected, rtol=1e-5)
    # As the paper's convention scores them, clipped to [0, 1].
    target, image = (
        np.clip(middle(values, (10, 8)) / scan.scale, 0, 1)
        for values in (whole.target, whole.reconstruction)
    )
    error = np.mean((target - image) ** 2, axis=(1, 2))
    np.testing.assert_allclose(found["psnr_db"], -10 * np.log10(error), rtol=1e-4)
    assert PAPER == "paper"
    assert not np.allclose(found["psnr_db"], whole.scores["psnr_db"])


@pytest.mark.slow
def test_several_coils_with_padding_are_scored_against_what_is_kept(
    scanner, tmp_path, write
):
    rows, lines = 32, 80
    text = scanner.header((rows, lines), (16, 40), last=69, centre=35, slices=2)
    acquired = (np.arange(lines) >= 5) & (np.arange(lines) < 75)
    maps = np.asarray(birdcage_maps(4, (rows, lines)))
    images = scanner.object(rows, lines)[:, None] * maps
    kspace = scanner.centred(images) * acquired
    rss = np.abs(np.fft.ifft2(kspace, norm="ortho"))
    rss = middle(np.fft.fftshift(np.sqrt(np.sum(rss**2, 1)), (1, 2)), (16, 40))
    path = write.hdf5(
        tmp_path, kspace=kspace, ismrmrd_header=text, reconstruction_rss=rss
    )
    scan = read_scan(path, HOW)
    [found] = reconstruct_scans(load_model("sense"), [scan], batch=2)
    assert found.reconstruction.shape == (2, 16, 40)
    assert found.target is not None
    np.testing.assert_allclose(found.target, rss, atol=1e-4)
    measured = np.fft.fftshift(np.broadcast_to(found.mask, (2, 1, lines))[0, 0])
    assert not measured[~acquired].any()
    assert measured[acquired].sum() > 5
