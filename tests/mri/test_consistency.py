"""Laws of the data consistencies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrnas_jax.errors import InputError
from emrnas_jax.mri import consistency
from emrnas_jax.mri.consistency import (
    ASSUME_MAGNITUDE,
    magnitude,
    mirror,
    require_suitable,
)
from emrnas_jax.mri.fourier import to_channels, to_complex
from emrnas_jax.mri.measurement import (
    Measurement,
    forward,
    replace_measured,
    undersample,
)
from tests.fixtures.operator_laws import random_complex, simulated_coil_maps

# Compiled once per shape; draws of Hypothesis then cost nothing.
CONSISTENCY = {name: jax.jit(law) for name, law in consistency.CONSISTENCY.items()}
ANY_TARGET = [name for name in CONSISTENCY if name not in ASSUME_MAGNITUDE]
# `cg` weighs the samples against the image, so that it takes them in part only.
EXACT = {name: law for name, law in CONSISTENCY.items() if name != "cg"}

SHAPES = [(8, 8), (6, 7), (9, 7)]
MASKS = ["rows", "columns", "full"]
shapes = st.sampled_from(SHAPES)
masks = st.sampled_from(MASKS)
seeds = st.integers(0, 2**32 - 1)


def transform(image):
    return np.fft.fft2(np.asarray(image), norm="ortho").astype(np.complex64)


def scene(seed, shape, kind):
    """A network's image, a magnitude target and its measurement."""
    generator = np.random.default_rng(seed)
    height, width = shape
    image = generator.standard_normal((2, height, width, 2), np.float32)
    target = generator.random((2, height, width), np.float32)
    lines = {"rows": (2, height, 1), "columns": (2, 1, width), "full": (2, *shape)}
    mask = generator.random(lines[kind]) < 0.4
    kspace = np.where(mask, transform(target), 0)
    measurement = Measurement(jnp.asarray(kspace), jnp.asarray(mask))
    return jnp.asarray(image), jnp.asarray(target), measurement


def sampled(image, mask):
    image = np.asarray(image)
    return np.where(mask, transform(image[..., 0] + 1j * image[..., 1]), 0)


def with_no_phase(image):
    return jnp.stack([image, jnp.zeros_like(image)], axis=-1)


@pytest.mark.slow
@given(seeds, shapes, masks)
def test_measured_samples_survive(seed, shape, kind):
    image, _, measurement = scene(seed, shape, kind)
    for impose in EXACT.values():
        result = impose(image, measurement)
        assert result.dtype == jnp.float32
        np.testing.assert_allclose(
            sampled(result, measurement.mask), measurement.kspace, atol=5e-6
        )


@given(seeds, shapes, masks)
def test_single_keeps_what_was_not_measured(seed, shape, kind):
    image, _, measurement = scene(seed, shape, kind)
    result = CONSISTENCY["single"](image, measurement)
    missing = ~measurement.mask
    np.testing.assert_allclose(
        sampled(result, missing), sampled(image, missing), atol=5e-6
    )


@given(seeds, shapes, masks)
def test_the_target_is_a_fixed_point(seed, shape, kind):
    _, target, measurement = scene(seed, shape, kind)
    channels = with_no_phase(target)
    for impose in CONSISTENCY.values():
        np.testing.assert_allclose(impose(channels, measurement), channels, atol=2e-6)


@pytest.mark.parametrize("name", ["single", "real"])
@given(seeds, shapes, masks)
def test_projections_are_idempotent(name, seed, shape, kind):
    image, _, measurement = scene(seed, shape, kind)
    once = CONSISTENCY[name](image, measurement)
    np.testing.assert_allclose(CONSISTENCY[name](once, measurement), once, atol=2e-6)


@given(seeds, shapes, masks)
def test_two_step_is_single_of_the_magnitude_of_single(seed, shape, kind):
    image, _, measurement = scene(seed, shape, kind)
    kspace, mask, _ = measurement
    first = np.where(mask, kspace, sampled(image, True))
    first = np.abs(np.fft.ifft2(first, norm="ortho"))
    second = np.where(mask, kspace, transform(first))
    second = np.fft.ifft2(second, norm="ortho")
    result = to_complex(CONSISTENCY["two_step"](image, measurement))
    np.testing.assert_allclose(result, second, atol=5e-6)


@given(seeds, shapes, masks)
def test_real_gives_a_real_image(seed, shape, kind):
    image, _, measurement = scene(seed, shape, kind)
    result = CONSISTENCY["real"](image, measurement)
    np.testing.assert_array_equal(result[..., 1], 0)


@given(seeds, shapes, masks)
def test_real_also_fixes_the_mirrored_samples(seed, shape, kind):
    image, target, measurement = scene(seed, shape, kind)
    result = CONSISTENCY["real"](image, measurement)
    mirrored = np.asarray(mirror(measurement.mask))
    expected = np.where(mirrored, transform(target), 0)
    np.testing.assert_allclose(sampled(result, mirrored), expected, atol=5e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", MASKS)
def test_real_is_the_nearest_real_image_that_agrees(shape, kind):
    """Against least squares with one equation per measured sample."""
    image, _, measurement = scene(5, shape, kind)
    result = CONSISTENCY["real"](image, measurement)
    pixels = np.eye(np.prod(shape)).reshape(-1, *shape)
    matrix = np.fft.fft2(pixels, norm="ortho").reshape(len(pixels), -1).T
    for frame in range(2):
        chosen = np.broadcast_to(measurement.mask[frame], shape).ravel()
        measured = np.asarray(measurement.kspace[frame]).ravel()[chosen]
        equations = np.concatenate([np.real(matrix[chosen]), np.imag(matrix[chosen])])
        right = np.concatenate([np.real(measured), np.imag(measured)])
        start = np.asarray(image[frame, ..., 0], float).ravel()
        step = np.linalg.lstsq(equations, right - equations @ start, rcond=1e-10)[0]
        np.testing.assert_allclose(
            result[frame, ..., 0].ravel(), start + step, atol=5e-6
        )


def test_real_averages_mirrored_samples_that_disagree():
    image, _, measurement = scene(6, (8, 8), "rows")
    mask = measurement.mask | mirror(measurement.mask)
    noise = np.random.default_rng(7).standard_normal((2, 2, 8, 8), np.float32)
    noisy = jnp.where(mask, noise[0] + 1j * noise[1], 0)
    result = CONSISTENCY["real"](jnp.zeros_like(image), Measurement(noisy, mask))
    # The real part of an image has the Hermitian average of its k-space.
    expected = np.fft.ifft2(noisy, norm="ortho").real
    np.testing.assert_allclose(result[..., 0], expected, atol=2e-6)


@given(seeds, shapes)
def test_values_of_kspace_that_were_not_measured_do_not_matter(seed, shape):
    image, _, measurement = scene(seed, shape, "rows")
    kspace = jnp.where(measurement.mask, measurement.kspace, 7)
    dirty = measurement._replace(kspace=kspace)
    for impose in CONSISTENCY.values():
        np.testing.assert_array_equal(impose(image, dirty), impose(image, measurement))


@pytest.mark.parametrize("shape", SHAPES)
def test_without_measurements_only_the_kind_of_image_is_imposed(shape):
    image, _, measurement = scene(8, shape, "rows")
    nothing = jax.tree.map(jnp.zeros_like, measurement)
    real = with_no_phase(image[..., 0])
    absolute = with_no_phase(jnp.hypot(image[..., 0], image[..., 1]))
    expected_of = {"real": real, "two_step": absolute}
    for name in CONSISTENCY:
        expected = expected_of.get(name, image)
        result = CONSISTENCY[name](image, nothing)
        np.testing.assert_allclose(result, expected, atol=2e-6)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("shape", SHAPES)
def test_everything_measured_gives_the_target(name, shape):
    image, target, measurement = scene(9, shape, "rows")
    kspace = jnp.asarray(transform(target))
    everything = Measurement(kspace, jnp.ones_like(measurement.mask))
    result = CONSISTENCY[name](image, everything)
    np.testing.assert_allclose(result, with_no_phase(target), atol=2e-6)


@pytest.mark.parametrize("name", CONSISTENCY)
def test_one_mask_serves_a_batch_and_a_line_mask_equals_its_full_form(name):
    image, _, measurement = scene(10, (6, 7), "rows")
    line = measurement.mask[:1]
    kspace = jnp.where(line, measurement.kspace, 0)
    shared = CONSISTENCY[name](image, Measurement(kspace, line))
    full = Measurement(kspace, jnp.broadcast_to(line, (2, 6, 7)))
    np.testing.assert_array_equal(shared, CONSISTENCY[name](image, full))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mirror_is_the_negative_frequency(shape):
    height, width = shape
    array = np.random.default_rng(0).standard_normal((2, height, width), np.float32)
    expected = np.empty_like(array)
    for row in range(height):
        for column in range(width):
            expected[:, row, column] = array[:, -row % height, -column % width]
    np.testing.assert_array_equal(mirror(jnp.asarray(array)), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mirrored_line_mask_is_a_line_mask(shape):
    mask = scene(12, shape, "rows")[2].mask
    full = jnp.broadcast_to(mask, (2, *shape))
    assert mirror(mask).shape == mask.shape
    np.testing.assert_array_equal(
        jnp.broadcast_to(mirror(mask), full.shape), mirror(full)
    )


@given(seeds, shapes)
def test_the_magnitude_is_the_absolute_value(seed, shape):
    generator = np.random.default_rng(seed)
    parts = generator.standard_normal((2, 2, *shape), np.float32)
    # Where a sum of squares would underflow or overflow, too.
    for scale in (1, 1e-25, 1e25):
        image = jnp.asarray(scale * (parts[0] + 1j * parts[1]), jnp.complex64)
        np.testing.assert_allclose(magnitude(image), np.abs(image), rtol=1e-6)


@pytest.mark.slow
def test_the_gradient_of_the_magnitude_is_zero_at_zero_and_exact_elsewhere():
    channels = jnp.asarray([[[0, 0], [3, -4], [0, 2], [-1e-30, 0]]], jnp.float32)
    gradient = jax.grad(lambda image: magnitude(to_complex(image)).sum())(channels)
    np.testing.assert_allclose(
        gradient[0], [[0, 0], [0.6, -0.8], [0, 1], [-1, 0]], rtol=1e-6
    )


@pytest.mark.parametrize("name", CONSISTENCY)
def test_gradients_are_finite_for_a_black_image(name):
    image, kspace = jnp.zeros((1, 8, 8, 2)), jnp.zeros((1, 8, 8), jnp.complex64)
    measurement = Measurement(kspace, jnp.arange(8)[None, :, None] < 3)
    loss = jax.jit(
        jax.grad(lambda image: jnp.sum(CONSISTENCY[name](image, measurement) ** 2))
    )
    assert np.isfinite(loss(image)).all()


@pytest.mark.parametrize("name", CONSISTENCY)
def test_the_gradient_follows_a_finite_difference(name):
    image, _, measurement = scene(11, (6, 7), "rows")
    weights = np.random.default_rng(1).standard_normal(image.shape, np.float32)
    direction = np.random.default_rng(2).standard_normal(image.shape, np.float32)

    def value(image):
        return jnp.sum(weights * CONSISTENCY[name](image, measurement))

    step = 1e-2 * direction
    difference = (value(image + step) - value(image - step)) / 2e-2
    slope = jnp.sum(jax.grad(value)(image) * direction)
    np.testing.assert_allclose(slope, difference, rtol=2e-2, atol=2e-2)


def coiled_scene(seed):
    image, maps = random_complex(seed, 2, 6, 7), simulated_coil_maps(3, 6, 7, frames=2)
    mask = jnp.asarray(np.random.default_rng(seed).random((2, 6, 1)) < 0.5)
    return to_channels(image), undersample(image, mask, maps)


@pytest.mark.parametrize("name", ANY_TARGET)
def test_the_target_of_several_coils_is_a_fixed_point(name):
    target, measurement = coiled_scene(13)
    np.testing.assert_allclose(
        CONSISTENCY[name](target, measurement), target, atol=5e-6
    )
    start = to_channels(random_complex(14, 2, 6, 7))
    found = CONSISTENCY[name](start, measurement)
    assert np.linalg.norm(found - target) < np.linalg.norm(start - target)


def test_single_takes_the_samples_of_several_coils():
    _, measurement = coiled_scene(13)
    start = to_channels(random_complex(14, 2, 6, 7))
    found = CONSISTENCY["single"](start, measurement)
    wanted = to_channels(replace_measured(to_complex(start), measurement))
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("coils", [0, 3])
def test_a_step_of_one_is_single_to_the_bit(coils):
    _, measurement = coiled_scene(20) if coils else (None, scene(20, (6, 7), "rows")[2])
    start = to_channels(random_complex(21, 2, 6, 7))
    single = consistency.single_consistency(start, measurement)
    found = consistency.gradient_consistency(start, measurement, jnp.float32(1))
    np.testing.assert_array_equal(found, single)


@pytest.mark.slow
@pytest.mark.parametrize("coils", [0, 3])
def test_a_gradient_step_descends_along_the_gradient(coils):
    """x + t Aᴴ (k - A x), of which JAX itself computes the gradient of the misfit."""
    _, measurement = coiled_scene(20) if coils else (None, scene(20, (6, 7), "rows")[2])
    start = to_channels(random_complex(21, 2, 6, 7))

    def misfit(channels):
        missing = forward(to_complex(channels), measurement) - measurement.kspace
        return jnp.sum(missing.real**2 + missing.imag**2) / 2

    found = CONSISTENCY["gradient"](start, measurement, jnp.float32(0.3))
    wanted = start - 0.3 * jax.grad(misfit)(start)
    np.testing.assert_allclose(found, wanted, atol=5e-6)


@pytest.mark.slow
@given(seeds, shapes, masks)
def test_cg_without_coils_is_the_minimum_at_every_frequency(seed, shape, kind):
    image, _, measurement = scene(seed, shape, kind)
    found = CONSISTENCY["cg"](image, measurement, jnp.float32(0.5))
    own = sampled(image, True)
    # |f - k|² + λ |f - z|² is least at (k + λ z) / (1 + λ).
    kspace = np.where(measurement.mask, (measurement.kspace + 0.5 * own) / 1.5, own)
    np.testing.assert_allclose(sampled(found, True), kspace, atol=5e-6)


def test_cg_takes_all_of_the_samples_as_its_weight_goes_to_zero():
    image, _, measurement = scene(22, (6, 7), "rows")
    single = CONSISTENCY["single"](image, measurement)
    gaps = [
        float(abs(CONSISTENCY["cg"](image, measurement, w) - single).max())
        for w in (1.0, 1e-2, 1e-4)
    ]
    assert gaps[0] > 50 * gaps[1] > 2000 * gaps[2] > 0


@pytest.mark.parametrize("name", ASSUME_MAGNITUDE)
def test_coils_are_refused_by_what_assumes_a_magnitude(name):
    image, measurement = coiled_scene(15)
    wanted = f"={name} assumes magnitude.*=single, gradient or cg, or to"
    with pytest.raises(InputError, match=wanted):
        jax.eval_shape(consistency.CONSISTENCY[name], image, measurement)


@pytest.mark.parametrize("name", CONSISTENCY)
def test_complex_images_are_refused_by_what_assumes_a_magnitude(name):
    require_suitable(name, "magnitude", "networks.mine.consistency")
    if name in ANY_TARGET:
        require_suitable(name, "complex", "networks.mine.consistency")
        return
    with pytest.raises(InputError, match=f"networks.mine.consistency={name} assumes"):
        require_suitable(name, "complex", "networks.mine.consistency")


def test_what_assumes_a_magnitude_is_what_spoils_a_complex_target():
    """The list follows from the laws: the others leave a complex image alone."""
    target = random_complex(16, 2, 6, 7)
    mask = jnp.asarray(np.arange(6) < 3)[None, :, None]
    channels, measurement = to_channels(target), undersample(target, mask)
    spoilt = [
        name
        for name, impose in CONSISTENCY.items()
        if not np.allclose(impose(channels, measurement), channels, atol=1e-4)
    ]
    assert tuple(spoilt) == ASSUME_MAGNITUDE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "name"), [("DCCNN", "single"), ("CDDNTDC", "two_step")]
)
def test_published_networks_agree(shared_data, network, name):
    path = shared_data / "peer_goldens" / f"{network}.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as golden:
        mask = jnp.asarray(golden["mask_fft_order"][:1, :, None] == 1)
        image = jnp.asarray(golden["cascade1_before_dc"])
        measurement = Measurement(jnp.asarray(golden["kspace"][:1]), mask)
        result = CONSISTENCY[name](image, measurement)
        np.testing.assert_allclose(result, golden["cascade1_out"], atol=5e-6)


def test_real_alone_gains_over_a_decibel_on_zero_filled_frames(shared_data):
    path = shared_data / "peer_goldens" / "DCCNN.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    with np.load(path) as golden:
        target = golden["frame_uint8"].astype(np.float32) / 255
        mask = jnp.asarray(golden["mask_fft_order"][:, :, None] == 1)
        image = jnp.asarray(golden["zero_filled"])
        measurement = Measurement(jnp.asarray(golden["kspace"]), mask)
        result = CONSISTENCY["real"](image, measurement)
        before = golden["psnr_zero_filled"].mean()
    error = np.clip(np.abs(np.asarray(result[..., 0])), 0, 1) - target
    after = np.mean(-10 * np.log10(np.mean(error**2, axis=(1, 2))))
    # 3.0 dB on average over subjects 1-30; these are four frames of one subject.
    assert after - before > 1
