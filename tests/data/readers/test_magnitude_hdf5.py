import numpy as np
import pytest

from emrnas_jax.data.readers.recognition import read_images
from emrnas_jax.errors import InputError


def test_a_file_is_one_subject(tmp_path, write, levels):
    found = read_images(write.hdf5(tmp_path, "head.h5", images=levels[0]))
    assert [named[:3] for named in found] == [("head", n, 0) for n in range(3)]
    np.testing.assert_array_equal([named.image for named in found], levels[0])


def test_stored_numbers_name_the_slices(tmp_path, write, levels):
    path = write.hdf5(tmp_path, images=levels[0], image_number=[4, 9, 11])
    assert [named.slice for named in read_images(path)] == [4, 9, 11]


@pytest.mark.parametrize("numbers", [[1, 2], [1.0, 2.0, 3.0]])
def test_numbers_that_do_not_fit_are_refused(tmp_path, write, levels, numbers):
    path = write.hdf5(tmp_path, images=levels[0], image_number=numbers)
    with pytest.raises(InputError, match="`image_number`: expected 3 integers"):
        read_images(path)
