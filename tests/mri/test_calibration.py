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


def block_of(shape, rows, columns):
    """The frequencies -rows .. rows - 1 and -columns .. columns - 1."""
    row, column = (np.fft.fftfreq(size, 1 / size).round() for size in shape)
    inside = (row >= -rows) & (row < rows), (column >= -columns) & (column < columns)
    return inside[0][:, None] & inside[1]


@pytest.mark.parametrize("kind", ["rows", "columns", "full"])
def test_the_calibration_mask_is_the_largest_symmetric_block(kind):
    """Against all squares and all blocks of whole lines, one after the other."""
    shape, random = (7, 6), np.random.default_rng(0)
    drawn = {"rows": (60, 7, 1), "columns": (60, 1, 6), "full": (60, 7, 6)}[kind]
    masks = random.random(drawn) < random.random((60, 1, 1)) ** 0.2
    found = np.asarray(calibration_mask(jnp.asarray(masks)))
    assert found.shape == masks.shape
    sizes = []
    for mask, own in zip(masks, found, strict=True):
        full = np.broadcast_to(mask, shape)
        blocks = [block_of(shape, n, n) for n in range(1, 8)]
        blocks += [block_of(shape, n, 9) for n in range(1, 8)]
        blocks += [block_of(shape, 9, n) for n in range(1, 8)]
        measured = [block.sum() for block in blocks if full[block].all()]
        kept = np.broadcast_to(own, shape)
        assert full[kept].all()
        if measured:
            assert kept.sum() == max(measured)
            assert any((kept == block).all() for block in blocks)
        else:
            np.testing.assert_array_equal(np.argwhere(own), np.argwhere(own[:1, :1]))
            assert own[0, 0] == mask[0, 0]
        sizes.append(kept.sum())
    assert len(set(sizes)) > 3


def test_the_calibration_mask_of_lines_is_that_of_their_full_form():
    lines = np.random.default_rng(1).random((20, 9, 1)) < 0.8
    full = np.broadcast_to(lines, (20, 9, 6))
    expected = np.broadcast_to(calibration_mask(jnp.asarray(lines)), full.shape)
    found = np.asarray(calibration_mask(jnp.asarray(full)))
    # Where no line but that of the zero frequency is kept, only this sample is.
    several = expected.sum((1, 2)) > 6
    np.testing.assert_array_equal(found[several], expected[several])
    assert several.sum() > 5
