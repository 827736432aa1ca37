"""K-space as a scan: complete or measured, and complete k-space to train on."""

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_conventions import CONFIG
from emrnas_jax.data.readers.kspace_scan import (
    complete_images,
    kspace_source,
    network_images,
    read_kspace,
)
from emrnas_jax.data.readers.recognition import recognise
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import birdcage_maps

COILS = 4
TRAINING = Reading("complex", "rows", form=CONFIG)


@pytest.fixture
def images(random):
    """Three complex images of 80 x 64 with an object in the middle."""
    y, x = np.mgrid[-1:1:80j, -1:1:64j]
    inside = np.hypot(y / 0.7, x / 0.6) < np.array([0.7, 0.9, 1.0])[:, None, None]
    noise = random.normal(size=(2, 3, 80, 64))
    texture = 1 + 0.3 * np.cos(5 * x) * np.sin(4 * y)
    return inside * texture * np.exp(1j * x) + 0.01 * (noise[0] + 1j * noise[1])


def centred(images):
    axes = (1, 2)
    kspace = np.fft.fft2(np.fft.ifftshift(images, axes=axes), norm="ortho")
    return np.fft.fftshift(kspace, axes=axes)


def test_images_to_train_on_are_those_that_reconstruction_sees(images, tmp_path, write):
    path = write.hdf5(tmp_path, "volunteer.h5", kspace=centred(images * 1e-6))
    named = list(complete_images(path, TRAINING))
    assert [one[:3] for one in named] == [("volunteer", n, 0) for n in range(3)]
    stack = np.stack([one.image for one in named])
    assert stack.dtype == np.complex64
    for kind in ("magnitude", "complex"):
        scan = read_kspace(path, Reading(kind, "rows"))
        np.testing.assert_array_equal(scan.images, network_images(stack, kind))
        assert scan.subjects == ("volunteer",) * 3


def test_the_largest_magnitude_of_a_file_is_one(images, tmp_path, write):
    images *= np.array([1.0, 3.0, 2.0])[:, None, None] * 1e5
    path = write.hdf5(tmp_path, kspace=centred(images))
    stack = np.stack([one.image for one in complete_images(path, TRAINING)])
    assert np.abs(stack).max() == pytest.approx(1)
    np.testing.assert_allclose(stack, images / np.abs(images).max(), atol=1e-6)


def test_empty_frames_are_left_out_and_the_others_keep_their_numbers(
    images, tmp_path, write
):
    images[1] = 0
    path = write.hdf5(tmp_path, kspace=centred(images))
    assert [one.slice for one in complete_images(path, TRAINING)] == [0, 2]


@pytest.mark.parametrize("with_mask", [True, False])
def test_incomplete_kspace_is_refused_for_training_in_one_line(
    with_mask, images, tmp_path, write
):
    mask = (np.abs(np.arange(80) - 40) < 8) | (np.arange(80) % 4 == 0)
    arrays = {"kspace": centred(images) * mask[:, None]}
    arrays |= {"mask": mask} if with_mask else {}
    path = write.hdf5(tmp_path, **arrays)
    missing = f"{1 - mask.mean():.0%}"
    with pytest.raises(
        InputError, match=f"incomplete, {missing} .*data.fully_sampled"
    ) as error:
        list(complete_images(path, TRAINING))
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_padding_is_complete_where_it_is_declared(images, tmp_path, write):
    kspace = centred(images)
    kspace[:, :, :6] = kspace[:, :, -5:] = 0
    path = write.hdf5(tmp_path, kspace=kspace)
    with pytest.raises(InputError, match="is incomplete"):
        list(complete_images(path, TRAINING))
    declared = Reading("complex", "rows", fully_sampled=True, form=CONFIG)
    assert len(list(complete_images(path, declared))) == 3


def test_coils_are_refused_for_training_in_one_line(images, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=centred(images)[:, None].repeat(4, axis=1))
    with pytest.raises(InputError, match="4 coils") as error:
        list(complete_images(path, TRAINING))
    assert "\n" not in str(error.value)


def test_a_wrong_convention_is_refused_with_the_setting_to_use(images, tmp_path, write):
    plain = np.fft.fft2(images, norm="ortho")
    path = write.hdf5(tmp_path, kspace=plain)
    with pytest.raises(InputError, match=r"use data\.kspace_convention=plain"):
        list(complete_images(path, TRAINING))
    declared = Reading("complex", "rows", convention="plain", form=CONFIG)
    [first, *_] = complete_images(path, declared)
    expected = images[0] / np.abs(images).max()
    np.testing.assert_allclose(first.image, expected, atol=1e-6)


def test_images_wrapped_round_their_border_are_refused_for_training(
    images, tmp_path, write
):
    rolled = np.fft.fftshift(images, axes=(1, 2))
    path = write.hdf5(tmp_path, kspace=centred(rolled))
    with pytest.raises(InputError, match=r"wrapped .* data\.kspace_convention=shifted"):
        list(complete_images(path, TRAINING))


def test_what_is_uncertain_is_said_in_training_too(tmp_path, write, random, caplog):
    dark_middle = 1 + 0.1 * random.random((1, 32, 32))
    dark_middle[:, 12:20, 12:20] *= 0.5
    path = write.hdf5(tmp_path, kspace=centred(dark_middle))
    [warning] = read_kspace(path, Reading("complex", "rows")).warnings
    assert "may be wrapped round" in warning
    with caplog.at_level("WARNING", "emrnas_jax"):
        list(complete_images(path, TRAINING))
    said = warning.replace("--kspace_convention", "data.kspace_convention")
    assert caplog.messages == [f"{path}: {said}"]


def test_the_norm_says_nothing_to_training(tmp_path, write, images, caplog):
    path = write.hdf5(tmp_path, kspace=centred(images) * np.sqrt(80 * 64))
    [warning] = read_kspace(path, Reading("complex", "rows")).warnings
    assert "--kspace_norm=backward" in warning
    with caplog.at_level("WARNING", "emrnas_jax"):
        list(complete_images(path, TRAINING))
    assert not caplog.messages


def test_files_of_kspace_are_recognised_and_other_npz_files_passed_over(
    images, tmp_path, write
):
    np.savez(tmp_path / "masks.npz", masks=np.eye(4))
    paths = [tmp_path / "a.npz", tmp_path / "b.h5"]
    np.savez(paths[0], kspace=centred(images))
    write.hdf5(tmp_path, "b.h5", kspace=centred(images))
    source, files = recognise(tmp_path)
    assert (source.name, source.dtype) == ("kspace", "complex64")
    assert files == paths
    assert source.takes(paths[0])
    assert not kspace_source(TRAINING).takes(tmp_path / "masks.npz")


def test_masks_beside_images_do_not_make_their_folder_two_sources(write_good, tmp_path):
    path = write_good("cardiac_hdf5", tmp_path)
    np.savez(tmp_path / "masks.npz", masks=np.eye(4))
    assert recognise(tmp_path)[1] == [path]


def test_a_damaged_npz_is_named(tmp_path):
    (tmp_path / "scan.npz").write_bytes(b"PK\x03\x04cut")
    with pytest.raises(InputError, match=r"scan\.npz: .* damaged"):
        recognise(tmp_path)


@pytest.fixture
def coil_kspace(images):
    """Centred k-space of the images through coils: [frame, coil, row, column]."""
    maps = np.asarray(birdcage_maps(COILS, images.shape[1:]))
    coils = (images[:, None] * maps).reshape(-1, *images.shape[1:])
    return centred(coils).reshape(len(images), COILS, *images.shape[1:])


def test_complete_kspace_of_coils_has_the_root_sum_of_squares_as_its_target(
    images, coil_kspace, tmp_path, write
):
    scan = read_kspace(write.hdf5(tmp_path, kspace=coil_kspace), Reading("", "rows"))
    assert scan.kspace is not None
    assert scan.kspace.shape == (3, COILS, 80, 64)
    assert scan.shape == (80, 64)
    assert scan.target is not None
    # Maps are normalised, so that of the coils is that of the image.
    expected = abs(images) / abs(images).max()
    np.testing.assert_allclose(scan.target, expected, atol=1e-5)
    assert scan.stored_as.startswith("4 coils, ")
    assert not scan.warnings


def test_measured_kspace_of_coils_stays_as_it_is(coil_kspace, tmp_path, write):
    lines = np.arange(80) % 2 == 0
    path = write.hdf5(tmp_path, kspace=coil_kspace * lines[:, None], mask=lines)
    scan = read_kspace(path, Reading("", "rows"))
    assert scan.kspace is not None
    assert scan.mask is not None
    assert scan.target is None
    np.testing.assert_array_equal(scan.mask[:, :, 0], [np.fft.ifftshift(lines)] * 3)
    assert not scan.kspace[:, :, ~scan.mask[0, :, 0]].any()


def test_an_empty_coil_is_warned_of(coil_kspace, tmp_path, write):
    coil_kspace[:, 2] = 0
    path = write.hdf5(tmp_path, kspace=coil_kspace)
    [warning] = read_kspace(path, Reading("", "rows")).warnings
    assert warning == "coil 2 of 4, counted from 0, measured nothing"


def test_times_in_place_of_coils_are_warned_of(images, tmp_path, write):
    times = np.stack([centred(images * brightness) for brightness in (1, 0.9, 0.8)], 1)
    path = write.hdf5(tmp_path, kspace=times)
    [warning] = read_kspace(path, Reading("", "rows")).warnings
    assert "alike" in warning
    assert "kspace.reshape(-1, 80, 64)" in warning


def test_coils_are_trained_on_where_they_are_asked_for_alone(
    coil_kspace, tmp_path, write
):
    path = write.hdf5(tmp_path, kspace=coil_kspace)
    with pytest.raises(
        InputError, match=r"has 4 coils, and data\.coils is 0; set data\.coils to 4"
    ):
        list(complete_images(path, TRAINING))
