import numpy as np
import pytest

from emrnas_jax.data.readers.recognition import read_images
from emrnas_jax.errors import InputError


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
def test_a_file_is_divided_by_its_largest_intensity(dtype, tmp_path, write, levels):
    images = levels[0].astype(dtype) * 3
    found = read_images(write.hdf5(tmp_path, "head.h5", images=images))
    assert [named[:3] for named in found] == [("head", n, 0) for n in range(3)]
    for named, image in zip(found, images, strict=True):
        assert named.image.dtype == np.float32
        np.testing.assert_allclose(named.image, image / images.max(), atol=1e-6)


def test_stored_numbers_name_the_slices(tmp_path, write, levels):
    path = write.hdf5(tmp_path, images=levels[0] * 1.0, image_number=[4, 9, 11])
    assert [named.slice for named in read_images(path)] == [4, 9, 11]


def test_small_negative_values_become_zero_and_large_ones_are_refused(
    tmp_path, write, levels
):
    images = levels[0].astype(np.float32)
    images[0, 0, 0] = -0.01 * images.max()
    first = read_images(write.hdf5(tmp_path, images=images))[0]
    assert first.image.min() == 0
    images[0, 0, 0] = -images.max()
    with pytest.raises(InputError, match="expected magnitudes, found values down to -"):
        read_images(write.hdf5(tmp_path, images=images))


def test_what_is_no_stack_of_finite_numbers_is_refused(tmp_path, write, levels):
    for images, message in (
        (levels[0, 0] * 1.0, r"expected the axes \[image, row, column\]"),
        (levels[0] * np.nan, "NaN"),
    ):
        with pytest.raises(InputError, match=message):
            read_images(write.hdf5(tmp_path, images=images))
