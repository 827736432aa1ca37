import importlib.util
from pathlib import Path

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_conventions import Stated, Storage
from emrnas_jax.data.readers.kspace_origin import (
    middle_score,
    origin_warnings,
    require_order,
)
from emrnas_jax.errors import InputError

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "kspace_conventions.py"


def storage(convention="centred", by="assumed", norm="ortho", norm_by="assumed"):
    return Storage(Stated(convention, by), Stated(norm, norm_by))


@pytest.fixture
def images(random):
    """Two images of 24 x 20 with an object in the middle, and noise."""
    y, x = np.mgrid[-1:1:24j, -1:1:20j]
    inside = np.hypot(x, y) < np.array([0.6, 0.8])[:, None, None]
    return inside * (1 + 0.3 * x) + 0.02 * random.normal(size=(2, 24, 20))


def rolled(images):
    return np.fft.fftshift(images, axes=(1, 2))


def test_rolling_by_half_the_size_changes_the_sign_of_the_score(images, random):
    assert middle_score(images) > 1
    noise = random.normal(size=(1, 18, 16)) + 1j * random.normal(size=(1, 18, 16))
    for image in (images, noise):
        assert middle_score(rolled(image)) == pytest.approx(-middle_score(image))


def test_the_score_does_not_depend_on_scale_and_phase(images):
    turned = images * 1e-6 * np.exp(2j)
    assert middle_score(turned) == pytest.approx(middle_score(images), abs=1e-6)


def test_the_break_at_the_border_tells_images_that_fill_their_frame(random):
    ramp = np.linspace(1, 2, 32)[:, None] * np.linspace(1, 2, 32)
    image = (ramp + 0.01 * random.normal(size=(32, 32)))[None]
    assert middle_score(image) > 0.5
    assert middle_score(rolled(image)) < -0.5


def test_small_images_and_zeros_are_not_judged():
    corner = np.zeros((1, 12, 40))
    corner[:, 0, 0] = 1
    assert middle_score(corner) == 0
    assert middle_score(np.zeros((1, 16, 16))) == 0


@pytest.fixture
def large(random):
    """An image of 80 x 64 with an object in the middle, longer than it is wide."""
    y, x = np.mgrid[-1:1:80j, -1:1:64j]
    return ((y / 0.75) ** 2 + (x / 0.6) ** 2 < 1) + 0.02 * random.random((1, 80, 64))


def test_images_rolled_along_one_axis_are_told_apart(large):
    for axis, name in ((1, "rows"), (2, "columns")):
        image = np.fft.fftshift(large, axes=axis)
        [warning] = origin_warnings(image, storage(by="given"), "file")
        assert f"round the image's border along the {name}; look" in warning
        assert f"axes={axis - 3}) before their transform" in warning


def test_small_images_give_a_warning_and_are_not_refused(images):
    [warning] = origin_warnings(rolled(images), storage(), "file")
    assert (
        "is wrapped round the image's border along the rows and the columns" in warning
    )


def test_a_rolled_image_is_refused_unless_the_user_says_so(large):
    images = large
    assert not origin_warnings(images, storage(), "file")
    for by in ("assumed", "from the file"):
        with pytest.raises(InputError, match=r"file: .*--kspace_convention=shifted"):
            origin_warnings(rolled(images), storage(by=by), "file")
    [warning] = origin_warnings(rolled(images), storage(by="given"), "file")
    assert "is wrapped round" in warning
    with pytest.raises(
        InputError, match=r"np\.fft\.fftshift to k-space and use .*centred"
    ):
        origin_warnings(rolled(images), storage("plain"), "file")


def test_what_is_barely_rolled_gives_a_warning(random):
    image = 1 + 0.1 * random.random((1, 32, 32))
    image[:, 12:20, 12:20] *= 0.5
    [warning] = origin_warnings(image, storage(), "file")
    assert "may be wrapped round" in warning


def test_the_zero_frequency_is_looked_for_along_both_axes(images):
    plain = np.fft.fft2(images)
    assert not require_order(plain, storage("plain"), "file")
    assert not require_order(rolled(plain), storage("centred"), "file")
    for kspace, convention, message in (
        (plain, "centred", "at index 0, .*use --kspace_convention=plain"),
        (plain, "shifted", "at index 0, .*use --kspace_convention=plain"),
        (rolled(plain), "plain", "in the middle, .*=centred or .*=shifted"),
        (np.fft.fftshift(plain, axes=1), "plain", r"rows alone.*ifftshift\(.*axes=-2"),
        (np.fft.fftshift(plain, axes=1), "centred", r"columns al.*\.fftshift\(.*=-1"),
    ):
        with pytest.raises(InputError, match=f"file: .*{message}"):
            require_order(kspace, storage(convention, "given"), "file")


def test_short_axes_are_not_judged(images):
    short = images[:, 8:16]
    assert not require_order(np.fft.fft2(short), storage("plain"), "file")
    assert not require_order(rolled(np.fft.fft2(short[:, :, 6:14])), storage(), "file")
    with pytest.raises(InputError, match="at index 0"):
        require_order(np.fft.fft2(short), storage("centred"), "file")


def test_an_axis_that_was_transformed_already_gives_a_warning(images):
    half = np.fft.fftshift(np.fft.fft(images, axis=1), axes=1)
    [warning] = require_order(half, storage("centred"), "file")
    assert "along the columns" in warning


@pytest.mark.slow
def test_on_real_images_wrong_flags_are_noticed_and_right_ones_are_not(shared_data):
    spec = importlib.util.spec_from_file_location("kspace_conventions", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    counts, _ = script.table(shared_data, files=100, seed=0)
    silent = {"right": 0, "wrong convention": 0, "wrong norm": 0}
    for (case, outcome), count in counts.items():
        silent[case.flags] += count * (outcome == "silent")
    assert counts.total() == 100
    # Of 1,000 files at most 1 % may fail; of these hundred none does.
    assert silent == {"right": 50, "wrong convention": 0, "wrong norm": 0}
