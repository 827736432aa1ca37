import numpy as np
import pytest
from PIL import Image

from emrnas_jax.data.readers.recognition import read_images
from emrnas_jax.errors import InputError


def test_levels_survive_and_time_counts_from_zero(tmp_path, write, levels):
    path = write.png(tmp_path, levels[0, 0], subject=7, time=3, slice_=11)
    [named] = read_images(path)
    assert named[:3] == ("p07", 11, 2)
    np.testing.assert_array_equal(named.image, levels[0, 0])


@pytest.mark.parametrize("mode", ["RGB", "I;16", "1", "LA"])
def test_other_modes_are_refused(tmp_path, mode):
    path = tmp_path / "mr_heart_p01t01z0.png"
    Image.new(mode, (8, 8)).save(path)
    with pytest.raises(InputError, match=f"8-bit grey levels.*found mode {mode}"):
        read_images(path)


def test_a_constant_picture_is_an_error(tmp_path, write):
    path = write.png(tmp_path, np.full((8, 8), 30, np.uint8))
    with pytest.raises(InputError, match=r"only constant images \(1\)"):
        read_images(path)
