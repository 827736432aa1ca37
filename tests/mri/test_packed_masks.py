"""Masks as a static argument: equal by value, packed and unpacked without loss."""

import jax
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.mri.packed_masks import PackedMasks
from emrnas_jax.mri.sampling import Sampling, draw_mask

MASKS = np.random.default_rng(0).random((5, 12)) < 0.4


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 8), (7, 13), (2, 5, 3)])
def test_unpacking_returns_what_was_packed(shape):
    masks = np.random.default_rng(1).random(shape) < 0.5
    found = PackedMasks.pack(masks).unpack()
    assert found.dtype == bool
    np.testing.assert_array_equal(found, masks)


def test_equal_masks_are_one_static_value_wherever_they_come_from():
    one, other = (
        PackedMasks.pack(MASKS, "a.npz"),
        PackedMasks.pack(MASKS.copy(), "b.npz"),
    )
    assert one == other
    assert hash(one) == hash(other)
    assert len({Sampling("file", masks=one), Sampling("file", masks=other)}) == 1


def test_masks_of_the_same_bits_and_another_shape_differ():
    turned = PackedMasks.pack(MASKS.reshape(6, 10))
    assert turned.packed == PackedMasks.pack(MASKS).packed
    assert turned != PackedMasks.pack(MASKS)
    assert PackedMasks.pack(~MASKS) != PackedMasks.pack(MASKS)


def test_printing_masks_does_not_print_their_bits():
    assert "packed" not in repr(PackedMasks.pack(MASKS, "masks.npz"))


def test_a_compiled_step_is_compiled_once_for_equal_masks():
    traced = []

    def step(sampling, key):
        traced.append(sampling)
        return draw_mask(sampling, key, (12, 4))

    compiled = jax.jit(step, static_argnums=0)
    for masks in (MASKS, MASKS.copy()):
        sampling = Sampling("file", masks=PackedMasks.pack(masks))
        mask = compiled(sampling, jax.random.key(0))
        line = np.fft.fftshift(np.asarray(mask)[:, 0])
        assert tuple(line) in {tuple(one) for one in MASKS}
    assert len(traced) == 1


def test_every_mask_is_drawn_and_no_other():
    sampling = Sampling("file", masks=PackedMasks.pack(MASKS))
    keys = jax.random.split(jax.random.key(0), 100)
    drawn = jax.vmap(lambda key: draw_mask(sampling, key, (12, 4)))(keys)
    lines = np.fft.fftshift(np.asarray(drawn)[:, :, 0], axes=1)
    assert {tuple(line) for line in lines} == {tuple(line) for line in MASKS}


def test_masks_of_another_number_of_lines_are_refused_with_their_file():
    sampling = Sampling("file", masks=PackedMasks.pack(MASKS, "masks.npz: masks"))
    with pytest.raises(InputError, match=r"masks\.npz: masks: .*12 lines.*16.*'rows'"):
        draw_mask(sampling, jax.random.key(0), (16, 12))


def test_masks_of_points_are_drawn_as_they_are():
    points = np.random.default_rng(2).random((3, 6, 5)) < 0.4
    sampling = Sampling("file", masks=PackedMasks.pack(points, "points.npz"))
    keys = jax.random.split(jax.random.key(0), 40)
    drawn = jax.vmap(lambda key: draw_mask(sampling, key, (6, 5)))(keys)
    found = np.fft.fftshift(np.asarray(drawn), axes=(1, 2))
    assert {one.tobytes() for one in found} == {one.tobytes() for one in points}
    with pytest.raises(InputError, match=r"points\.npz: .* 6 x 5 points.* 5 x 6 pix"):
        draw_mask(sampling, jax.random.key(0), (5, 6))
