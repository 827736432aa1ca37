"""Batches of a data set of several sizes: of one size each, a frame once an epoch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import Chunk, epoch_order, frame_specs, frames_of_step
from emrnas_jax.data.split import Split, steps_in_epoch
from emrnas_jax.errors import InputError
from emrnas_jax.machine.devices import DIVIDED, SHARED, mesh_for, on_every_device
from tests.fixtures.image_files import write_hdf5

BATCH, CALL = 2, 4
# Frames of each size: three, two and no batches, with a frame left over of each.
FRAMES = {(8, 6): 7, (6, 10): 5, (6, 6): 1}
ALL = np.arange(13)
STEPS = 5  # of an epoch
KEY = jax.random.key(3)
EPOCHS = 4


@pytest.fixture(scope="module")
def image_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    random = np.random.default_rng(0)
    # The sizes lie between each other in the order of the data set.
    for number, (size, count) in enumerate(FRAMES.items()):
        for part, frames in enumerate((count // 2, count - count // 2)):
            if frames:
                images = random.integers(0, 256, (frames, *size), np.uint8)
                write_hdf5(folder, f"part_{part}_{number}.h5", images=images)
    cache = str(tmp_path_factory.mktemp("cache"))
    return open_dataset(DataSettings(str(folder), cache=cache, height=0, width=0))


def split_of(image_set, device_mib=1.0, indices=None, batch=BATCH, mesh=None):
    indices = ALL if indices is None else indices
    return Split(image_set, indices, batch, KEY, CALL, device_mib, mesh)


@jax.jit
def served(frames, step):
    return frames_of_step(frames, step, BATCH)


def steps_of(split, first=0, last=EPOCHS * STEPS, most=CALL):
    """Images, numbers and epoch of each step, in calls as the loop makes them."""
    found = []
    while first < last:
        count = split.at_once(first, min(most, last - first))
        frames = split.frames(first, count)
        found += [served(frames, jnp.array(first + i)) for i in range(count)]
        first += count
    return found


def assert_identical(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_frame_comes_at_most_once_an_epoch_in_a_batch_of_its_size(image_set):
    split = split_of(image_set)
    assert split.steps_per_epoch == STEPS == steps_in_epoch(image_set, ALL, BATCH)
    assert list(split.of_size) == [(8, 6), (6, 10)]
    assert split.left_out == {(6, 6): 1}
    steps = steps_of(split)
    places = {number: i for i, number in enumerate(image_set.frame_ids.tolist())}
    for epoch in range(EPOCHS):
        own = steps[epoch * STEPS : (epoch + 1) * STEPS]
        numbers = [number for _, ids, _ in own for number in ids.tolist()]
        assert len(set(numbers)) == len(numbers) == BATCH * STEPS
        assert sorted(images.shape[1:] for images, _, _ in own) == (
            [(6, 10)] * 2 + [(8, 6)] * 3
        )
        for images, ids, found in own:
            assert found == epoch
            expected = image_set.images([places[number] for number in ids.tolist()])
            np.testing.assert_array_equal(images, expected)


def test_frames_of_a_size_are_left_over_in_turn(image_set):
    seen = {n for _, ids, _ in steps_of(split_of(image_set)) for n in ids.tolist()}
    assert len(seen) == 12  # all but the one of the size without a batch


def test_the_sizes_are_mixed_anew_in_every_epoch(image_set):
    split = split_of(image_set)
    order = [split.shape_of(step) for step in range(20 * STEPS)]
    epochs = {tuple(order[i : i + STEPS]) for i in range(0, len(order), STEPS)}
    assert len(epochs) >= 5  # of the ten orders that there are


def test_a_stream_gives_the_batches_of_the_device(image_set):
    streamed = split_of(image_set, 0.0)
    chunk = streamed.frames(0, 1)
    assert isinstance(chunk, Chunk)
    assert len(chunk.images) == 1
    assert_identical(steps_of(streamed), steps_of(split_of(image_set)))


@pytest.mark.parametrize("most", [1, 3])
def test_calls_may_be_shorter(image_set, most):
    expected = steps_of(split_of(image_set))
    assert_identical(steps_of(split_of(image_set), most=most), expected)


@pytest.mark.parametrize("device_mib", [0.0, 1.0])
@pytest.mark.parametrize("first", [1, 7, 15])
def test_a_split_continues_in_the_middle(image_set, device_mib, first):
    expected = steps_of(split_of(image_set))
    found = steps_of(split_of(image_set, device_mib), first)
    assert_identical(found, expected[first:])


def test_a_call_ends_where_the_size_changes(image_set):
    split = split_of(image_set)
    for step in range(EPOCHS * STEPS):
        count = split.at_once(step, CALL)
        shapes = [split.shape_of(step + i) for i in range(count)]
        assert len(set(shapes)) == 1
        end = step + count
        # No shorter than it has to be: another size, a new epoch, or long enough.
        assert count == CALL or end % STEPS == 0 or split.shape_of(end) != shapes[0]


def test_frames_of_one_size_have_the_order_of_the_key_itself(image_set):
    indices = np.flatnonzero(image_set.shape_numbers == 0)
    found = steps_of(split_of(image_set, indices=indices), last=6)
    ids = image_set.frame_ids[indices]
    for epoch in (0, 1):
        order = np.asarray(epoch_order(KEY, epoch, len(indices)))[: 3 * BATCH]
        own = [number for _, n, _ in found[3 * epoch : 3 * epoch + 3] for number in n]
        np.testing.assert_array_equal(np.array(own), ids[order])


@pytest.mark.parametrize("device_mib", [0.0, 1.0])
def test_the_parts_of_a_batch_are_the_batch_on_several_devices(image_set, device_mib):
    expected = steps_of(split_of(image_set), last=STEPS)
    mesh = mesh_for(BATCH, jax.devices()[:2])
    split = split_of(image_set, device_mib, mesh=mesh)
    for step in range(STEPS):
        frames = split.frames(step, 1)
        specs = frame_specs(frames), SHARED
        run = on_every_device(lambda *own: served(*own)[:2], mesh, specs, DIVIDED)
        assert_identical(jax.jit(run)(frames, jnp.array(step)), expected[step][:2])


def beside(train, validation, begin, most=CALL, last=EPOCHS * STEPS):
    found = []
    first = begin
    while first < last:
        count = validation.at_once_beside(train, first, min(most, last - first))
        frames = validation.frames_beside(train, begin, first, count)
        found += [served(frames, jnp.array(first + i)) for i in range(count)]
        first += count
    return found


def test_frames_beside_others_have_their_size_and_come_in_turn(image_set):
    train = split_of(image_set)
    validation = split_of(image_set, indices=np.flatnonzero(ALL % 4 != 0))
    found = beside(train, validation, begin=STEPS)
    done = dict.fromkeys(validation.of_size, 0)
    for step, (images, ids, epoch) in enumerate(found, STEPS):
        shape = train.shape_of(step)
        assert images.shape[1:] == shape
        own = validation.of_size[shape]
        expected = served(own.frames(done[shape], 1, 0), jnp.array(done[shape]))
        assert_identical((images, ids, epoch), expected)
        done[shape] += 1
    assert_identical(beside(train, validation, begin=STEPS, most=1), found)


@pytest.mark.parametrize("mib", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
def test_frames_beside_others_may_be_streamed(image_set, mib):
    # Of one size and of two: a call has as few steps as either can give.
    one, two = np.flatnonzero(image_set.shape_numbers == 0), ALL
    for indices in ((one, two), (two, one), (two, two)):
        resident = [split_of(image_set, indices=own) for own in indices]
        streamed = [
            split_of(image_set, own_mib, own)
            for own_mib, own in zip(mib, indices, strict=True)
        ]
        expected = beside(*resident, begin=0, last=12)
        assert_identical(beside(*streamed, begin=0, last=12), expected)


def test_frames_beside_others_of_a_size_that_they_lack_have_their_first(image_set):
    train = split_of(image_set)
    wide = np.flatnonzero(image_set.shape_numbers == 1)
    validation = split_of(image_set, indices=wide)
    found = beside(train, validation, begin=0)
    # All steps count, so it is as if there was one size.
    assert_identical(found, steps_of(validation, last=EPOCHS * STEPS))


def test_a_batch_larger_than_every_size_is_refused(image_set):
    with pytest.raises(InputError, match=r"batch of 8 .* split of 13 in 3 sizes"):
        split_of(image_set, batch=8)
