"""Images chosen, cut, reduced and read in the order that is asked for."""

import pickle
import zlib

import grain
import numpy as np
import pytest

from emrnas_jax.data import image_set
from emrnas_jax.data.data_settings import DataSettings
from emrnas_jax.data.dataset import open_dataset
from emrnas_jax.data.image_set import block_mean
from emrnas_jax.errors import InputError


def test_images_come_in_the_order_of_subject_slice_and_frame(scans, settings):
    folder, levels = scans
    images = open_dataset(settings(folder))
    assert (images.name, images.shape, len(images)) == ("cardiac_hdf5", (12, 10), 18)
    assert not images.complex_valued
    assert images.subjects == ("p01",) * 6 + ("p02",) * 6 + ("p03",) * 6
    np.testing.assert_array_equal(images.slices, [0, 0, 0, 1, 1, 1] * 3)
    np.testing.assert_array_equal(images.frames, [0, 1, 2] * 6)
    found = images.images(range(18))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, levels.reshape(18, 12, 10))


@pytest.mark.parametrize("indices", [[5, 0, 17, 5], np.array([3, 2]), [], [-1]])
def test_images_come_in_the_order_asked_for(scans, settings, indices):
    folder, levels = scans
    found = open_dataset(settings(folder)).images(indices)
    expected = levels.reshape(18, 12, 10)[np.asarray(indices, int)]
    np.testing.assert_array_equal(found, expected)


def test_an_index_outside_is_an_index_error(scans, settings):
    images = open_dataset(settings(scans[0]))
    with pytest.raises(IndexError):
        images[18]


def test_frame_ids_depend_on_the_name_alone(scans, settings):
    all_ids = open_dataset(settings(scans[0])).frame_ids
    assert all_ids.dtype == np.uint32
    assert all_ids[7] == zlib.crc32(b"p02/0/1")
    fewer = open_dataset(settings(scans[0], frames_per_subject=2, height=8))
    assert set(fewer.frame_ids) < set(all_ids)


def test_the_middle_is_cut_out(scans, settings):
    folder, levels = scans
    images = open_dataset(settings(folder, height=6, width=4))
    assert images.shape == (6, 4)
    np.testing.assert_array_equal(images[4], levels[0, 1, 1, 3:9, 3:7])


def test_downsampling_averages_blocks_in_0_to_1(scans, settings):
    folder, levels = scans
    images = open_dataset(settings(folder, downsample=2))
    assert images.shape == (6, 5)
    found = images[4]
    assert found.dtype == np.float32
    blocks = [
        [levels[0, 1, 1, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2].mean() for c in range(5)]
        for r in range(6)
    ]
    np.testing.assert_allclose(found, np.array(blocks) / 255, rtol=1e-6)


def test_block_means_keep_the_mean(random):
    image = random.uniform(size=(12, 8, 2)).astype(np.float32)
    means = block_mean(image, 4)
    assert means.shape == (3, 2, 2)
    np.testing.assert_allclose(means.mean((0, 1)), image.mean((0, 1)), rtol=1e-6)


@pytest.mark.parametrize(
    ("count", "chosen"),
    [
        (0, [0, 1, 2, 3, 4, 5]),
        (9, [0, 1, 2, 3, 4, 5]),
        (1, [3]),
        (2, [1, 4]),
        (3, [1, 3, 5]),
    ],
)
def test_frames_of_a_subject_are_spread_evenly(scans, settings, count, chosen):
    images = open_dataset(settings(scans[0], frames_per_subject=count))
    per_subject = np.split(images.slices * 3 + images.frames, 3)
    for positions in per_subject:
        np.testing.assert_array_equal(positions, chosen)


def test_the_first_subjects_are_chosen(scans, settings):
    images = open_dataset(settings(scans[0], subjects=2))
    assert set(images.subjects) == {"p01", "p02"}


def test_complex_images_have_a_last_axis_of_two(tmp_path, write_good, settings):
    path = write_good("complex_hdf5", tmp_path)
    images = open_dataset(settings(path, images="complex"))
    assert images.complex_valued
    found = images.images([0, 2])
    assert (found.shape, found.dtype) == ((2, 12, 10, 2), np.float32)
    np.testing.assert_allclose(np.hypot(*np.moveaxis(found, -1, 0)).max((1, 2)), 1)
    magnitudes = open_dataset(settings(path)).images([0, 2])
    assert (magnitudes.shape, magnitudes.dtype) == ((2, 12, 10), np.float32)
    np.testing.assert_array_equal(magnitudes, np.hypot(found[..., 0], found[..., 1]))
    low = open_dataset(settings(path, images="complex", downsample=2)).images([0, 2])
    np.testing.assert_allclose(low[1], block_mean(found[1], 2))


def test_grain_reads_the_images(scans, settings):
    folder, levels = scans
    images = open_dataset(settings(folder))
    batches = list(grain.MapDataset.source(images).shuffle(seed=1).batch(6))
    assert [batch.shape for batch in batches] == [(6, 12, 10)] * 3
    assert np.concatenate(batches).sum() == levels.sum()


def test_an_image_set_survives_pickling(scans, settings):
    images = open_dataset(settings(scans[0]))
    copy = pickle.loads(pickle.dumps(images))
    np.testing.assert_array_equal(copy[3], images[3])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": "real"}, "data.images: found 'real'; use magnitude or complex"),
        ({"downsample": 3}, "data.downsample: 3 does not divide 12 x 10"),
        ({"downsample": 0}, "data.downsample: .* at least 1, found 0"),
        ({"height": -4}, "data.height: .* at least 0, found -4"),
        ({"sizes": 0}, "data.sizes: .* at least 1, found 0"),
        ({"subjects": -1}, "data.subjects: .* at least 0, found -1"),
    ],
)
def test_wrong_settings_are_named(settings, wrong, message):
    with pytest.raises(InputError, match=message):
        settings("phantom", **wrong)


def test_images_smaller_than_the_cut_are_named(scans, settings):
    with pytest.raises(
        InputError, match=r"p01, slice 0: found 12 x 10 .* 12 x 11; lower"
    ):
        open_dataset(settings(scans[0], width=11))


def test_more_subjects_than_there_are_is_an_error(scans, settings):
    with pytest.raises(InputError, match="asks for 4, found 3 subjects"):
        open_dataset(settings(scans[0], subjects=4))


def test_the_defaults_are_the_papers_size():
    defaults = DataSettings(path="x")
    assert (defaults.height, defaults.width, defaults.downsample) == (256, 256, 1)


def test_names_and_masks_stay_where_other_frames_are_left_out(scans, settings):
    folder, _ = scans
    everything = open_dataset(settings(folder))
    one = open_dataset(settings(folder, subjects=1, frames_per_subject=2))
    found = [everything.frame_ids.tolist().index(own) for own in one.frame_ids]
    np.testing.assert_array_equal(one.images([0, 1]), everything.images(found))


def test_many_images_are_read_in_chunks_in_their_order(scans, settings, monkeypatch):
    images = open_dataset(settings(scans[0]))
    order = np.random.default_rng(0).permutation(18)
    expected = images.images(order)
    monkeypatch.setattr(image_set, "CHUNK", 5)
    np.testing.assert_array_equal(images.images(order), expected)


@pytest.mark.parametrize("change", ["pixel", "name"])
def test_the_summary_tells_changed_images(change, scans, settings, write):
    folder, levels = scans
    before = open_dataset(settings(folder)).summary()
    assert before == open_dataset(settings(folder)).summary()
    frames, number = levels[0].copy(), 1
    if change == "pixel":
        frames[0, 0, 3, 3] ^= 1  # of the first image, one of the three
    else:
        number = 9
    write.hdf5(folder, "cardiac_p01.h5", {"subject": number}, frames=frames)
    after = open_dataset(settings(folder)).summary()
    assert before["images"] == after["images"] == 18
    assert (
        before["pixels" if change == "pixel" else "names"]
        != (after["pixels" if change == "pixel" else "names"])
    )


def test_a_magnitude_of_complex_images_does_not_depend_on_their_phase(
    tmp_path, write, settings, random
):
    image = random.random((2, 12, 10)) + 0.1
    for name, phase in (("a", 0.0), ("b", 2.0)):
        (tmp_path / name).mkdir()
        write.hdf5(tmp_path / name, images=image * np.exp(1j * phase))
    one, other = (
        open_dataset(settings(tmp_path / name)).images([0, 1]) for name in "ab"
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
