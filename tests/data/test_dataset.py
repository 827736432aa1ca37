"""Folders of files and phantoms become one set of images, by way of the cache."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import open_dataset
from emrnas_jax.data.pipeline import frames_of_step, make_batch
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.data.split import Split
from emrnas_jax.errors import InputError
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.mri.sampling import Sampling


def test_order_does_not_follow_the_names_of_files(tmp_path, write, settings, levels):
    folder = tmp_path / "png"
    folder.mkdir()
    for slice_, time in np.ndindex(2, 3):
        write.png(folder, levels[slice_, time], 1, time + 1, slice_)
    images = open_dataset(settings(folder))
    np.testing.assert_array_equal(images.images(range(6)), levels.reshape(6, 12, 10))


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
    stored, ids, _ = frames_of_step(split.frames(0, 1), jnp.array(0), 2)
    batch = make_batch(stored, ids, jax.random.key(1), Sampling(rate=0.5))
    assert batch.target.shape == (2, 12, 10, 2)
    assert 0 < float(batch.target.max()) <= 1 + 1e-6


def test_steps_of_training_on_kspace_lower_the_loss(kspace_folder, settings):
    images = open_dataset(settings(kspace_folder)).images(range(8))
    batch = make_batch(
        jnp.asarray(images),
        jnp.arange(8, dtype=jnp.uint32),
        jax.random.key(1),
        Sampling(rate=0.5),
    )
    network = nn.Conv(2, (3, 3))
    variables = network.init(jax.random.key(0), batch.zero_filled)

    @jax.jit
    def loss(variables):
        found: Any = network.apply(variables, batch.zero_filled)
        return jnp.mean((found - batch.target) ** 2)

    losses = [loss(variables)]
    for _ in range(5):
        gradients = jax.grad(loss)(variables)
        variables = jax.tree.map(lambda w, g: w - 0.1 * g, variables, gradients)
        losses.append(loss(variables))
    assert losses == sorted(losses, reverse=True)


def test_one_file_of_kspace_is_a_data_set(kspace_folder, settings):
    images = open_dataset(settings(kspace_folder / "b.h5"))
    assert (images.name, set(images.subjects), len(images)) == ("kspace", {"b"}, 3)


def test_a_file_that_cannot_be_trained_on_is_named_and_leaves_no_build(
    kspace_folder, settings, write, random
):
    kspace = random.normal(size=(2, 12, 10)) + 0j
    path = write.hdf5(kspace_folder, "d.h5", kspace=kspace[:, None].repeat(3, axis=1))
    with pytest.raises(InputError, match=r"d\.h5: .* 3 coils"):
        open_dataset(settings(kspace_folder))
    kspace[:, [0, 1, 2, 3, 8, 9, 10, 11]] = 0
    write.hdf5(kspace_folder, "d.h5", kspace=kspace)
    with pytest.raises(InputError, match=r"d\.h5: `kspace` is incomplete, 67%"):
        open_dataset(settings(kspace_folder))
    path.unlink()
    assert len(open_dataset(settings(kspace_folder))) == 9


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


def test_complex_images_of_a_magnitude_source_are_refused(scans, settings):
    with pytest.raises(InputError, match="asks for complex images, cardiac_hdf5 holds"):
        open_dataset(settings(scans[0], images="complex"))


def test_home_is_understood_in_paths(scans, settings, monkeypatch):
    monkeypatch.setenv("HOME", str(scans[0].parent))
    images = open_dataset(settings("~/scans", cache="~/kept"))
    assert len(images) == 18
    assert (scans[0].parent / "kept").is_dir()


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


def test_series_of_dicom_are_subjects_that_every_file_belongs_to(
    tmp_path, write, settings, random
):
    folder = tmp_path / "dicom"
    folder.mkdir()
    pixels = random.integers(1, 900, (2, 3, 12, 10))
    for patient, place in np.ndindex(2, 3):
        write.dicom(
            folder / f"{patient}{place}.dcm",
            pixels[patient, place],
            PatientID=f"P{patient}",
            SeriesInstanceUID=f"1.2.{patient}",
            ImagePositionPatient=[0, 0, place],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
    images = open_dataset(settings(folder))
    assert len(set(images.subjects)) == 2
    assert images.slices.tolist() == [0, 1, 2] * 2
    whole = pixels / pixels.max(axis=(1, 2, 3), keepdims=True)
    # Subjects are sorted by their checksums.
    first = int(images.images([0])[0, 0, 0] != np.float32(whole[0, 0, 0, 0]))
    ordered = whole[[first, 1 - first]].reshape(6, 12, 10)
    np.testing.assert_allclose(images.images(range(6)), ordered, rtol=1e-6)
    # A file less is another data set, though the first of its series is still there.
    (folder / "12.dcm").unlink()
    assert len(open_dataset(settings(folder))) == 5
