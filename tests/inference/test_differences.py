import dataclasses

import msgspec
import numpy as np
import pytest

from emrnas_jax.data.readers.scan import Scan
from emrnas_jax.inference import load_model
from emrnas_jax.inference.differences import phase_fraction, warnings_for


@pytest.fixture(scope="module")
def model(make_model):
    return load_model(make_model())


@pytest.fixture
def random():
    return np.random.default_rng(3)


def scan_of(image, mask):
    kspace = (np.fft.fft2(image, norm="ortho") * mask).astype(np.complex64)[None]
    number = np.zeros(1, np.int32)
    return Scan(("s",), number, number, None, kspace, mask[None], 1.0)


def lines(count, height=16):
    return (np.arange(height) < count)[:, None]


def test_a_scan_like_the_training_gives_no_warning(model, random):
    assert not warnings_for(model, scan_of(random.random((16, 16)), lines(5)))


def test_each_difference_from_the_training_is_said(model, random):
    image = random.random((16, 16))
    phase = np.exp(2j * np.pi * random.random((16, 16)))
    for scan, wanted in (
        (scan_of(random.random((24, 16)), lines(7, 24)), "24 x 16"),
        (scan_of(image, lines(8)), "50% of k-space"),
        (scan_of(image, lines(15)), "--fully_sampled"),
        (scan_of(image, lines(5).T), r"axis"),
        (scan_of(image * phase, lines(5)), "phase"),
    ):
        [warning] = warnings_for(model, scan)
        assert wanted in warning


def test_every_size_of_the_training_is_like_it(model, random):
    shapes = ((40, 16), (24, 16))
    record = msgspec.structs.replace(model.record, other_shapes=shapes)
    several = dataclasses.replace(model, record=record)
    scan = scan_of(random.random((24, 16)), lines(7, 24))
    assert not warnings_for(several, scan)
    wide = scan_of(random.random((16, 24)), lines(5))
    [warning] = warnings_for(several, wide)
    assert "trained on 16 x 16 or 40 x 16 or 24 x 16;" in warning


def test_a_network_of_several_rates_takes_each_of_them(model, random):
    sampling = model.record.sampling | {"other_rates": "0.5"}
    record = msgspec.structs.replace(model.record, sampling=sampling)
    several = dataclasses.replace(model, record=record)
    image = random.random((16, 16))
    assert not warnings_for(several, scan_of(image, lines(8)))
    [warning] = warnings_for(several, scan_of(image, lines(14)))
    assert "trained for 30%, 50%" in warning


@pytest.mark.parametrize(
    ("count", "wanted"),
    [(5, "trained for 15%; --model=cardiac5to30 was"), (60, "--fully_sampled")],
)
def test_an_included_model_names_the_one_for_another_rate(random, count, wanted):
    shape = (256, 64)
    record = msgspec.structs.replace(load_model("cardiac15").record, shape=shape)
    model = dataclasses.replace(load_model("cardiac15"), record=record)
    image = random.random(shape)
    [warning] = warnings_for(model, scan_of(image, lines(count * 256 // 100, 256)))
    assert wanted in warning


def test_what_was_trained_on_nothing_gives_no_warning(random):
    scan = scan_of(random.random((24, 16)), lines(15, 24))
    assert not warnings_for(load_model("tv"), scan)


def test_a_subject_of_the_training_is_said(make_model, random):
    folder = make_model(name="fold_1/seen")
    manifest = '{"folds": [{"train": ["s"], "validation": ["t"], "test": ["u"]}]}'
    (folder.parent.parent / "folds.json").write_text(manifest)
    scan = scan_of(random.random((16, 16)), lines(5))
    [warning] = warnings_for(load_model(folder), scan)
    assert "trained on this subject" in warning


@pytest.mark.parametrize("size", [(16, 16), (15, 12)])
def test_real_images_have_no_phase_and_random_phases_half(size, random):
    image = random.normal(size=size)
    mask = np.ones((size[0], 1), bool)
    real = np.fft.fft2(image).astype(np.complex64)
    assert phase_fraction(real, mask) < 1e-10
    phase = np.exp(2j * np.pi * random.random(size))
    turned = np.fft.fft2(image * phase).astype(np.complex64)
    assert phase_fraction(turned, mask) == pytest.approx(0.5, abs=0.1)
