"""Batches: the same from the device and from a stream, in order and masks."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import (
    Chunk,
    Resident,
    epoch_order,
    fixed_mask_key,
    frames_of_step,
    make_batch,
    training_mask_key,
)
from emrnas_jax.data.same_size import SameSize
from emrnas_jax.data.split import Split
from emrnas_jax.errors import InputError
from emrnas_jax.mri.fourier import fft2, to_complex
from emrnas_jax.mri.sampling import Sampling

BATCH, FRAMES, CALL = 2, 7, 3  # three whole batches per epoch, one frame left out
SAMPLING = Sampling(rate=0.3)


def open_phantoms(folder, kind):
    """Phantoms of 16 x 16, as grey levels, as averages, or with a phase."""
    size = 32 if kind == "float32" else 16
    return open_dataset(
        DataSettings(
            path="phantom",
            images="complex" if kind == "complex" else "magnitude",
            cache=str(folder),
            height=size,
            width=size,
            downsample=size // 16,
            phantom={"subjects": 2, "slices": 1, "frames": 5, "size": size},
        )
    )


@pytest.fixture(scope="module", params=["uint8", "float32", "complex"])
def image_set(request, tmp_path_factory):
    return open_phantoms(tmp_path_factory.mktemp("cache"), request.param)


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    return open_phantoms(tmp_path_factory.mktemp("cache"), "uint8")


def split_of(image_set, device_mib, seed=0):
    indices = np.array([1, 2, 3, 5, 6, 8, 9])
    return Split(image_set, indices, BATCH, jax.random.key(seed), CALL, device_mib)


@jax.jit
def batch_of(frames, step):
    images, ids, epoch = frames_of_step(frames, step, BATCH)
    return ids, make_batch(images, ids, training_mask_key(0, epoch), SAMPLING)


def batches(split, calls):
    """All batches of calls of (first step, count), by step."""
    found = {}
    for first, count in calls:
        frames = split.frames(first, count)
        for step in range(first, first + count):
            found[step] = batch_of(frames, jnp.array(step))
    return found


def assert_identical(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


# Two epochs and a half, a call never crossing the end of an epoch, some calls short.
CALLS = [(0, 3), (3, 2), (5, 1), (6, 2)]


def test_a_stream_gives_the_batches_and_masks_of_the_device(image_set):
    resident, streamed = split_of(image_set, 1.0), split_of(image_set, 0.0)
    assert isinstance(resident.frames(0, 3), Resident)
    chunk = streamed.frames(0, 3)
    assert isinstance(chunk, Chunk)
    assert chunk.images.dtype == image_set.images([0]).dtype
    assert_identical(batches(streamed, CALLS), batches(resident, CALLS))


def test_calls_may_cross_the_end_of_an_epoch(image_set):
    resident, streamed = split_of(image_set, 1.0), split_of(image_set, 0.0)
    calls = [(0, 2), (2, 3), (5, 3)]
    assert_identical(batches(streamed, calls), batches(resident, calls))


def test_a_stream_continues_in_the_middle(image_set):
    whole = batches(split_of(image_set, 0.0), CALLS)
    continued = split_of(image_set, 0.0)
    assert_identical(batches(continued, [(4, 2)]), {s: whole[s] for s in (4, 5)})
    # Back to an earlier step, as when a run falls back to a checkpoint.
    assert_identical(batches(continued, [(1, 2)]), {s: whole[s] for s in (1, 2)})


def test_a_stream_is_read_ahead_over_the_end_of_an_epoch_and_not_without_end(
    grey, monkeypatch
):
    read, calls_ahead = [], threading.Event()
    read_step = SameSize._read_step

    def counted(split, step):
        read.append(step)
        if len(read) >= 3 * CALL:
            calls_ahead.set()
        return read_step(split, step)

    monkeypatch.setattr(SameSize, "_read_step", counted)
    split = split_of(grey, 0.0)
    split.frames(0, CALL)
    assert calls_ahead.wait(30)  # two calls and two epochs further than was asked for
    assert sorted(read) == list(range(3 * CALL))
    split.frames(CALL, CALL)
    assert max(read) < 4 * CALL


def test_every_chunk_has_one_shape(image_set):
    split = split_of(image_set, 0.0)
    shapes = [jax.tree.map(jnp.shape, split.frames(*call)) for call in CALLS]
    assert shapes == [shapes[0]] * len(CALLS)


def test_a_batch_is_the_named_frames_under_sampled(image_set):
    split = split_of(image_set, 1.0)
    ids, batch = batches(split, [(0, 1)])[0]
    order = [image_set.frame_ids.tolist().index(i) for i in ids.tolist()]
    images = image_set.images(order)
    scale = 255 if images.dtype == np.uint8 else 1
    expected = np.asarray(images, np.float32) / scale
    if not image_set.complex_valued:
        expected = np.stack([expected, np.zeros_like(expected)], -1)
    np.testing.assert_allclose(batch.target, expected, atol=1e-6)
    full = fft2(to_complex(batch.target))
    kspace, mask, coil_maps = batch.measurement
    assert coil_maps is None
    np.testing.assert_allclose(kspace, np.where(mask, full, 0), atol=1e-4)
    np.testing.assert_allclose(fft2(to_complex(batch.zero_filled)), kspace, atol=1e-4)
    assert mask.shape == (BATCH, 16, 1)
    lines = np.asarray(mask).sum((1, 2))
    assert ((lines == 4) | (lines == 5)).all()  # 30 % of 16 is 4.8


def test_an_epoch_visits_frames_once_and_each_epoch_in_another_order():
    key = jax.random.key(3)
    orders = np.array([epoch_order(key, epoch, 50) for epoch in range(4)])
    np.testing.assert_array_equal(np.sort(orders), [np.arange(50)] * 4)
    assert len(np.unique(orders, axis=0)) == 4
    np.testing.assert_array_equal(epoch_order(key, jnp.array(2), 50), orders[2])


def masks_of(grey, steps):
    """The mask of every frame, by epoch."""
    split = split_of(grey, 1.0)
    found = {}
    for step, (ids, batch) in batches(split, [(s, 1) for s in range(steps)]).items():
        masks = np.asarray(batch.measurement.mask)
        for frame, mask in zip(ids.tolist(), masks, strict=True):
            found[step // 3, frame] = mask.tobytes()
    return found


def test_training_masks_are_new_each_epoch_and_for_each_frame(grey):
    masks = masks_of(grey, 12)
    assert len(masks) == 24
    # 16 lines have few masks, so some agree by chance.
    again = [masks[e, f] == masks.get((e + 1, f)) for e, f in masks]
    assert sum(again) <= 3
    for epoch in range(4):
        assert len({masks[e, f] for e, f in masks if e == epoch}) >= 4
    assert masks_of(grey, 12) == masks


def test_fixed_masks_depend_on_seed_and_frame_alone(grey):
    @jax.jit
    def masks(images, ids, seed_key):
        return make_batch(images, ids, seed_key, SAMPLING).measurement.mask

    def drawn(order, seed):
        images, ids = grey.images(order), grey.frame_ids[order]
        return np.asarray(
            masks(jnp.asarray(images), jnp.asarray(ids), fixed_mask_key(seed))
        )

    first = drawn([0, 1, 2, 3], 0)
    np.testing.assert_array_equal(drawn([3, 1, 0, 2], 0), first[[3, 1, 0, 2]])
    assert not np.array_equal(drawn([0, 1, 2, 3], 1), first)
    assert len({mask.tobytes() for mask in first}) > 1


def test_keys_of_training_and_test_masks_differ():
    keys = [training_mask_key(0, 0), training_mask_key(0, 1), fixed_mask_key(0)]
    data = [tuple(jax.random.key_data(key).tolist()) for key in keys]
    assert len(set(data)) == 3


def test_other_seeds_give_other_orders(grey):
    one, other = (batches(split_of(grey, 1.0, seed), [(0, 3)]) for seed in (0, 1))
    assert any(one[s][0].tolist() != other[s][0].tolist() for s in range(3))


def test_steps_per_epoch_are_whole_batches(grey):
    assert split_of(grey, 1.0).steps_per_epoch == FRAMES // BATCH


@pytest.mark.parametrize("device_mib", [0.0, 1.0])
def test_a_split_smaller_than_the_batch_is_refused(grey, device_mib):
    with pytest.raises(InputError, match=r"a batch of 3 frames.*split of 2"):
        Split(grey, np.arange(2), 3, jax.random.key(0), CALL, device_mib)
    with pytest.raises(InputError, match="split of 0"):
        Split(grey, np.arange(0), 3, jax.random.key(0), CALL, device_mib)
