"""Laws of the forward model, with one coil and with several."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrnas_jax.mri.fourier import fft2, ifft2, to_channels, to_complex
from emrnas_jax.mri.measurement import (
    Measurement,
    adjoint,
    forward,
    normal,
    replace_measured,
    undersample,
    zero_filled,
)
from emrnas_jax.mri.sampling import Sampling, draw_mask
from tests.fixtures.operator_laws import (
    assert_adjoint,
    assert_fixed_point,
    assert_linear,
    assert_unitary,
    random_complex,
    simulated_coil_maps,
)

SHAPES = [(8, 8), (6, 7)]
COILS = [0, 1, 4]  # 0: no coil axis
seeds = st.integers(0, 2**32 - 1)
shapes = st.sampled_from(SHAPES)
coil_counts = st.sampled_from(COILS)


def measured(seed, shape, coils, everything=False):
    """Two images, and the measurement of them."""
    image = random_complex(seed, 2, *shape)
    lines = np.random.default_rng(seed).random((2, shape[0], 1)) < 0.4
    mask = jnp.asarray(lines | everything)
    maps = simulated_coil_maps(coils, *shape, frames=2) if coils else None
    return image, undersample(image, mask, maps)


def data_of(seed, measurement):
    return random_complex(seed + 1, *measurement.kspace.shape)


def residual(image, measurement):
    """|A x - k|."""
    mask = measurement.mask
    mask = mask if measurement.coil_maps is None else mask[:, None]
    error = forward(image, measurement) - jnp.where(mask, measurement.kspace, 0)
    return float(jnp.linalg.norm(error.ravel()))


@pytest.mark.slow
@given(seeds, shapes, coil_counts)
def test_the_adjoint_is_the_adjoint_of_the_forward_model(seed, shape, coils):
    image, measurement = measured(seed, shape, coils)
    assert_adjoint(
        lambda x: forward(x, measurement),
        lambda y: adjoint(y, measurement),
        image,
        data_of(seed, measurement),
    )


@given(seeds, shapes, coil_counts)
def test_the_forward_model_is_linear(seed, shape, coils):
    image, measurement = measured(seed, shape, coils)
    other = random_complex(seed + 2, *image.shape)
    assert_linear(lambda x: forward(x, measurement), image, other)


@pytest.mark.parametrize("coils", COILS)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_unitary_where_everything_is_measured(shape, coils):
    """With several coils too: Σ|S|² = 1 keeps the norm of the image."""
    image, measurement = measured(0, shape, coils, everything=True)
    assert_unitary(
        lambda x: forward(x, measurement), lambda y: adjoint(y, measurement), image
    )


@pytest.mark.parametrize("coils", [1, 4])
def test_simulated_maps_are_normalised_smooth_and_different(coils):
    maps = np.asarray(simulated_coil_maps(coils, 32, 24))
    np.testing.assert_allclose((abs(maps) ** 2).sum(1), 1, rtol=1e-5)
    assert max(abs(np.diff(maps, axis=axis)).max() for axis in (2, 3)) < 0.3
    if coils > 1:
        assert abs(maps[:, 0] - maps[:, 1]).max() > 0.5


@pytest.mark.slow
@given(seeds, shapes, coil_counts)
def test_the_replacement_is_a_gradient_step(seed, shape, coils):
    """x + Aᴴ (k - A x), written out with NumPy."""
    image, measurement = measured(seed, shape, coils)
    start = random_complex(seed + 3, *image.shape)
    step = adjoint(measurement.kspace - forward(start, measurement), measurement)
    found = replace_measured(start, measurement)
    np.testing.assert_allclose(found, start + step, atol=5e-6)


@given(seeds, shapes, coil_counts)
def test_the_measured_image_is_a_fixed_point(seed, shape, coils):
    image, measurement = measured(seed, shape, coils)
    assert_fixed_point(lambda x: replace_measured(x, measurement), image)


@given(seeds, shapes)
def test_one_step_reaches_the_measured_samples_of_one_coil(seed, shape):
    _, measurement = measured(seed, shape, 0)
    start = random_complex(seed + 3, 2, *shape)
    found = replace_measured(start, measurement)
    assert residual(found, measurement) < 1e-4


@given(seeds, shapes)
def test_steps_come_ever_nearer_to_the_samples_of_several_coils(seed, shape):
    _, measurement = measured(seed, shape, 4)
    noise = 0.3 * data_of(seed, measurement)
    noisy = measurement._replace(kspace=measurement.kspace + noise)
    image, errors = random_complex(seed + 3, 2, *shape), []
    for _ in range(4):
        errors.append(residual(image, noisy))
        image = replace_measured(image, noisy)
    assert all(b <= a * (1 + 1e-5) for a, b in pairwise(errors))
    assert errors[-1] < errors[0]


@pytest.mark.slow
def test_coils_tell_apart_what_one_coil_cannot():
    """Every second line folds the image; the coils' different views unfold it."""
    image = random_complex(5, 1, 16, 12)
    mask = jnp.asarray(np.arange(16) % 2 == 0)[None, :, None]
    errors = {}
    for coils in (0, 6):
        maps = simulated_coil_maps(coils, 16, 12) if coils else None
        measurement = undersample(image, mask, maps)
        found = to_complex(zero_filled(measurement))
        for _ in range(300):
            found = replace_measured(found, measurement)
        errors[coils] = float(jnp.abs(found - image).mean())
    assert errors[6] < 0.2 * errors[0]


def test_one_coil_of_sensitivity_one_is_no_coil():
    image, measurement = measured(6, (6, 7), 0)
    ones = jnp.ones((2, 1, 6, 7), jnp.complex64)
    coiled = undersample(image, measurement.mask, ones)
    np.testing.assert_allclose(coiled.kspace[:, 0], measurement.kspace, atol=1e-6)
    start = random_complex(7, 2, 6, 7)
    np.testing.assert_allclose(
        replace_measured(start, coiled), replace_measured(start, measurement), atol=2e-6
    )


def test_pixels_that_no_coil_sees_become_zero():
    maps = simulated_coil_maps(4, 8, 8).at[..., :3, :].set(0)
    image = random_complex(8, 1, 8, 8)
    measurement = undersample(image, jnp.ones((1, 8, 1), bool), maps)
    found = replace_measured(image, measurement)
    np.testing.assert_array_equal(found[:, :3], 0)
    np.testing.assert_allclose(found[:, 3:], image[:, 3:], atol=2e-6)


@pytest.mark.parametrize("coils", [0, 4])
def test_values_that_were_not_measured_do_not_count(coils):
    image, clean = measured(9, (6, 7), coils)
    mask = clean.mask if not coils else clean.mask[:, None]
    dirty = clean._replace(kspace=jnp.where(mask, clean.kspace, jnp.inf))
    np.testing.assert_array_equal(zero_filled(dirty), zero_filled(clean))
    np.testing.assert_array_equal(
        replace_measured(image, dirty), replace_measured(image, clean)
    )


def test_a_measurement_without_coils_is_a_tree_of_two_arrays():
    _, measurement = measured(10, (8, 8), 0)
    assert len(jax.tree.leaves(measurement)) == 2
    _, coiled = measured(10, (8, 8), 4)
    assert [leaf.shape for leaf in jax.tree.leaves(coiled)] == [
        (2, 4, 8, 8),
        (2, 8, 1),
        (2, 4, 8, 8),
    ]


def test_without_coils_the_program_is_one_transform_each_way():
    """Coils that are absent cost nothing: no product, no sum, no second transform."""
    image, measurement = measured(11, (8, 8), 0)
    traced = jax.make_jaxpr(replace_measured)(image, measurement)
    plain = jax.make_jaxpr(lambda x, m: ifft2(jnp.where(m.mask, m.kspace, fft2(x))))(
        image, measurement
    )
    assert str(traced) == str(plain)


@pytest.mark.parametrize("shape", SHAPES)
def test_undersampling_keeps_the_measured_and_zeroes_the_rest(shape):
    images = random_complex(0, 3, *shape)
    mask = draw_mask(Sampling(rate=0.5), jax.random.key(0), shape)[None]
    kspace = undersample(images, mask).kspace
    assert kspace.dtype == jnp.complex64
    lines = np.asarray(mask)[0, :, 0]
    np.testing.assert_array_equal(kspace[:, lines], fft2(images)[:, lines])
    np.testing.assert_array_equal(kspace[:, ~lines], 0)
    # One mask per image gives the same as one for all.
    own = jnp.concatenate([mask] * 3)
    np.testing.assert_array_equal(undersample(images, own).kspace, kspace)


def test_undersampling_with_coils_is_that_of_each_coils_image():
    image, measurement = measured(12, (6, 7), 4)
    maps = measurement.coil_maps
    assert maps is not None
    for coil in range(4):
        alone = undersample(maps[:, coil] * image, measurement.mask)
        np.testing.assert_allclose(measurement.kspace[:, coil], alone.kspace, atol=1e-6)


def test_zero_filling_what_is_all_measured_returns_the_image():
    image, measurement = measured(1, (6, 7), 0, everything=True)
    result = zero_filled(measurement)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, to_channels(image), atol=2e-6)


def test_fully_sampled_columns_alias_along_the_rows_index_only():
    image = jnp.zeros((1, 8, 6), jnp.complex64).at[0, 3, 2].set(1)
    mask = (jnp.arange(8) % 2 == 0)[None, :, None]
    result = np.abs(np.asarray(zero_filled(undersample(image, mask))[0, ..., 0]))
    expected = np.zeros((8, 6))
    expected[[3, 7], 2] = 0.5
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_gradients_pass_through_coils():
    """Of |A x - k|² it is 2 Aᴴ (A x - k); JAX gives its conjugate."""
    image, measurement = measured(13, (6, 7), 4)
    start = random_complex(14, *image.shape)

    def error(x):
        return jnp.sum(jnp.abs(forward(x, measurement) - measurement.kspace) ** 2)

    wanted = 2 * adjoint(forward(start, measurement) - measurement.kspace, measurement)
    np.testing.assert_allclose(jax.grad(error)(start).conj(), wanted, atol=2e-5)


def two_sets(seed, shape):
    """Images of two sets of maps, and the measurement of both together."""
    images = random_complex(seed, 2, 2, *shape)
    maps = jnp.stack(
        [simulated_coil_maps(4, *shape, frames=2), random_complex(1, 2, 4, *shape)], 1
    )
    mask = jnp.asarray(np.arange(shape[0]) % 2 == 0)[None, :, None]
    return images, undersample(images, mask, maps)


@pytest.mark.slow
@given(seeds, shapes)
def test_two_sets_of_maps_add_what_their_images_give(seed, shape):
    images, measurement = two_sets(seed, shape)
    maps = measurement.coil_maps
    assert maps is not None
    each = [undersample(images[:, n], measurement.mask, maps[:, n]) for n in (0, 1)]
    summed = each[0].kspace + each[1].kspace
    np.testing.assert_allclose(measurement.kspace, summed, atol=2e-5)
    assert_adjoint(
        lambda x: forward(x, measurement),
        lambda y: adjoint(y, measurement),
        images,
        data_of(seed, measurement),
    )


@pytest.mark.parametrize("coils", [*COILS, "two sets"])
@pytest.mark.parametrize("kind", ["rows", "full"])
def test_the_normal_operator_is_the_adjoint_after_the_forward_model(coils, kind):
    image, measurement = (
        two_sets(16, (6, 7)) if coils == "two sets" else measured(16, (6, 7), coils)
    )
    if kind == "full":
        mask = np.random.default_rng(2).random((2, 6, 7)) < 0.5
        measurement = measurement._replace(mask=jnp.asarray(mask))
    wanted = adjoint(forward(image, measurement), measurement)
    np.testing.assert_allclose(normal(image, measurement), wanted, atol=2e-5)


def test_frames_of_a_batch_do_not_mix():
    image, measurement = measured(15, (8, 8), 4)
    one = jax.tree.map(lambda leaf: leaf[1:], measurement)
    assert isinstance(one, Measurement)
    np.testing.assert_allclose(
        replace_measured(image, measurement)[1:],
        replace_measured(image[1:], one),
        atol=1e-6,
    )
