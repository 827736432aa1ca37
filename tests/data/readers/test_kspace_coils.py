"""Complete k-space of several coils becomes images of coils to train on."""

import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.errors import InputError
from emrnas_jax.mri.coils import birdcage_maps

SHAPE, COILS, FRAMES = (64, 56), 5, 3


@pytest.fixture
def volume(random):
    """Coil images of an object with texture and a phase, and a little noise."""
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    sizes = np.array([0.6, 0.8, 0.7])[:, None, None]
    texture = 1 + 0.3 * np.cos(5 * x) * np.sin(4 * y)
    images = (np.hypot(y, x) < sizes) * texture * np.exp(1j * x)
    maps = np.asarray(birdcage_maps(COILS, SHAPE))
    noise = random.normal(0, 0.003, (2, FRAMES, COILS, *SHAPE))
    return 7 * (images[:, None] * maps + noise[0] + 1j * noise[1])


def rss_of(coil_images):
    return np.sqrt((np.abs(coil_images) ** 2).sum(1))


def kspace_of(coil_images):
    return np.fft.fftshift(
        np.fft.fft2(np.fft.ifftshift(coil_images, axes=(-2, -1)), norm="ortho"),
        axes=(-2, -1),
    )


def images_of(folder, **changes):
    settings = {
        "path": str(folder / "data"),
        "images": "complex",
        "cache": str(folder / "cache"),
        "height": SHAPE[0],
        "width": SHAPE[1],
        "coils": COILS,
    }
    return open_dataset(DataSettings(**settings | changes))


@pytest.fixture
def folder(tmp_path, write, volume):
    (tmp_path / "data").mkdir()
    write.hdf5(tmp_path / "data", "knee_1.h5", kspace=kspace_of(volume))
    return tmp_path


def parts(images):
    """Coil images and maps of a data set: [frame, coil, height, width]."""
    stored = images.images(range(len(images)))
    pair = np.moveaxis(stored[..., 0] + 1j * stored[..., 1], (1, 2), (3, 4))
    return pair[:, 0], pair[:, 1]


def test_images_of_coils_are_those_of_the_file_beside_their_maps(folder, volume):
    images = images_of(folder)
    assert (images.coils, images.subjects) == (COILS, ("knee_1",) * FRAMES)
    coil_images, maps = parts(images)
    np.testing.assert_allclose(coil_images, volume / rss_of(volume).max(), atol=1e-5)
    combined = (maps.conj() * coil_images).sum(1)
    inside = np.abs(combined) > 0.3
    true = np.asarray(birdcage_maps(COILS, SHAPE))
    agreement = np.abs((true.conj() * maps).sum(1))
    assert agreement[inside].min() > 0.99
    np.testing.assert_allclose(
        np.abs(combined)[inside], rss_of(coil_images)[inside], rtol=0.02
    )


def test_more_coils_are_compressed_and_keep_the_image(folder, volume):
    coil_images, maps = parts(images_of(folder, coils=3))
    assert coil_images.shape[1] == 3
    combined = np.abs((maps.conj() * coil_images).sum(1))
    rss = rss_of(volume) / rss_of(volume).max()
    inside = rss > 0.3
    # Three virtual coils keep nearly all of what five saw.
    assert np.abs(combined - rss)[inside].mean() < 0.03


def test_fewer_coils_get_some_that_see_nothing(folder):
    (coil_images, maps), (more_images, more_maps) = (
        parts(images_of(folder, coils=count)) for count in (COILS, COILS + 2)
    )
    np.testing.assert_array_equal(more_images[:, :COILS], coil_images)
    np.testing.assert_array_equal(more_maps[:, :COILS], maps)
    assert not more_images[:, COILS:].any()
    assert not more_maps[:, COILS:].any()


def test_frames_without_maps_are_left_out_and_the_others_go_on(
    tmp_path, write, volume, random, caplog
):
    (tmp_path / "data").mkdir()
    noise = random.normal(size=(2, COILS, *SHAPE))
    volume[0] = 0.01 * (noise[0] + 1j * noise[1])
    write.hdf5(tmp_path / "data", "knee_1.h5", kspace=kspace_of(volume))
    images = images_of(tmp_path)
    np.testing.assert_array_equal(images.slices, [1, 2])
    assert "1 of 3 frames explain less than 98 % of the centre" in caplog.text
    assert "1 of them, below 90 %, were left out" in caplog.text


def test_a_file_of_noise_alone_is_refused(tmp_path, write, random):
    (tmp_path / "data").mkdir()
    noise = random.normal(size=(2, 1, COILS, *SHAPE))
    kspace = kspace_of(noise[0] + 1j * noise[1])
    write.hdf5(tmp_path / "data", "knee_1.h5", kspace=kspace)
    with pytest.raises(InputError, match=r"knee_1\.h5: no frame has coil maps"):
        images_of(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coils": 0}, "has 5 coils, and data.coils is 0; set data.coils to 5"),
        ({"images": "magnitude"}, "images of several coils are complex"),
    ],
)
def test_coils_that_were_not_asked_for_are_refused(folder, changes, message):
    with pytest.raises(InputError, match=message):
        images_of(folder, **changes)


def test_one_coil_is_refused_where_several_were_asked_for(tmp_path, write, volume):
    (tmp_path / "data").mkdir()
    write.hdf5(tmp_path / "data", "knee_1.h5", kspace=kspace_of(volume[:, 0]))
    with pytest.raises(InputError, match=r"has one coil, and data.coils asks for 5"):
        images_of(tmp_path)


def test_images_have_no_measured_coils(tmp_path, write, volume):
    (tmp_path / "data").mkdir()
    images = (volume[:, 0] / np.abs(volume).max()).astype(np.complex64)
    write.hdf5(tmp_path / "data", "knee_1.h5", images=images)
    with pytest.raises(InputError, match=r"data\.simulated_coils"):
        images_of(tmp_path)
