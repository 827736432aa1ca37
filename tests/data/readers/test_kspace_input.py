"""The rules for k-space that files and arguments share."""

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_conventions import Stated, Storage
from emrnas_jax.data.readers.kspace_input import (
    find_scale,
    frame_masks,
    plain_mask,
    to_plain,
)
from emrnas_jax.errors import InputError


def storage(convention="plain", norm="ortho", by="given"):
    return Storage(Stated(convention, by), Stated(norm, by))


@pytest.fixture
def images(random):
    """Two complex images of 12 x 10, brighter than their noise."""
    noise = random.normal(size=(2, 2, 12, 10))
    return 5 + noise[0] + 1j * noise[1]


def kspace_of(images):
    return np.fft.fft2(images, norm="ortho")


def test_the_largest_sample_is_one_and_its_intensity_is_kept(images):
    plain = to_plain(kspace_of(images) * 1e-7, storage(), "kspace")
    assert np.abs(plain.values).max() == pytest.approx(1)
    np.testing.assert_allclose(plain.values * plain.largest * 1e7, kspace_of(images))


def test_the_norm_changes_the_intensity_and_not_the_values(images):
    ortho = to_plain(kspace_of(images), storage(), "kspace")
    backward = to_plain(np.fft.fft2(images), storage(norm="backward"), "kspace")
    np.testing.assert_allclose(ortho.values, backward.values)
    assert ortho.largest == pytest.approx(backward.largest)


def test_scales_beyond_single_precision_are_converted(images):
    plain = to_plain(kspace_of(images) * 1e60, storage(), "kspace")
    assert np.isfinite(plain.values.astype(np.complex64)).all()
    with pytest.raises(InputError, match=r"kspace: .* beyond single precision"):
        find_scale(plain.values, plain, "kspace", None, "scale")


def test_zeros_alone_are_refused(images):
    with pytest.raises(InputError, match="scan: found nothing but zeros"):
        to_plain(images * 0, storage(), "scan")


@pytest.mark.parametrize("convention", ["centred", "shifted", "plain"])
def test_a_mask_follows_its_kspace(convention, random):
    lines = random.random(11) < 0.5
    rows, samples = lines[:, None], random.random((3, 11, 8)) < 0.5
    for mask, axes in ((lines, 0), (rows, (0, 1)), (samples, (1, 2))):
        expected = mask if convention == "plain" else np.fft.ifftshift(mask, axes)
        found = plain_mask(mask.astype(np.uint8), storage(convention), "mask")
        assert found.dtype == bool
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.full(4, 0.5), "only 0 and 1"),
        (np.array(["a"]), "only 0 and 1"),
        (np.full(4, np.nan), "only 0 and 1"),
        (np.zeros(4), "marks nothing"),
        (np.array(1), "one number"),
    ],
)
def test_what_is_no_mask_is_refused(mask, message):
    with pytest.raises(InputError, match=f"file: .*{message}"):
        plain_mask(mask, storage(), "file")


def test_each_frame_gets_a_mask_of_lines_or_of_samples(random):
    lines = random.random(12) < 0.5
    present = np.ones((1, 12, 1), bool)
    samples = random.random((3, 12, 10)) < 0.5
    for mask, expected in (
        (lines, np.stack([lines[:, None]] * 3)),
        (lines[:, None], np.stack([lines[:, None]] * 3)),
        (samples, samples),
        (samples[0], np.stack([samples[0]] * 3)),
    ):
        found = frame_masks(mask, (3, 12, 10), present, "rows", "mask")
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((7,), "masks of 7 lines"),
        ((2, 12, 1), "2 masks for 3"),
        ((10, 12), "transpose"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(shape, message):
    present = np.ones((1, 12, 1), bool)
    with pytest.raises(InputError, match=f"mask: .*{message}"):
        frame_masks(np.ones(shape, bool), (3, 12, 10), present, "rows", "mask")


def test_the_scale_is_the_largest_magnitude_of_the_images(images):
    plain = to_plain(kspace_of(images) * 1e4, storage(), "kspace")
    found = find_scale(plain.values, plain, "kspace", None, "scale")
    assert found.scale == pytest.approx(np.abs(images).max() * 1e4)
    np.testing.assert_allclose(found.images * plain.largest, images * 1e4)
    assert not found.warnings


def test_lines_that_are_missing_lower_the_scale(images):
    plain = to_plain(kspace_of(images), storage(), "kspace")
    measured = plain.values * (np.arange(12) < 1)[:, None]
    found = find_scale(measured, plain, "kspace", None, "scale")
    zero_filled = np.fft.ifft2(measured * plain.largest, norm="ortho")
    assert found.scale == pytest.approx(np.abs(zero_filled).max())


@pytest.mark.parametrize("declared", [None, 0.0])
def test_no_scale_and_zero_mean_the_largest(declared, images):
    plain = to_plain(kspace_of(images), storage(), "kspace")
    found = find_scale(plain.values, plain, "kspace", declared, "scale")
    assert found.scale == pytest.approx(np.abs(images).max())


def test_a_declared_scale_is_used_and_an_odd_one_gives_a_warning(images):
    plain = to_plain(kspace_of(images), storage(), "kspace")
    assert not find_scale(plain.values, plain, "kspace", 5.0, "--scale").warnings
    found = find_scale(plain.values, plain, "kspace", 5e4, "--scale")
    assert found.scale == 5e4
    [warning] = found.warnings
    assert warning.startswith("--scale=50000, ")
