"""The metrics against scikit-image, their definitions, and published scores."""

import csv

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import (
    normalized_root_mse,
    peak_signal_noise_ratio,
    structural_similarity,
)

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation import metrics
from emrnas_jax.evaluation.metrics import nmse, psnr_db, scored_magnitude
from emrnas_jax.mri.measurement import undersample, zero_filled

ssim = jax.jit(metrics.ssim, static_argnames="data_range")
SHAPE = (2, 24, 33)
seeds = st.integers(0, 2**32 - 1)
ranges = st.sampled_from([1.0, 2.0, 255.0])


def noisy_pair(seed, noise=0.1):
    generator = np.random.default_rng(seed)
    target = generator.random(SHAPE, np.float32)
    image = target + noise * generator.standard_normal(SHAPE, np.float32)
    return image.astype(np.float32), target


def anatomy(seed):
    """Bright smooth discs on black with sharp edges, as in magnitude images."""
    generator = np.random.default_rng(seed)
    row, column = np.mgrid[:64, :64] / 64
    target = np.zeros((2, 64, 64), np.float32)
    for centre, radius, value in zip(
        generator.random((12, 2)),
        generator.random(12),
        generator.random(12),
        strict=True,
    ):
        inside = np.hypot(row - centre[0], column - centre[1]) < 0.3 * radius
        target[:, inside] += value * (1 + 0.05 * row[inside])
    target = np.clip(target, 0, 1)
    blurred = (target + np.roll(target, 1, 1) + np.roll(target, 1, 2)) / 3
    noise = 0.02 * generator.standard_normal(target.shape)
    return np.clip(blurred + noise, 0, 1).astype(np.float32), target


def scikit_ssim(images, targets, data_range):
    return [
        structural_similarity(image, target, data_range=data_range)
        for image, target in zip(
            images.astype(float), targets.astype(float), strict=True
        )
    ]


@given(seeds, ranges)
def test_ssim_is_that_of_scikit_image_on_noise(seed, data_range):
    image, target = noisy_pair(seed)
    result = ssim(jnp.asarray(image), jnp.asarray(target), data_range=data_range)
    np.testing.assert_allclose(
        result, scikit_ssim(image, target, data_range), atol=1e-5
    )


@pytest.mark.parametrize("data_range", [1.0, 2.0])
def test_ssim_is_that_of_scikit_image_on_anatomy(data_range):
    image, target = anatomy(0)
    result = ssim(jnp.asarray(image), jnp.asarray(target), data_range=data_range)
    np.testing.assert_allclose(
        result, scikit_ssim(image, target, data_range), atol=1e-5
    )


@pytest.mark.parametrize("scale", [1e-3, 4095])
def test_ssim_does_not_depend_on_the_unit(scale):
    image, target = (jnp.asarray(array) for array in anatomy(1))
    scaled = ssim(scale * image, scale * target, data_range=float(scale))
    np.testing.assert_allclose(scaled, ssim(image, target, data_range=1.0), atol=1e-5)


@pytest.mark.parametrize("data_range", [1.0, 1e-2, 1e-3])
def test_ssim_survives_nearly_constant_images(data_range):
    # Mean of squares minus square of the mean is wrong by 1e-7 here, the size of the
    # variance itself; with data range 1e-3 SSIM would be wrong in the first digit.
    generator = np.random.default_rng(2)
    image, target = (
        (0.9 + 3e-4 * generator.standard_normal(SHAPE)).astype(np.float32)
        for _ in range(2)
    )
    result = ssim(jnp.asarray(image), jnp.asarray(target), data_range=data_range)
    np.testing.assert_allclose(
        result, scikit_ssim(image, target, data_range), atol=1e-4
    )


def test_ssim_of_constant_images_compares_their_brightness():
    first, second = jnp.full(SHAPE, 0.8), jnp.full(SHAPE, 0.4)
    expected = (2 * 0.8 * 0.4 + 1e-4) / (0.8**2 + 0.4**2 + 1e-4)
    np.testing.assert_allclose(ssim(first, second, data_range=1.0), expected, rtol=1e-5)


@given(seeds)
def test_ssim_is_symmetric_at_most_one_and_one_for_equal_images(seed):
    image, target = (jnp.asarray(array) for array in noisy_pair(seed))
    one_way = ssim(image, target, data_range=1.0)
    np.testing.assert_allclose(one_way, ssim(target, image, data_range=1.0), rtol=1e-5)
    assert (np.abs(one_way) < 1).all()
    np.testing.assert_allclose(ssim(target, target, data_range=1.0), 1, rtol=1e-6)


def test_a_wider_data_range_raises_ssim():
    image, target = (jnp.asarray(array) for array in anatomy(3))
    narrow, wide = (ssim(image, target, data_range=r) for r in (1.0, 2.0))
    assert (np.asarray(wide) > np.asarray(narrow)).all()


def test_ssim_of_the_smallest_image_is_its_only_window():
    image, target = (array[:, :7, :7] for array in noisy_pair(4))
    result = metrics.ssim(jnp.asarray(image), jnp.asarray(target), 1.0)
    np.testing.assert_allclose(result, scikit_ssim(image, target, 1.0), atol=1e-5)


def test_ssim_refuses_images_smaller_than_its_window():
    image = jnp.zeros((1, 6, 20))
    with pytest.raises(InputError, match="7 x 7 pixels, found 6 x 20"):
        metrics.ssim(image, image, 1.0)


@given(seeds, ranges)
def test_psnr_is_that_of_scikit_image(seed, data_range):
    images, targets = noisy_pair(seed, noise=0.01)
    expected = [
        peak_signal_noise_ratio(target, image, data_range=data_range)
        for image, target in zip(images, targets, strict=True)
    ]
    result = psnr_db(jnp.asarray(images), jnp.asarray(targets), data_range)
    np.testing.assert_allclose(result, expected, atol=1e-3)


def test_a_tenth_of_the_error_is_twenty_decibels():
    target = jnp.zeros(SHAPE)
    np.testing.assert_allclose(psnr_db(target + 0.1, target, 1.0), 20, rtol=1e-5)
    np.testing.assert_allclose(psnr_db(target + 0.01, target, 1.0), 40, rtol=1e-5)
    np.testing.assert_allclose(psnr_db(target + 0.01, target, 2.0), 46.0206, rtol=1e-5)


def test_the_psnr_of_equal_images_is_infinite():
    image = jnp.ones(SHAPE)
    np.testing.assert_array_equal(psnr_db(image, image, 1.0), np.inf)


@given(seeds)
def test_nmse_is_the_squared_relative_error(seed):
    images, targets = noisy_pair(seed)
    expected = [
        normalized_root_mse(target, image) ** 2
        for image, target in zip(images, targets, strict=True)
    ]
    result = nmse(jnp.asarray(images), jnp.asarray(targets))
    np.testing.assert_allclose(result, expected, rtol=1e-4)
    scaled = nmse(jnp.asarray(50 * images), jnp.asarray(50 * targets))
    np.testing.assert_allclose(scaled, result, rtol=1e-4)


def test_nmse_of_equal_images_is_zero_even_for_a_black_target():
    black, image = jnp.zeros(SHAPE), jnp.ones(SHAPE)
    np.testing.assert_array_equal(nmse(image, image), 0)
    np.testing.assert_array_equal(nmse(black, black), 0)
    np.testing.assert_array_equal(nmse(image, black), np.inf)
    np.testing.assert_array_equal(nmse(black, image), 1)


def test_metrics_score_each_image_of_a_batch_by_itself():
    image, target = (jnp.asarray(array) for array in noisy_pair(5))
    image = image.at[1].set(target[1])
    turned = image[::-1], target[::-1]
    for metric in (
        lambda a, b: psnr_db(a, b, 1.0),
        lambda a, b: ssim(a, b, data_range=1.0),
        nmse,
    ):
        both = metric(image, target)
        assert both.shape == (2,)
        assert both[0] != both[1]
        np.testing.assert_allclose(metric(*turned)[::-1], both, rtol=1e-5)


def test_the_scored_magnitude_is_clipped_to_one():
    image = jnp.asarray([[[[0.3, -0.4], [-0.5, 0], [3, 4], [0, 0]]]], jnp.float32)
    np.testing.assert_allclose(scored_magnitude(image), [[[0.5, 0.5, 1, 0]]], rtol=1e-6)


@jax.jit
def zero_filled_scores(target, mask):
    measurement = undersample(target.astype(jnp.complex64), mask)
    image = scored_magnitude(zero_filled(measurement))
    return (
        psnr_db(image, target, 1.0),
        metrics.ssim(image, target, 1.0),
        metrics.ssim(image, target, 2.0),
    )


def test_zero_filled_frames_have_their_published_scores(shared_data):
    """One frame each of subjects 1, 11, 21, slices and times all different."""
    with np.load(shared_data / "masks" / "cartesian15_first200.npz") as file:
        masks = file["masks"] == 1
    with (shared_data / "zero_filled_p01_p30.csv").open() as file:
        rows = list(csv.DictReader(file))
    chosen = [rows[index] for index in (7, 1033, 2081)]
    for row in chosen:
        subject = int(row["subject"])
        path = shared_data / "cardiac" / f"cardiac_p{subject:02d}.h5"
        with h5py.File(path) as file:
            frames = file["frames"]
            assert isinstance(frames, h5py.Dataset)
            frame = frames[int(row["slice"]), int(row["time"])]
        target = jnp.asarray(frame, jnp.float32)[None] / 255
        lines = np.fft.ifftshift(masks[int(row["mask_index"])])
        mask = jnp.asarray(lines)[None, :, None]
        psnr, narrow, wide = zero_filled_scores(target, mask)
        assert psnr[0] == pytest.approx(float(row["psnr"]), abs=1e-3)
        assert narrow[0] == pytest.approx(float(row["ssim_range1"]), abs=1e-4)
        assert wide[0] == pytest.approx(float(row["ssim_range2"]), abs=1e-4)


def test_a_published_network_has_its_published_psnr(shared_data):
    path = shared_data / "peer_goldens" / "CDDNTDC.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as golden:
        target = jnp.asarray(golden["frame_uint8"], jnp.float32) / 255
        image = scored_magnitude(jnp.asarray(golden["output"]))
        np.testing.assert_allclose(
            psnr_db(image, target, 1.0), golden["psnr_output"], atol=1e-4
        )
