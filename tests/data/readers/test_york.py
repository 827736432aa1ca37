import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.recognition import read_images
from emrnas_jax.errors import InputError


def test_intensities_become_the_grey_levels_of_the_export(tmp_path, write):
    volume = np.zeros((2, 4, 1, 1), np.int16)
    volume[0, :, 0, 0] = [0, 1000, 2000, 4000]
    [named] = read_images(write.york(tmp_path, volume, subject=7))
    # 1000 / 2000 * 255 = 127.5, which MATLAB rounds up.
    np.testing.assert_array_equal(named.image[0], [0, 128, 255, 255])
    assert named.image.dtype == np.uint8


def test_axes_are_row_column_slice_time(tmp_path, write, random):
    volume = random.uniform(0, 2000, (6, 5, 2, 3))
    found = read_images(write.york(tmp_path, volume, subject=7))
    assert [named[:3] for named in found] == [
        ("p07", slice_, time) for slice_ in range(2) for time in range(3)
    ]
    for named in found:
        expected = volume[:, :, named.slice, named.frame] * 255 / 2000
        np.testing.assert_allclose(named.image, expected, atol=0.5001)


def test_matlab_7_3_reads_like_matlab_5(tmp_path, write, random):
    volume = random.integers(0, 2500, (6, 5, 2, 3), np.int16)
    older = read_images(write.york(tmp_path, volume))
    path = tmp_path / "sol_yxzt_pat2.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["sol_yxzt"] = volume.T
    newer = read_images(path)
    assert [named.subject for named in newer] == ["p02"] * 6
    for one, other in zip(older, newer, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_another_variable_is_named_in_the_error(tmp_path, write, random):
    path = write.york(tmp_path, random.normal(size=(6, 5, 2, 3)), variable="volume")
    with pytest.raises(InputError, match=r"pat1\.mat.*`sol_yxzt`.*volume"):
        read_images(path)


def test_complex_intensities_are_refused(tmp_path, write, random):
    path = write.york(tmp_path, random.normal(size=(6, 5, 2, 3)) * 1j)
    with pytest.raises(InputError, match="complex128; store the magnitude"):
        read_images(path)


def test_a_volume_without_time_is_refused(tmp_path, write, random):
    path = write.york(tmp_path, random.normal(size=(6, 5, 2)))
    with pytest.raises(InputError, match=r"row, column, slice, time.*\(6, 5, 2\)"):
        read_images(path)


def test_no_slices_is_an_error(tmp_path, write):
    path = write.york(tmp_path, np.zeros((6, 5, 0, 3)))
    with pytest.raises(InputError, match="no frames"):
        read_images(path)


def test_nan_is_counted_in_the_error(tmp_path, write, random):
    volume = random.uniform(0, 2000, (6, 5, 2, 3))
    volume[1, 2, 0, :2] = np.nan, np.inf
    with pytest.raises(InputError, match="found 2 NaN or infinite values of 180"):
        read_images(write.york(tmp_path, volume))
