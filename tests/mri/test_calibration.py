"""The fully measured block of masks of samples and of lines."""

import numpy as np
import pytest

from emrnas_jax.mri.calibration import calibration_region


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
