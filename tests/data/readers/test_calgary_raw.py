import numpy as np
import pytest

from emrnas_jax.data.readers.recognition import read_images
from emrnas_jax.errors import InputError


def as_kspace(images):
    """The published form: not centred, real and imaginary parts apart."""
    kspace = np.fft.fft2(images)
    return np.stack([kspace.real, kspace.imag], -1)


def test_images_come_back_from_their_kspace(tmp_path, write, random):
    images = random.normal(size=(3, 12, 10)) + 1j * random.normal(size=(3, 12, 10))
    found = read_images(write.raw(tmp_path, as_kspace(images), subject=14))
    assert [named[:3] for named in found] == [("e14s3_P44544", n, 0) for n in range(3)]
    expected = images / np.abs(images).max()
    np.testing.assert_allclose([named.image for named in found], expected, atol=1e-6)


def test_the_largest_magnitude_of_the_volume_is_one(tmp_path, write, random):
    kspace = random.normal(size=(3, 12, 10, 2)) * [[[[1]]], [[[5]]], [[[2]]]]
    peaks = [abs(n.image).max() for n in read_images(write.raw(tmp_path, kspace))]
    np.testing.assert_allclose(max(peaks), 1, rtol=1e-6)
    assert min(peaks) < 0.9


@pytest.mark.parametrize("shape", [(3, 12, 10), (3, 12, 10, 24), (12, 10, 2)])
def test_other_layouts_are_refused(tmp_path, write, random, shape):
    with pytest.raises(InputError, match=r"44544\.7\.npy.*\(.*\)"):
        read_images(write.raw(tmp_path, random.normal(size=shape)))


def test_no_slices_is_an_error(tmp_path, write):
    with pytest.raises(InputError, match="no frames"):
        read_images(write.raw(tmp_path, np.zeros((0, 12, 10, 2))))


def test_a_nan_is_an_error(tmp_path, write, random):
    kspace = random.normal(size=(3, 12, 10, 2))
    kspace[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="found 1 NaN"):
        read_images(write.raw(tmp_path, kspace))
