"""Frames of several coils: stored, simulated, measured and cut to strips."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.coil_images import joined, parted, simulated, with_unit_maps
from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.image_set import block_mean
from emrnas_jax.data.pipeline import fixed_mask_key, make_batch
from emrnas_jax.data.strips import Augmentation, augment
from emrnas_jax.errors import InputError
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.mri.sampling import Sampling

COILS, SHAPE, FRAMES = 3, (12, 10), 4
SAMPLING = Sampling("equispaced", 0.5, 0.2)
IDS = np.arange(FRAMES, dtype=np.uint32)
KEY = fixed_mask_key(0)


def random_complex(random, *shape):
    parts = random.normal(size=(2, *shape)).astype(np.float32)
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@pytest.fixture
def images(random):
    """Complex images as a data set stores them."""
    return random.normal(size=(FRAMES, *SHAPE, 2)).astype(np.float32)


@pytest.fixture
def frames(images):
    return np.stack([simulated(image, COILS, n) for n, image in enumerate(images)])


measure = jax.jit(make_batch, static_argnames="sampling")


def test_what_is_joined_is_parted_again(random):
    images, maps = random_complex(random, 2, FRAMES, COILS, *SHAPE)
    stored = np.stack([joined(*one) for one in zip(images, maps, strict=True)])
    assert stored.dtype == np.float32
    found = parted(jnp.asarray(stored))
    np.testing.assert_array_equal(found[0], images)
    np.testing.assert_array_equal(found[1], maps)


def test_simulated_coils_see_the_image_and_combine_to_it(images, frames):
    coil_images, maps = parted(jnp.asarray(frames))
    np.testing.assert_allclose((np.abs(maps) ** 2).sum(1), 1, atol=1e-5)
    image = np.asarray(to_complex(jnp.asarray(images)))
    np.testing.assert_allclose(coil_images, maps * image[:, None], atol=1e-6)
    combined = (np.conj(maps) * coil_images).sum(1)
    np.testing.assert_allclose(combined, image, atol=1e-5)


def test_every_frame_has_its_own_simulated_coils(images):
    one, other = (simulated(images[0], COILS, n)[:, :, 1] for n in (1, 2))
    assert np.abs(one - other).max() > 0.1
    np.testing.assert_array_equal(one, simulated(images[0], COILS, 1)[:, :, 1])


def test_averages_of_pixels_keep_no_unit_maps_until_they_are_scaled(frames):
    low = block_mean(frames[0], 2)
    low[0, 0, 1] = 0  # a pixel that no coil sees
    with_unit_maps(low)
    norms = (low[:, :, 1] ** 2).sum((-1, -2))
    assert norms[0, 0] == 0
    np.testing.assert_allclose(norms.ravel()[1:], 1, atol=1e-6)


def test_a_batch_holds_the_samples_of_every_coil(images, frames):
    batch = measure(jnp.asarray(frames), IDS, KEY, SAMPLING)
    mask = np.asarray(batch.measurement.mask)
    coil_images, maps = (np.asarray(part) for part in parted(jnp.asarray(frames)))
    expected = np.fft.fft2(coil_images, norm="ortho") * mask[:, None]
    np.testing.assert_allclose(batch.measurement.kspace, expected, atol=1e-5)
    np.testing.assert_array_equal(batch.measurement.coil_maps, maps)
    back = (maps.conj() * np.fft.ifft2(expected, norm="ortho")).sum(1)
    found = to_complex(batch.zero_filled)
    np.testing.assert_allclose(found, back, atol=1e-5)
    np.testing.assert_allclose(batch.target, images, atol=1e-5)


def test_what_maps_do_not_explain_is_measured_all_the_same(frames, random):
    frames[:, :, :, 0] += random.normal(size=frames[:, :, :, 0].shape)
    batch = measure(jnp.asarray(frames), IDS, KEY, SAMPLING)
    mask = np.asarray(batch.measurement.mask)
    coil_images = np.asarray(parted(jnp.asarray(frames))[0])
    expected = np.fft.fft2(coil_images, norm="ortho") * mask[:, None]
    np.testing.assert_allclose(batch.measurement.kspace, expected, atol=1e-5)


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_a_strip_of_stored_coils_is_measured_as_the_frame_is(frames, axis):
    sampling = Sampling("equispaced", 0.5, 0.2, axis)
    whole = measure(jnp.asarray(frames), IDS, KEY, sampling).zero_filled
    varied = [
        augment(
            jnp.asarray(values),
            jnp.asarray(IDS),
            jax.random.key(1),
            Augmentation(6),
            axis,
        )
        for values in (frames, whole)
    ]
    strip = measure(varied[0], IDS, KEY, sampling)
    np.testing.assert_allclose(strip.zero_filled, varied[1], atol=1e-5)


@pytest.mark.parametrize("kind", ["coils", "one coil"])
def test_noise_is_added_to_measured_samples_alone(images, frames, kind):
    values = jnp.asarray(frames if kind == "coils" else images)
    values = jnp.tile(values, (1, 4, 4, *[1] * (values.ndim - 3)))
    noisy = Sampling("equispaced", 0.5, 0.2, noise=0.3)
    clean, found = (measure(values, IDS, KEY, own) for own in (SAMPLING, noisy))
    np.testing.assert_array_equal(found.target, clean.target)
    np.testing.assert_array_equal(found.measurement.mask, clean.measurement.mask)
    added = np.asarray(found.measurement.kspace - clean.measurement.kspace)
    mask = np.asarray(found.measurement.mask)
    mask = np.broadcast_to(mask[:, None] if added.ndim == 4 else mask, added.shape)
    assert not added[~mask].any()
    assert np.real(added[mask]).std() == pytest.approx(0.3, rel=0.05)
    assert np.imag(added[mask]).std() == pytest.approx(0.3, rel=0.05)
    # No frame has the noise of another one, and each has its own in any batch.
    assert np.abs(np.corrcoef(added.reshape(FRAMES, -1))[0, 1:]).max() < 0.2
    last = measure(values[-1:], IDS[-1:], KEY, noisy).measurement.kspace
    np.testing.assert_allclose(last[0], found.measurement.kspace[-1], atol=1e-6)


def settings(folder, **changes):
    return DataSettings(
        **{
            "path": "phantom",
            "images": "complex",
            "cache": str(folder),
            "height": 16,
            "width": 16,
            "simulated_coils": COILS,
            "phantom": {"subjects": 2, "slices": 1, "frames": 2, "size": 16},
        }
        | changes
    )


def test_phantoms_get_simulated_coils(tmp_path):
    images = open_dataset(settings(tmp_path))
    assert images.coils == COILS
    found = images.images(range(4))
    assert found.shape == (4, 16, 16, 2, COILS, 2)
    plain = open_dataset(settings(tmp_path, simulated_coils=0))
    assert plain.coils == 0
    coil_images, maps = parted(jnp.asarray(found))
    combined = (np.conj(maps) * coil_images).sum(1)
    expected = to_complex(jnp.asarray(plain.images(range(4))))
    np.testing.assert_allclose(combined, expected, atol=1e-5)
    # By the frame's name: the order in which frames are asked for changes nothing.
    np.testing.assert_array_equal(images.images([3, 1]), found[[3, 1]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "magnitude"}, "data.simulated_coils: images of several coils are"),
        ({"coils": 4}, "data.simulated_coils: found 3 beside data.coils=4"),
        ({"simulated_coils": -1}, "data.simulated_coils: expected a whole number"),
        ({"simulated_coils": 0, "coils": 4}, "phantoms have no coils"),
    ],
)
def test_impossible_coils_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        open_dataset(settings(tmp_path, **changes))


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_impossible_noise_is_refused(noise):
    with pytest.raises(InputError, match=r"sampling\.noise: expected"):
        Sampling(noise=noise)
