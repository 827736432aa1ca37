import jax
import numpy as np
import pytest

from emrnas_jax.data.readers.mask_checks import require_centre
from emrnas_jax.errors import InputError
from emrnas_jax.mri.sampling import Sampling, draw_mask

SAMPLINGS = {
    "cartesian": Sampling(rate=0.15),
    "random": Sampling("random", 0.25, 0.08),
    "equispaced": Sampling("equispaced", 0.25, 0.08),
    "eightfold": Sampling("equispaced", 0.125, 0.04),
}


@pytest.fixture(params=SAMPLINGS)
def masks(request):
    """A hundred masks of 256 lines, zero frequency first."""
    keys = jax.random.split(jax.random.key(0), 100)
    sampling = SAMPLINGS[request.param]
    drawn = jax.vmap(lambda key: draw_mask(sampling, key, (256, 1)))(keys)
    return np.array(drawn)


def test_masks_as_they_are_drawn_are_accepted(masks):
    for mask in masks:
        assert not require_centre(mask[None], "masks")
    assert not require_centre(masks.swapaxes(1, 2), "masks")


def test_published_masks_are_accepted(shared_data):
    with np.load(shared_data / "masks" / "cartesian15_first200.npz") as file:
        lines = np.fft.ifftshift(file["masks"] == 1, axes=1)
    assert not require_centre(lines[:, :, None], "masks")


def noticed(masks, message):
    """How many masks are refused or doubted one by one with this message."""
    count = 0
    for mask in masks:
        try:
            found = require_centre(mask[None], "masks")
        except InputError as error:
            found = [str(error)]
        count += any(message in text for text in found)
    return count


def test_inverted_masks_are_refused(masks):
    assert noticed(~masks, "store 1 - mask") == 100


def test_masks_in_the_other_order_are_noticed(masks):
    # By chance one may measure the zero frequency and what is around it.
    shifted = np.fft.fftshift(masks, axes=1)
    assert noticed(shifted, "np.fft.fftshift") >= 98
    with pytest.raises(InputError, match=r"np\.fft\.fftshift"):
        require_centre(shifted | (np.arange(256) == 0)[:, None], "masks")


def test_evenly_drawn_lines_are_accepted():
    random = np.random.default_rng(0)
    masks = random.random((400, 96, 1)) < 0.25
    masks[:, 0] = True
    assert not require_centre(masks, "masks")
    assert sum(bool(require_centre(mask[None], "m")) for mask in masks) <= 20


def test_the_mask_that_is_wrong_is_named(masks):
    masks[7] = ~masks[7]
    with pytest.raises(InputError, match=r"masks, mask 7: "):
        require_centre(masks, "masks")


def test_masks_of_samples_are_tested_around_their_corner():
    distance = np.hypot(*np.meshgrid(np.fft.fftfreq(64), np.fft.fftfreq(48)))
    random = np.random.default_rng(0).random((48, 64))
    mask = ((distance < 0.06) | (random < 0.1))[None]
    assert not require_centre(mask, "mask")
    with pytest.raises(InputError, match=r"store 1 - mask"):
        require_centre(~mask, "mask")
    with pytest.raises(InputError, match=r"np\.fft\.fftshift"):
        require_centre(np.fft.fftshift(mask), "mask")


def test_a_mask_without_the_zero_frequency_is_refused():
    mask = (np.arange(64) % 2 == 1)[None, :, None]
    with pytest.raises(InputError, match="the zero frequency is not measured"):
        require_centre(mask, "mask")
