import numpy as np
import pytest

from emrnas_jax.data.readers.recognition import read_images
from emrnas_jax.errors import InputError


def test_every_frame_is_read_with_its_name(tmp_path, write, levels):
    found = read_images(write.hdf5(tmp_path, attributes={"subject": 7}, frames=levels))
    assert len(found) == 6
    for named in found:
        assert named.subject == "p07"
        np.testing.assert_array_equal(named.image, levels[named.slice, named.frame])


def test_a_file_without_subject_is_its_own(tmp_path, write, levels):
    found = read_images(write.hdf5(tmp_path, "volunteer3.h5", frames=levels))
    assert {named.subject for named in found} == {"volunteer3"}


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.complex64])
def test_other_types_than_grey_levels_are_refused(tmp_path, write, levels, dtype):
    path = write.hdf5(tmp_path, frames=levels.astype(dtype))
    with pytest.raises(InputError, match=f"uint8 grey levels, found {dtype.__name__}"):
        read_images(path)


def test_a_single_slice_is_refused(tmp_path, write, levels):
    path = write.hdf5(tmp_path, frames=levels[0])
    with pytest.raises(InputError, match=r"slice, time, row, column.*\(3, 12, 10\)"):
        read_images(path)


def test_no_times_is_an_error(tmp_path, write, levels):
    path = write.hdf5(tmp_path, frames=levels[:, :0])
    with pytest.raises(InputError, match="no frames"):
        read_images(path)


def test_images_without_pixels_are_an_error(tmp_path, write, levels):
    path = write.hdf5(tmp_path, frames=levels[..., :0])
    with pytest.raises(InputError, match="slice 0, frame 0 is empty, 12 x 0 pixels"):
        read_images(path)


def test_real_frames_keep_the_darkness_of_subject_6(shared_data):
    found = read_images(shared_data / "cardiac" / "cardiac_p06.h5")
    assert len(found) == 100
    assert {named.subject for named in found} == {"p06"}
    # The data's description: this subject never exceeds level 136.
    assert 89 <= max(named.image.max() for named in found) <= 136
