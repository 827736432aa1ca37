import dataclasses

import numpy as np
import pytest

from emrnas_jax.data.phantom import PAINTERS, PhantomSettings, subject_images
from emrnas_jax.errors import InputError


@pytest.fixture(params=PAINTERS)
def small(request):
    return PhantomSettings(kind=request.param, subjects=3, slices=2, frames=4, size=32)


def images(settings, number=0, complex_valued=False):
    return np.array([n.image for n in subject_images(settings, complex_valued, number)])


def test_images_are_named_by_slice_and_frame(small):
    names = [named[:3] for named in subject_images(small, False, 2)]
    subject = f"{small.kind}002"
    assert names == [(subject, z, t) for z in range(2) for t in range(4)]


def test_all_images_differ(small):
    drawn = np.concatenate([images(small, number) for number in range(3)])
    assert drawn.shape == (24, 32, 32)
    assert len(np.unique(drawn.reshape(24, -1), axis=0)) == 24


def test_subjects_differ_more_than_frames(small):
    one, other = (images(small, number).astype(float) for number in (0, 1))
    between_frames = np.mean((one[0] - one[2]) ** 2)
    assert np.mean((one[0] - other[0]) ** 2) > 2 * between_frames > 0


def test_a_subject_does_not_depend_on_how_many_there_are(small):
    more = dataclasses.replace(small, subjects=9)
    np.testing.assert_array_equal(images(small, 1), images(more, 1))


def test_another_seed_draws_others(small):
    others = dataclasses.replace(small, seed=1)
    assert not np.array_equal(images(small), images(others))


def test_complex_images_have_the_same_magnitude_and_a_smooth_phase(small):
    grey, complex_ = images(small), images(small, complex_valued=True)
    assert complex_.dtype == np.complex64
    np.testing.assert_allclose(np.abs(complex_), grey / 255, atol=0.5001 / 255)
    step = complex_[:, 1:] * complex_[:, :-1].conj()
    steps = np.angle(step[np.abs(step) > 0.01])
    assert np.abs(steps).mean() > 0.01
    assert np.abs(steps).max() < 1


def test_there_is_texture_and_background(small):
    drawn = images(small)
    assert (drawn[0] == 0).mean() > 0.1
    assert len(np.unique(drawn[0])) > 50
    assert drawn.max() > 150


def test_the_heart_contracts_and_fills_again():
    settings = PhantomSettings(subjects=1, slices=1, frames=8, size=64)
    beat = images(settings).astype(float)
    change = [np.mean((frame - beat[0]) ** 2) for frame in beat]
    assert np.argmax(change) == 3
    assert np.all(np.diff(change[:4]) > 0)
    assert np.all(np.diff(change[3:]) < 0)
    assert change[7] < 0.3 * change[3]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "knee"}, "phantom.kind: found 'knee'; known are heart, head"),
        ({"subjects": 0}, "phantom.subjects: .* at least 1, found 0"),
        ({"size": 8}, "phantom.size: .* at least 16, found 8"),
        ({"seed": -1}, "phantom.seed: .* at least 0, found -1"),
    ],
)
def test_wrong_settings_are_named(wrong, message):
    with pytest.raises(InputError, match=message):
        PhantomSettings(**wrong)
