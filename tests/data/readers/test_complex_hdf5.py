import numpy as np
import pytest

from emrnas_jax.data.readers.recognition import read_images
from emrnas_jax.errors import InputError


@pytest.fixture
def images(random):
    """Three complex images on a scanner's scale."""
    parts = random.normal(size=(2, 3, 12, 10)) * 1e-6
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def test_each_image_is_divided_by_its_largest_magnitude(tmp_path, write, images):
    for named in read_images(write.hdf5(tmp_path, images=images)):
        original = images[named.slice]
        assert named.image.dtype == np.complex64
        expected = original / np.abs(original).max()
        np.testing.assert_allclose(named.image, expected, rtol=1e-6)


def test_blocks_of_30_numbers_are_subjects(tmp_path, write, images):
    path = write.hdf5(tmp_path, "siat.h5", images=images, image_number=[30, 31, 61])
    names = [named[:2] for named in read_images(path)]
    assert names == [("siat_1", 30), ("siat_2", 31), ("siat_3", 61)]


def test_without_numbers_a_file_is_one_subject(tmp_path, write, images):
    path = write.hdf5(tmp_path, "volunteer.h5", images=images)
    assert {named.subject for named in read_images(path)} == {"volunteer"}


def test_a_nan_names_the_image(tmp_path, write, images):
    images[1, 2, 3] = np.nan
    with pytest.raises(InputError, match="image 1: found 1 NaN"):
        read_images(write.hdf5(tmp_path, images=images))


def test_a_stack_of_coils_is_refused(tmp_path, write, images):
    path = write.hdf5(tmp_path, images=images[None])
    with pytest.raises(InputError, match="image, row, column"):
        read_images(path)
