import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.geometry import UNKNOWN
from emrnas_jax.data.readers.kspace_geometry import kspace_geometry
from emrnas_jax.errors import InputError

HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>32</x><y>20</y><z>{z}</z></matrixSize>
<fieldOfView_mm><x>64</x><y>30</y><z>{depth}</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>16</x><y>20</y><z>1</z></matrixSize>
<fieldOfView_mm><x>32</x><y>30</y><z>5</z></fieldOfView_mm></reconSpace>
</encoding></ismrmrdHeader>"""


@pytest.fixture(params=["fastmri", "ismrmrd"])
def write(request, tmp_path):
    def write(text):
        path = tmp_path / "scan.h5"
        with h5py.File(path, "w") as file:
            if request.param == "fastmri":
                file["ismrmrd_header"] = text
            else:
                group = file.create_group("dataset")
                group.create_dataset("xml", (1,), h5py.string_dtype())[0] = text
        return path

    return write


def test_pixels_have_the_size_of_the_encoded_field_of_view(write):
    path = write(HEADER.format(z=1, depth=5))
    # Whole, and with the oversampled readout cut: pixels are as large.
    for shape in ((32, 20), (16, 20)):
        found = kspace_geometry(path, shape)
        assert found.size_mm == (1.5, 2.0, 5.0)
        assert found.affine is None


def test_slices_of_a_volume_lie_along_its_readout(write):
    found = kspace_geometry(write(HEADER.format(z=8, depth=24)), (8, 20))
    assert found.size_mm == (1.5, 3.0, 2.0)


def test_a_header_of_smaller_images_is_not_believed(write):
    path = write(HEADER.format(z=1, depth=5))
    assert kspace_geometry(path, (32, 24)) == UNKNOWN


def test_a_header_without_sizes_says_nothing(write):
    assert kspace_geometry(write(HEADER.format(z=1, depth=0)), (32, 20)) == UNKNOWN
    assert kspace_geometry(write("<ismrmrdHeader/>"), (32, 20)) == UNKNOWN


def test_files_without_a_header_say_nothing(tmp_path):
    np.savez(tmp_path / "a.npz", kspace=np.ones((4, 4), complex))
    assert kspace_geometry(tmp_path / "a.npz", (4, 4)) == UNKNOWN
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kspace"] = np.ones((4, 4), complex)
    assert kspace_geometry(tmp_path / "a.h5", (4, 4)) == UNKNOWN


def test_a_damaged_header_says_nothing(write):
    """Reading k-space warns of it, or refuses the file."""
    assert kspace_geometry(write("<ismrmrdHeader>"), (32, 20)) == UNKNOWN


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "scan.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    with pytest.raises(InputError, match=r"scan\.h5: .*damaged"):
        kspace_geometry(tmp_path / "scan.h5", (32, 20))
