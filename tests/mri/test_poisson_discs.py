"""Laws of masks of points: totals, centre, distances, density and symmetry."""

import jax
import numpy as np
import pytest
from scipy.spatial import KDTree

from emrnas_jax.errors import InputError
from emrnas_jax.mri.poisson_discs import MASKS, poisson_masks
from emrnas_jax.mri.sampling import Sampling, draw_mask

SHAPE = (36, 29)
SAMPLING = Sampling("poisson", rate=0.2, center_fraction=0.2)


def from_middle(shape):
    rows, columns = ((np.arange(n) - n // 2) / (n / 2) for n in shape)
    return np.hypot(rows[:, None], columns)


@pytest.mark.parametrize(("rate", "centre"), [(0.1, 0.1), (0.2, 0.2), (0.5, 0.0)])
def test_every_mask_has_the_rate_to_a_point_and_its_centre(rate, centre):
    masks = poisson_masks(SHAPE, rate, centre)
    assert masks.shape == (MASKS, *SHAPE)
    assert set(masks.sum((1, 2))) == {round(rate * SHAPE[0] * SHAPE[1])}
    assert masks[:, from_middle(SHAPE) <= centre].all()
    assert masks[:, SHAPE[0] // 2, SHAPE[1] // 2].all()
    assert len({mask.tobytes() for mask in masks}) == MASKS


def test_points_keep_a_distance_that_as_many_random_ones_do_not():
    """The mean distance to the nearest point, against the same number drawn evenly."""

    def nearest(mask):
        points = np.argwhere(mask)
        return KDTree(points).query(points, 2)[0][:, 1].mean()

    random = np.random.default_rng(0)
    masks = poisson_masks((60, 60), 0.1, 0.0)
    evenly = [random.permutation(mask.ravel()).reshape(60, 60) for mask in masks[:8]]
    assert min(map(nearest, masks[:8])) > 1.3 * max(map(nearest, evenly))


def test_there_are_fewer_points_at_high_frequencies():
    masks, distance = poisson_masks((60, 60), 0.2, 0.1), from_middle((60, 60))
    inner, outer = (
        masks[:, (low <= distance) & (distance < low + 0.3)].mean()
        for low in (0.2, 1.0)
    )
    assert 1.15 < inner / outer < 2  # 1.4 on a fine grid: the distance squared


def test_drawn_masks_are_those_of_the_list_mirrored_about_the_zero_frequency():
    keys = jax.random.split(jax.random.key(0), 64)
    drawn = jax.vmap(lambda key: draw_mask(SAMPLING, key, SHAPE))(keys)
    drawn = np.asarray(drawn)
    assert drawn.shape == (64, *SHAPE)
    assert drawn[:, 0, 0].all()
    # Index -k, for each axis alone.
    rows, columns = (-np.arange(n) % n for n in SHAPE)
    listed = np.fft.ifftshift(poisson_masks(SHAPE, 0.2, 0.2), axes=(1, 2))
    known = [listed, listed[:, rows], listed[:, :, columns]]
    known.append(listed[:, rows][:, :, columns])
    kinds = [{mask.tobytes() for mask in kind} for kind in known]
    found = [mask.tobytes() for mask in drawn]
    assert all(any(mask in kind for kind in kinds) for mask in found)
    assert all(any(mask in kind for mask in found) for kind in kinds)


def test_one_of_several_rates_is_drawn():
    sampling = Sampling("poisson", 0.3, 0.1, others=((0.1, 0.1),))
    keys = jax.random.split(jax.random.key(1), 20)
    drawn = jax.vmap(lambda key: draw_mask(sampling, key, SHAPE))(keys)
    size = SHAPE[0] * SHAPE[1]
    totals = {round(0.3 * size), round(0.1 * size)}
    assert set(np.asarray(drawn).sum((1, 2)).tolist()) == totals


def test_a_centre_with_more_points_than_the_rate_is_refused():
    with pytest.raises(InputError, match=r"0\.8 of 36 x 29 points .* rate 0\.1; lower"):
        poisson_masks(SHAPE, 0.1, 0.8)
    with pytest.raises(InputError, match=r"both sides in \[0, 1\], found 1\.5"):
        Sampling("poisson", 0.2, 1.5)
