"""A strip is the same task as the frame, cut to it; flips are drawn with it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.pipeline import make_batch
from emrnas_jax.data.strips import Augmentation, augment, augmentation_key
from emrnas_jax.errors import InputError
from emrnas_jax.mri.consistency import CONSISTENCY
from emrnas_jax.mri.fourier import fft2
from emrnas_jax.mri.measurement import (
    Measurement,
    replace_measured,
    undersample,
    zero_filled,
)
from emrnas_jax.mri.sampling import Sampling

FRAMES, HEIGHT, WIDTH, STRIP = 6, 32, 32, 8
IDS = jnp.arange(FRAMES, dtype=jnp.uint32)
KEY = augmentation_key(0, "training", 3)
sides = pytest.mark.parametrize("side", ["rows", "columns"])


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).uniform(size=shape)
    return jnp.asarray(numbers, jnp.float32)


def complex_of(seed, *shape):
    return jax.lax.complex(draw(seed, *shape), draw(seed + 50, *shape))


def cut(array, side, start=5):
    """Cut the same strip from every frame, along the readout."""
    axis = array.ndim - (1 if side == "rows" else 2)
    return jax.lax.slice_in_dim(array, start, start + STRIP, axis=axis)


def cut_channels(image, side):
    return jnp.moveaxis(cut(jnp.moveaxis(image, -1, 1), side), 1, -1)


@sides
def test_a_strip_is_measured_as_the_frame_is(side):
    images = draw(0, FRAMES, HEIGHT, WIDTH)
    sampling, key = Sampling(rate=0.3, phase_encode=side), jax.random.key(1)
    whole = make_batch(images, IDS, key, sampling)
    strip = make_batch(cut(images, side), IDS, key, sampling)
    np.testing.assert_array_equal(strip.measurement.mask, whole.measurement.mask)
    for one, other in (
        (strip.zero_filled, whole.zero_filled),
        (strip.target, whole.target),
    ):
        np.testing.assert_allclose(one, cut_channels(other, side), atol=1e-6)


@sides
@pytest.mark.parametrize("consistency", list(CONSISTENCY))
def test_data_consistency_of_a_strip_is_that_of_the_frame(side, consistency):
    images = draw(0, FRAMES, HEIGHT, WIDTH)
    sampling, key = Sampling(rate=0.3, phase_encode=side), jax.random.key(1)
    whole = make_batch(images, IDS, key, sampling)
    strip = make_batch(cut(images, side), IDS, key, sampling)
    guess = draw(2, FRAMES, HEIGHT, WIDTH, 2)
    function = CONSISTENCY[consistency]
    expected = cut_channels(function(guess, whole.measurement), side)
    found = function(cut_channels(guess, side), strip.measurement)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@sides
def test_a_strip_of_coils_is_measured_and_replaced_as_the_frame_is(side):
    coils = complex_of(3, FRAMES, 4, HEIGHT, WIDTH)
    maps = coils / jnp.sqrt((jnp.abs(coils) ** 2).sum(1, keepdims=True))
    image = complex_of(0, FRAMES, HEIGHT, WIDTH)
    lines = jnp.asarray(np.random.default_rng(5).uniform(size=(FRAMES, 32)) < 0.4)
    mask = lines[:, :, None] if side == "rows" else lines[:, None, :]
    whole = undersample(image, mask, maps)
    strip = undersample(cut(image, side), mask, cut(maps, side))
    np.testing.assert_allclose(
        zero_filled(strip), cut_channels(zero_filled(whole), side), atol=1e-5
    )
    found = replace_measured(cut(image.conj(), side), strip)
    expected = cut(replace_measured(image.conj(), whole), side)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_mask_of_points_does_not_decouple():
    """The law needs whole lines: with other masks a strip is another task."""
    image = draw(0, 1, HEIGHT, WIDTH).astype(jnp.complex64)
    mask = jnp.asarray(np.random.default_rng(5).uniform(size=(1, HEIGHT, WIDTH)) < 0.4)
    whole = undersample(image, mask)
    strip = Measurement(fft2(cut(image, "rows")), cut(mask, "rows"))
    error = zero_filled(strip) - cut_channels(zero_filled(whole), "rows")
    assert jnp.abs(error).max() > 0.01


@sides
def test_strips_are_of_all_places_and_mirrored_in_four_ways(side):
    rows, columns = jnp.meshgrid(jnp.arange(HEIGHT), jnp.arange(WIDTH), indexing="ij")
    images = jnp.broadcast_to(100 * rows + columns, (400, HEIGHT, WIDTH))
    ids = jnp.arange(400, dtype=jnp.uint32)
    found = np.asarray(augment(images, ids, KEY, Augmentation(STRIP, True), side))
    along = found if side == "rows" else found.swapaxes(1, 2)
    assert along.shape == (400, 32, STRIP)
    step, other = (1, 100) if side == "rows" else (100, 1)
    ways = {
        (int(strip[0, 1] - strip[0, 0]), int(strip[1, 0] - strip[0, 0]))
        for strip in along
    }
    assert ways == {(a * step, b * other) for a in (-1, 1) for b in (-1, 1)}
    starts = {int(strip.min()) // step % 100 for strip in along}
    assert starts == set(range(32 - STRIP + 1))
    # A strip has every line of the phase encoding, each once.
    lines = along[:, :, 0] // other % 100
    np.testing.assert_array_equal(np.sort(lines, 1), np.tile(np.arange(32), (400, 1)))


@pytest.mark.parametrize("parts", [(), (2,)])
def test_a_frame_has_its_strip_in_whichever_batch_it_is(parts):
    images = draw(0, FRAMES, HEIGHT, WIDTH, *parts)
    run = jax.jit(
        partial(augment, augmentation=Augmentation(STRIP, True), phase_encode="rows")
    )
    together = run(images, IDS, KEY)
    order = jnp.array([4, 1])
    np.testing.assert_array_equal(run(images[order], IDS[order], KEY), together[order])
    other = run(images, IDS, augmentation_key(0, "training", 4))
    assert jnp.abs(other - together).max() > 0


def test_without_augmentation_frames_stay_as_they_are():
    images = draw(0, FRAMES, HEIGHT, WIDTH)
    assert augment(images, IDS, KEY, Augmentation(), "rows") is images


def test_a_strip_wider_than_the_frames_is_refused():
    images = draw(0, FRAMES, HEIGHT, WIDTH)
    with pytest.raises(InputError, match=r"strip of 33 pixels is wider .* 32 along"):
        augment(images, IDS, KEY, Augmentation(33), "rows")
