"""ESPIRiT: maps that were put in come out; SigPy finds the same ones."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.mri.calibration import calibration_region
from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.mri.espirit import (
    EspiritSettings,
    espirit,
    explained,
)
from emrnas_jax.mri.fourier import fft2, ifft2, to_centred_kspace
from tests.fixtures.operator_laws import random_complex

SHAPE = (48, 40)
REGION = (slice(12, 36), slice(8, 32))  # 24 x 24 samples around the middle
SMALL = EspiritSettings(kernel=4, width=20)


def disc(shape=SHAPE, radius=0.7):
    row, column = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return row**2 + column**2 < radius**2


def image_in(support):
    """A smooth image with texture and phase, 0 outside of the support: [1, ...]."""
    spectrum = np.zeros(SHAPE, complex)
    spectrum[:9, :9] = np.asarray(random_complex(0, 9, 9))
    texture = np.fft.ifft2(spectrum) * 200
    return jnp.asarray((2 + texture)[None] * support, jnp.complex64)


def cosine(first, second):
    """|<a, b>| / |a| |b| of every pixel's coil vectors."""
    product = np.abs(np.sum(np.conj(first) * second, axis=0))
    lengths = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    return product / np.maximum(lengths, 1e-12)


@pytest.mark.slow
def test_the_maps_that_were_put_in_come_out():
    maps, support = birdcage_maps(5, SHAPE), disc()
    found, values = espirit(fft2(maps * image_in(support)), REGION, SMALL)
    assert found.shape == (1, 5, *SHAPE)
    assert found.dtype == jnp.complex64
    inside = np.asarray(disc(radius=0.6))
    assert (cosine(maps, found[0])[inside] > 0.999).all()
    assert (values[0][inside] > 0.97).all()
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=0)[inside], 1, atol=1e-5)
    # The corners have no object, so no maps.
    assert not found[0][:, :4, :4].any()
    assert np.abs(found[0, 0].imag).max() < 1e-4


def test_maps_do_not_depend_on_the_scale_and_the_phase_of_the_samples():
    kspace = fft2(birdcage_maps(4, SHAPE) * image_in(disc()))
    first, _ = espirit(kspace, REGION, SMALL)
    second, _ = espirit(kspace * jnp.complex64(1e-4j), REGION, SMALL)
    np.testing.assert_allclose(first, second, atol=1e-3)


@pytest.mark.slow
def test_an_image_that_wraps_around_needs_two_maps():
    """The upper and the lower half of an object lie on top of each other."""
    tall = (2 * SHAPE[0], SHAPE[1])
    full = np.asarray(birdcage_maps(6, tall)).reshape(6, 2, *SHAPE)
    halves = np.concatenate([image_in(disc()), image_in(disc(radius=0.5)) * 1j])
    coils = jnp.asarray((full * halves).sum(1), jnp.complex64)

    def left_over(count):
        settings = EspiritSettings(maps=count, kernel=4, width=20, crop=0.0)
        maps, _ = espirit(fft2(coils), REGION, settings)
        kept = sum(each * (each.conj() * coils).sum(0, keepdims=True) for each in maps)
        inside = np.asarray(disc(radius=0.4))
        return float(np.linalg.norm((kept - coils)[:, inside]))

    assert left_over(2) < 0.05 * left_over(1)


def test_sigpy_finds_the_same_maps():
    calibration = pytest.importorskip("sigpy.mri.app").EspiritCalib
    kspace = fft2(birdcage_maps(5, SHAPE) * image_in(disc()))
    kspace += 0.01 * random_complex(1, 5, *SHAPE)
    found, _ = espirit(kspace, REGION, replace(SMALL, crop=0.95))
    settings = {"calib_width": 20, "kernel_width": 4, "thresh": 0.02, "crop": 0.95}
    settings["show_pbar"] = False
    app = calibration(to_centred_kspace(np.asarray(kspace)), **settings)
    theirs = np.asarray(app.run())
    ours = np.linalg.norm(found[0], axis=0) > 0
    both = ours & (np.linalg.norm(theirs, axis=0) > 0)
    # Pixels at the threshold may fall to either side.
    assert both.sum() > 0.98 * ours.sum()
    assert (cosine(theirs, found[0])[both] > 1 - 1e-4).all()


def test_without_the_zero_frequency_the_region_is_empty():
    lines = np.arange(16)[:, None] % 2 == 1
    rows, columns = calibration_region(lines, (16, 12))
    assert rows.stop - rows.start == columns.stop - columns.start == 0
    with pytest.raises(InputError, match=r"0 x 0 samples .* need 6 x 6"):
        espirit(jnp.ones((2, 16, 12), jnp.complex64), (rows, columns))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"maps": 3}, "espirit.maps: expected 1 or 2, found 3"),
        ({"kernel": 2}, "espirit.kernel: expected 3 or more"),
        ({"threshold": 1.0}, "espirit.threshold"),
        ({"crop": 1.5}, "espirit.crop"),
        ({"width": 4}, "espirit.width: expected at least the kernel"),
    ],
)
def test_impossible_settings_are_refused_with_their_value(settings, message):
    with pytest.raises(InputError, match=message):
        EspiritSettings(**settings)


def test_two_maps_of_one_coil_are_refused():
    kspace = random_complex(0, 1, *SHAPE)
    with pytest.raises(InputError, match="2 maps need as many coils, found 1"):
        espirit(kspace, REGION, EspiritSettings(maps=2))


def test_a_small_region_gets_a_small_kernel():
    """Eight lines, as few as fastMRI measures: a kernel of 6 would have 3 positions."""
    maps, support = birdcage_maps(5, SHAPE), disc()
    kspace = fft2(maps * image_in(support))
    region = (slice(0, 48), slice(16, 24))
    found, _ = espirit(kspace, region)
    inside = np.asarray(disc(radius=0.6))
    assert (cosine(maps, found[0])[inside] > 0.99).mean() > 0.98
    assert explained(kspace, region, found) > 0.98


def test_good_maps_explain_the_region_and_others_do_not():
    maps = birdcage_maps(5, SHAPE)
    kspace = fft2(maps * image_in(disc()))
    np.testing.assert_allclose(explained(kspace, REGION, maps[None]), 1, atol=1e-3)
    assert explained(kspace, REGION, maps[None, ::-1]) < 0.9
    assert explained(kspace, REGION, 0 * maps[None]) == 0


def test_the_image_is_left_as_it_is_by_its_own_maps():
    """S Sᴴ x = x inside of the object: what calibration is for."""
    coils = birdcage_maps(5, SHAPE) * image_in(disc())
    maps, _ = espirit(fft2(coils), REGION, SMALL)
    kept = maps[0] * (maps[0].conj() * ifft2(fft2(coils))).sum(0, keepdims=True)
    inside = np.asarray(disc(radius=0.6))
    np.testing.assert_allclose(kept[:, inside], coils[:, inside], atol=0.02)
