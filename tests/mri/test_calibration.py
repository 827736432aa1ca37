"""The fully measured block of masks of samples and of lines."""

import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.mri.calibration import calibration_mask, calibration_region


@pytest.mark.parametrize(
    ("rows", "columns"),
    [((0, 16), (4, 9)), ((6, 11), (0, 12)), ((8, 9), (6, 7)), ((3, 14), (6, 12))],
)
def test_the_region_is_the_measured_block_around_the_middle(rows, columns):
    mask = np.zeros((16, 12), bool)
    mask[slice(*rows), slice(*columns)] = True
    mask[0, 0] = mask[2, 3] = True
    found = calibration_region(np.fft.ifftshift(mask), (16, 12))
    assert found == (slice(*rows), slice(*columns))


def test_masks_of_lines_have_a_region_over_the_whole_readout():
    lines = np.zeros((16, 1), bool)
    lines[[2, 7, 8, 9, 14]] = True
    found = calibration_region(np.fft.ifftshift(lines), (16, 12))
    assert found == (slice(7, 10), slice(0, 12))


@pytest.mark.parametrize("kind", ["rows", "columns", "full"])
def test_the_calibration_mask_is_the_largest_symmetric_block(kind):
    """Against all blocks in turn, for masks with few and with many samples."""
    shape = {"rows": (9, 1), "columns": (1, 8), "full": (7, 6)}[kind]
    random = np.random.default_rng(0)
    masks = random.random((60, *shape)) < random.random((60, 1, 1)) ** 0.2
    found = np.asarray(calibration_mask(jnp.asarray(masks)))
    sizes = []
    for mask, own in zip(masks, found, strict=True):
        expected = np.zeros(shape, bool)
        expected[0, 0] = mask[0, 0]
        for n in range(1, max(shape) + 1):
            kept = [
                (np.arange(size) < n) | (np.arange(size) >= size - n) | (size == 1)
                for size in shape
            ]
            block = kept[0][:, None] & kept[1]
            if mask[block].all():
                expected = block
        np.testing.assert_array_equal(own, expected)
        sizes.append(own.sum())
    assert len(set(sizes)) > 3
