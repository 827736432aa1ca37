import pickle
import zlib

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import open_dataset
from emrnas_jax.data.image_set import DataSettings, block_mean
from emrnas_jax.data.pipeline import Split, frames_of_step, make_batch
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.mri.sampling import Sampling


@pytest.fixture
def scans(tmp_path, write, random):
    """Folder of three subjects, 2 slices x 3 times of 12 x 10, and their levels."""
    folder = tmp_path / "scans"
    folder.mkdir()
    levels = random.integers(0, 256, (3, 2, 3, 12, 10), np.uint8)
    for number, frames in enumerate(levels, 1):
        name = f"cardiac_p{number:02d}.h5"
        write.hdf5(folder, name, {"subject": number}, frames=frames)
    return folder, levels


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


def test_order_does_not_follow_the_names_of_files(tmp_path, write, settings, levels):
    folder = tmp_path / "png"
    folder.mkdir()
    for slice_, time in np.ndindex(2, 3):
        write.png(folder, levels[slice_, time], 1, time + 1, slice_)
    images = open_dataset(settings(folder))
    np.testing.assert_array_equal(images.images(range(6)), levels.reshape(6, 12, 10))


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


@pytest.fixture
def kspace_folder(tmp_path, write_good):
    """Folder of three subjects, three frames of complete k-space each."""
    folder = tmp_path / "kspace"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_good("kspace", folder).rename(folder / f"{name}.h5")
    return folder


@pytest.mark.parametrize("kind", ["magnitude", "complex"])
def test_complete_kspace_is_trained_on_as_reconstruction_reads_it(
    kind, kspace_folder, settings
):
    images = open_dataset(settings(kspace_folder, images=kind))
    assert (images.name, len(images)) == ("kspace", 9)
    assert images.subjects == ("a",) * 3 + ("b",) * 3 + ("c",) * 3
    scan = read_scan(kspace_folder / "b.h5", Reading(kind, "rows"))
    np.testing.assert_array_equal(images.images([3, 4, 5]), scan.images)
    assert images.images(range(9)).max() <= 1 + 1e-6


def test_a_batch_is_drawn_from_complete_kspace(kspace_folder, settings):
    images = open_dataset(settings(kspace_folder))
    split = Split(images, np.arange(6), 2, jax.random.key(0), 1, 100.0)
    stored, ids = frames_of_step(split.frames(0, 1), jnp.array(0), jnp.array(3), 2)
    batch = make_batch(stored, ids, jax.random.key(1), Sampling(rate=0.5))
    assert batch.target.shape == (2, 12, 10, 2)
    assert 0 < float(batch.target.max()) <= 1 + 1e-6


def test_declared_otherwise_kspace_is_read_again(kspace_folder, settings):
    centred = open_dataset(settings(kspace_folder))
    shifted = open_dataset(settings(kspace_folder, kspace_convention="shifted"))
    first, rolled = centred.images([0])[0], shifted.images([0])[0]
    np.testing.assert_allclose(np.fft.fftshift(first), rolled, atol=1e-6)
    again = open_dataset(settings(kspace_folder))
    np.testing.assert_array_equal(again.images([0])[0], first)


def test_declarations_about_kspace_are_refused_for_images(scans, settings):
    for wrong in ({"kspace_convention": "plain"}, {"fully_sampled": True}):
        with pytest.raises(InputError, match=r"are for k-space.* of cardiac_hdf5"):
            open_dataset(settings(scans[0], **wrong))
    with pytest.raises(InputError, match=r"kspace_convention: found 'left'; use one"):
        settings(scans[0], kspace_convention="left")


@pytest.mark.parametrize("kind", ["heart", "head"])
def test_phantoms_are_an_image_set(settings, kind):
    phantom = {"kind": kind, "subjects": 2, "slices": 1, "frames": 3, "size": 16}
    changes = {"height": 16, "width": 12, "phantom": phantom}
    images = open_dataset(settings("phantom", **changes))
    assert (images.name, len(images)) == (f"phantom_{kind}", 6)
    assert images[0].dtype == np.uint8
    complex_ = open_dataset(settings("phantom", images="complex", **changes))
    assert complex_[0].shape == (16, 12, 2)
    magnitude = np.hypot(complex_[5][..., 0], complex_[5][..., 1])
    np.testing.assert_allclose(magnitude, images[5] / 255, atol=0.5001 / 255)


def test_a_misspelt_phantom_setting_is_named(settings):
    with pytest.raises(InputError, match=r"data\.phantom\.slice: .* slices"):
        open_dataset(settings("phantom", phantom={"slice": 3}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": "real"}, "data.images: found 'real'; use magnitude or complex"),
        ({"downsample": 3}, "data.downsample: 3 does not divide 12 x 10"),
        ({"downsample": 0}, "data.downsample: .* at least 1, found 0"),
        ({"height": -4}, "data.height: .* at least 1, found -4"),
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


def test_complex_images_of_a_magnitude_source_are_refused(scans, settings):
    with pytest.raises(InputError, match="asks for complex images, cardiac_hdf5 holds"):
        open_dataset(settings(scans[0], images="complex"))


def test_home_is_understood_in_paths(scans, settings, monkeypatch):
    monkeypatch.setenv("HOME", str(scans[0].parent))
    images = open_dataset(settings("~/scans", cache="~/kept"))
    assert len(images) == 18
    assert (scans[0].parent / "kept").is_dir()


def test_the_defaults_are_the_papers_size():
    defaults = DataSettings(path="x")
    assert (defaults.height, defaults.width, defaults.downsample) == (256, 256, 1)


def test_real_brains_are_five_subjects_of_complex_images(shared_data, settings):
    size = {"height": 256, "width": 256}
    images = open_dataset(
        settings(shared_data / "brain_siat", images="complex", **size)
    )
    assert len(images) == 45
    assert len(set(images.subjects)) == 5
    magnitude = np.hypot(*np.moveaxis(images.images(range(45)), -1, 0))
    assert magnitude.max() <= 1 + 1e-6
    assert magnitude.max((1, 2)).min() > 0.9
