"""The solver against another method in float64, and the laws of the problem."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.mri.measurement import Measurement, undersample
from emrnas_jax.mri.total_variation import (
    adjoint_differences,
    differences,
    restore,
    total_variation,
)
from tests.fixtures.operator_laws import (
    assert_adjoint,
    random_complex,
    simulated_coil_maps,
)

SHAPE = (2, 12, 10)
solve = jax.jit(restore, static_argnames="iterations")


def steps(image):
    return np.stack([np.roll(image, -1, axis) - image for axis in (-2, -1)])


def minus_divergence(found):
    return sum(np.roll(f, 1, axis) - f for f, axis in zip(found, (-2, -1), strict=True))


def variation(image):
    return np.sqrt((abs(steps(image)) ** 2).sum(0)).sum((-2, -1))


fft = partial(np.fft.fft2, norm="ortho")
ifft = partial(np.fft.ifft2, norm="ortho")


def objective(image, kspace, mask, strength):
    error = np.where(mask, fft(image) - kspace, 0)
    return (abs(error) ** 2).sum((-2, -1)) / 2 + strength * variation(image)


def primal_dual(kspace, mask, strength, iterations=3000):
    """Chambolle and Pock's method, in float64: another way to the same image."""
    image_step, dual_step = 1.0, 1 / 8
    image = ahead = ifft(np.where(mask, kspace, 0))
    dual = np.zeros((2, *image.shape), complex)
    for _ in range(iterations):
        dual = dual + dual_step * steps(ahead)
        length = np.sqrt((abs(dual) ** 2).sum(0))
        dual = dual / np.maximum(1, length / strength)
        moved = fft(image - image_step * minus_divergence(dual))
        agreed = (moved + image_step * kspace) / (1 + image_step)
        new = ifft(np.where(mask, agreed, moved))
        image, ahead = new, 2 * new - image
    return image


@pytest.fixture
def random():
    return np.random.default_rng(4)


@pytest.fixture
def mask(random):
    lines = random.random((2, 12, 1)) < 0.5
    lines[:, 0] = True
    return lines


@pytest.fixture
def kspace(random, mask):
    """Of complex images with a phase and noise."""
    image = np.zeros(SHAPE, complex)
    image[:, 3:9, 2:7] = 0.8
    image[:, 5:7, 4:6] += 0.2j
    noise = random.normal(0, 0.05, (2, *SHAPE))
    return np.where(mask, fft(image + noise[0] + 1j * noise[1]), 0)


def restored(kspace, mask, strength, iterations=300):
    measurement = Measurement(jnp.asarray(kspace, jnp.complex64), jnp.asarray(mask))
    return np.asarray(solve(measurement, strength, iterations))


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.01, 0.1])
def test_it_reaches_the_least_of_the_objective(kspace, mask, strength):
    wanted = primal_dual(kspace, mask, strength)
    found = restored(kspace, mask, strength)
    least = objective(wanted, kspace, mask, strength)
    np.testing.assert_allclose(
        objective(found, kspace, mask, strength), least, rtol=1e-3
    )
    # The least image, and not another: a tenth of the strength's effect.
    other = primal_dual(kspace, mask, strength * 2)
    assert abs(found - wanted).max() < 0.1 * abs(other - wanted).max()


def test_more_iterations_come_nearer_to_the_least(kspace, mask):
    least = objective(primal_dual(kspace, mask, 0.03), kspace, mask, 0.03)
    excess = [
        (objective(restored(kspace, mask, 0.03, n), kspace, mask, 0.03) - least).max()
        for n in (5, 20, 300)
    ]
    assert excess[0] > 2 * excess[1] > 4 * excess[2]


def test_a_small_strength_keeps_the_measured_samples(kspace, mask):
    errors = [
        abs(np.where(mask, fft(restored(kspace, mask, s)) - kspace, 0)).max()
        for s in (0.1, 1e-3, 0.0)
    ]
    assert errors[0] > 0.05
    assert errors[1] < 0.01
    assert errors[2] < 1e-5


def test_a_fully_sampled_image_comes_back(kspace):
    everything = np.ones((2, 12, 1), bool)
    found = restored(kspace, everything, 0.0)
    np.testing.assert_allclose(found, ifft(kspace), atol=1e-6)


def test_samples_outside_the_mask_do_not_count(kspace, mask):
    wanted = restored(kspace, mask, 0.01)
    dirty = np.where(mask, kspace, 7 + 2j)
    np.testing.assert_array_equal(restored(dirty, mask, 0.01), wanted)


def test_a_mean_that_was_not_measured_stays_finite(kspace, mask):
    mask = mask.copy()
    mask[:, 0] = False
    found = restored(kspace, mask, 0.01)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.mean((1, 2)), 0, atol=1e-5)


def test_one_mask_serves_all_frames_and_frames_do_not_depend_on_each_other(
    kspace, mask
):
    both = restored(kspace, mask[:1], 0.01)
    alone = restored(kspace[1:], mask[:1], 0.01)
    np.testing.assert_allclose(both[1:], alone, atol=1e-6)


def test_a_piecewise_constant_image_is_restored_far_better_than_by_zeros():
    image = np.zeros((1, 32, 24))
    image[:, 6:26, 4:20] = 0.6
    image[:, 12:20, 8:14] = 1.0
    lines = np.isin(np.arange(32), (0, 1, 2, 3, 5, 8, 11, 16, 22, 26, 28, 29, 30, 31))
    mask = lines[None, :, None]
    kspace = np.where(mask, fft(image), 0)
    found = restored(kspace, mask, 1e-3, 100)

    def psnr_db(result):
        return -10 * np.log10(np.mean((abs(result) - image) ** 2))

    assert psnr_db(found) > psnr_db(ifft(kspace)) + 15


def test_the_adjoint_of_the_differences_is_theirs():
    image, found = random_complex(1, *SHAPE), random_complex(2, 2, *SHAPE)
    assert_adjoint(differences, adjoint_differences, image, found)


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.01, 0.1])
def test_with_coils_it_reaches_the_least_of_the_objective(strength):
    image = np.zeros((1, 12, 10), complex)
    image[:, 3:9, 2:7] = 0.8
    lines = (np.arange(12) % 2 == 0)[None, :, None]
    maps = simulated_coil_maps(3, 12, 10)
    clean = undersample(jnp.asarray(image, jnp.complex64), jnp.asarray(lines), maps)
    noise = 0.05 * random_complex(5, *clean.kspace.shape)
    measurement = clean._replace(kspace=clean.kspace + noise)
    data, maps = (np.asarray(x, complex) for x in (measurement.kspace, maps))

    def misfit(x):
        return np.where(lines[:, None], fft(maps * x[:, None]) - data, 0)

    def value(x):
        return (abs(misfit(x)) ** 2).sum() / 2 + strength * variation(x)[0]

    # Condat and Vu's method, in float64: gradient steps, and the dual of the variation.
    found, dual = np.zeros_like(image), np.zeros((2, *image.shape), complex)
    for _ in range(4000):
        gradient = (maps.conj() * ifft(misfit(found))).sum(1)
        moved = found - 0.5 * (gradient + minus_divergence(dual))
        dual = dual + steps(2 * moved - found) / 8
        dual /= np.maximum(1, np.sqrt((abs(dual) ** 2).sum(0)) / strength)
        found = moved
    ours = np.asarray(solve(measurement, strength, 200))
    np.testing.assert_allclose(value(ours), value(found), rtol=1e-3)
    assert abs(ours - found).max() < 0.02


def test_one_coil_of_sensitivity_one_is_no_coil(kspace, mask):
    plain = Measurement(jnp.asarray(kspace, jnp.complex64), jnp.asarray(mask))
    coils = Measurement(
        plain.kspace[:, None], plain.mask, jnp.ones((2, 1, 12, 10), jnp.complex64)
    )
    np.testing.assert_allclose(
        solve(coils, 0.03, 200), solve(plain, 0.03, 200), atol=2e-3
    )


def test_total_variation_does_not_depend_on_the_phase(random):
    image = random.random(SHAPE)
    wanted = variation(image)
    for turned in (image, image * np.exp(1.3j)):
        found = total_variation(jnp.asarray(turned, jnp.complex64))
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
