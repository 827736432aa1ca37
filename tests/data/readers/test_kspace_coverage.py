"""The part of k-space that a scan covers: ellipses, padding, partial Fourier."""

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_coverage import find_coverage
from emrnas_jax.data.readers.kspace_scan import read_kspace
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.mri.coils import birdcage_maps

HOW = Reading("complex", "columns")


def ellipse(rows, columns, radius=1.0, offset=0.5):
    y, x = (
        (np.arange(size) - size // 2 + offset) / (size / 2) for size in (rows, columns)
    )
    return np.hypot(y[:, None], x) <= radius


@pytest.mark.parametrize("size", [(48, 40), (160, 96), (57, 64)])
@pytest.mark.parametrize("radius", [0.98, 1.01, 1.1])
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_empty_corners_are_an_ellipse_and_masks_are_none(size, radius, offset, random):
    inside = ellipse(size[0], size[1], radius, offset)
    present = np.fft.ifftshift(inside)[None]
    found = find_coverage(None, present)
    np.testing.assert_array_equal(found.acquired, present)
    assert found.words.startswith("elliptical coverage")
    assert f"({1 - inside.mean():.0%})" in found.words
    # Samples that are left out inside are missing, however few they are.
    for part in (0.3, 0.95):
        some = present & (random.random(inside.shape) < part)
        assert find_coverage(None, some).acquired is None
    # In every frame others: all together have no holes.
    each = present & (random.random((8, *inside.shape)) < 0.7)
    assert find_coverage(None, each).acquired is None


def test_a_rectangle_or_a_diamond_is_no_ellipse():
    y, x = np.mgrid[-1:1:48j, -1:1:40j]
    for inside in (
        (abs(y) < 0.8) & (abs(x) < 0.9),
        abs(y) + abs(x) < 1,
        (abs(y) < 0.3) | (abs(x) < 0.3),
        np.ones((48, 40), bool),
    ):
        assert find_coverage(None, np.fft.ifftshift(inside)[None]).acquired is None


@pytest.mark.parametrize("coils", [1, 4])
def test_a_complete_ellipse_is_complete(coils, scanner, tmp_path, write):
    images = scanner.object(48, 40)
    if coils > 1:
        images = images[:, None] * np.asarray(birdcage_maps(coils, (48, 40)))
    inside = ellipse(48, 40)
    path = write.hdf5(tmp_path, kspace=scanner.centred(images) * inside)
    scan = read_kspace(path, HOW)
    assert (scan.images is None) == (coils > 1)
    assert (scan.target is None) == (coils == 1)
    assert scan.mask is None
    assert scan.acquired is not None
    np.testing.assert_array_equal(scan.acquired, [np.fft.ifftshift(inside)] * 2)
    assert "complete, elliptical coverage" in scan.stored_as
    assert not scan.warnings


def test_a_mask_that_is_an_ellipse_says_that_the_corners_are_missing(
    scanner, tmp_path, write
):
    inside = ellipse(48, 40)
    kspace = scanner.centred(scanner.object(48, 40)) * inside
    scan = read_kspace(write.hdf5(tmp_path, kspace=kspace, mask=inside), HOW)
    assert scan.kspace is not None
    np.testing.assert_array_equal(scan.mask, [np.fft.ifftshift(inside)] * 2)
