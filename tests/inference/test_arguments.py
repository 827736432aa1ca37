"""Arguments of `reconstruct_kspace`, checked and converted without a network."""

from typing import Any

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.inference.arguments import check_arguments

LINES = np.isin(np.arange(12), (0, 1, 2, 5, 11))


@pytest.fixture
def kspace(random):
    """Plain k-space of three complex images of 12 x 10."""
    parts = random.random((2, 3, 12, 10))
    return np.fft.fft2(parts[0] + 0.1j * parts[1], norm="ortho")


def check(kspace, mask: Any = LINES, scale=None, convention=None, norm=None):
    return check_arguments(kspace, mask, scale, convention, norm, "rows")


def test_what_is_outside_the_mask_does_not_count(kspace):
    found = check(kspace)
    assert not found.kspace[:, ~LINES].any()
    expected = np.where(LINES[:, None], kspace, 0)
    np.testing.assert_allclose(found.kspace * found.scale, expected, atol=1e-5)
    np.testing.assert_array_equal(found.masks, [LINES[:, None]] * 3)
    assert found.kspace.dtype == np.complex64


def test_the_zero_filled_images_reach_one(kspace):
    for factor in (1.0, 1e-6, 1e6):
        found = check(kspace * factor)
        images = np.abs(np.fft.ifft2(found.kspace, norm="ortho"))
        assert images.max() == pytest.approx(1, rel=1e-5)


def test_leading_axes_are_frames(kspace):
    one, stack = check(kspace[0]), check(kspace[None, :, None])
    assert one.kspace.shape == (1, 12, 10)
    assert stack.kspace.shape == (3, 12, 10)
    np.testing.assert_array_equal(stack.kspace, check(kspace).kspace)
    masks = np.broadcast_to(LINES[:, None], (1, 3, 1, 12, 1))
    np.testing.assert_array_equal(check(kspace, masks).kspace, stack.kspace)


def test_no_mask_means_the_samples_that_are_not_zero(kspace):
    measured = kspace * LINES[:, None]
    np.testing.assert_array_equal(check(measured, None).masks, check(kspace).masks)
    with pytest.raises(InputError, match="no sample of kspace is zero"):
        check(kspace, None)


def test_a_frame_of_zeros_stays_among_the_others(kspace):
    kspace[1] = 0
    found = check(kspace)
    assert found.kspace.shape == (3, 12, 10)
    assert not found.kspace[1].any()


def test_the_norm_changes_the_scale_alone(kspace):
    ortho = check(kspace)
    backward = check(kspace * np.sqrt(120), norm="backward")
    np.testing.assert_allclose(backward.kspace, ortho.kspace, atol=1e-6)
    assert backward.scale == pytest.approx(ortho.scale)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_no_positive_number_is_refused(scale, kspace):
    assert check(kspace, scale=2.0).scale == 2
    with pytest.raises(InputError, match="scale: "):
        check(kspace, scale=scale)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"convention": "left"}, "convention: found 'left'; use one of centred"),
        ({"norm": "forward"}, "norm: found 'forward'; use one of ortho, backward"),
        ({"mask": LINES & False}, "mask: marks nothing"),
        ({"mask": LINES[:5]}, "mask: masks of 5 lines"),
        ({"mask": ~LINES}, "mask, mask 0: the zero frequency is not measured"),
    ],
)
def test_an_argument_that_cannot_be_used_is_named(changes, message, kspace):
    with pytest.raises(InputError, match=message):
        check(kspace, **changes)


def test_zeros_on_the_mask_alone_are_refused(kspace):
    kspace[:, LINES] = 0
    with pytest.raises(InputError, match="only zeros where the mask is True"):
        check(kspace)
