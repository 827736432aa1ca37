import numpy as np
import pytest

from emrnas_jax.data.readers.recognition import read_images
from emrnas_jax.errors import InputError


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_lie_across_the_shortest_axis(tmp_path, write, random, axis):
    stack = random.integers(0, 900, (3, 12, 10), np.int16)
    path = write.nifti(tmp_path, np.moveaxis(stack, 0, axis), subject=359)
    found = read_images(path)
    assert [named[:3] for named in found] == [("CC0359", n, 0) for n in range(3)]
    expected = (stack / stack.max()).astype(np.float32)
    np.testing.assert_array_equal([named.image for named in found], expected)


def test_negative_values_become_zero(tmp_path, write):
    volume = np.zeros((2, 4, 4), np.float32)
    volume[:, 1, 1], volume[:, 2, 2] = 5, -1
    image = read_images(write.nifti(tmp_path, volume))[0].image
    assert image.min() == 0
    assert image[1, 1] == 1


def test_empty_slices_are_left_out_and_the_others_keep_their_number(
    tmp_path, write, random
):
    volume = random.integers(1, 900, (5, 12, 10), np.int16)
    volume[[0, 3]] = 0
    found = read_images(write.nifti(tmp_path, volume))
    assert [named.slice for named in found] == [1, 2, 4]


def test_an_empty_volume_is_an_error(tmp_path, write):
    path = write.nifti(tmp_path, np.zeros((3, 8, 8), np.int16))
    with pytest.raises(InputError, match=r"only constant images \(3\)"):
        read_images(path)


def test_a_series_of_volumes_is_refused(tmp_path, write, random):
    path = write.nifti(tmp_path, random.integers(0, 9, (3, 8, 8, 2), np.int16))
    with pytest.raises(InputError, match=r"x, y, z.*\(3, 8, 8, 2\)"):
        read_images(path)


def test_complex_volumes_are_refused(tmp_path, write, random):
    volume = random.normal(size=(3, 8, 8)).astype(np.complex64)
    with pytest.raises(InputError, match="complex64; store the magnitude"):
        read_images(write.nifti(tmp_path, volume))


def test_an_infinite_value_is_an_error(tmp_path, write, random):
    volume = random.uniform(0, 1, (3, 8, 8)).astype(np.float32)
    volume[1, 2, 3] = np.inf
    with pytest.raises(InputError, match="found 1 NaN or infinite"):
        read_images(write.nifti(tmp_path, volume))
