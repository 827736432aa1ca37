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


def write_beside(folder, text, shape=(32, 20)):
    """Write k-space with the header beside it."""
    path = folder / "scan.h5"
    with h5py.File(path, "w") as file:
        file["ismrmrd_header"] = text
        file["kspace"] = np.ones(shape, complex)
    return path


def write_raw(folder, text):
    path = folder / "scan.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        group.create_dataset("xml", (1,), h5py.string_dtype())[0] = text
    return path


@pytest.fixture(params=[write_beside, write_raw])
def write(request, tmp_path):
    return lambda text: request.param(tmp_path, text)


def test_pixels_have_the_size_of_the_encoded_field_of_view(write):
    path = write(HEADER.format(z=1, depth=5))
    # Whole, and with the oversampled readout cut: pixels are as large.
    for shape in ((32, 20), (16, 20)):
        found = kspace_geometry(path, shape)
        assert found.size_mm == (1.5, 2.0, 5.0)
        assert found.affine is None


def test_slices_of_a_raw_volume_lie_along_its_readout(tmp_path):
    path = write_raw(tmp_path, HEADER.format(z=8, depth=24))
    assert kspace_geometry(path, (8, 20)).size_mm == (1.5, 3.0, 2.0)


def test_rows_of_a_volume_beside_its_header_lie_along_the_readout(tmp_path):
    path = write_beside(tmp_path, HEADER.format(z=8, depth=24), (8, 32, 20))
    assert kspace_geometry(path, (32, 20)).size_mm == (1.5, 2.0, 3.0)


@pytest.mark.parametrize(
    ("shape", "axes"), [((30, 18), "row,column"), ((30, 18), ""), ((20, 18, 3, 1), "")]
)
def test_a_header_that_does_not_fit_kspace_gives_no_size(shape, axes, tmp_path):
    """Such as one of the scan before, which reading k-space does not use."""
    path = write_beside(tmp_path, HEADER.format(z=1, depth=5), shape)
    assert kspace_geometry(path, (30, 18), axes) == UNKNOWN


def test_declared_axes_say_whether_the_header_fits(tmp_path):
    path = write_beside(tmp_path, HEADER.format(z=1, depth=5), (32, 20, 3))
    found = kspace_geometry(path, (32, 20), "row,column,coil")
    assert found.size_mm == (1.5, 2.0, 5.0)
    assert kspace_geometry(path, (32, 20)) == UNKNOWN


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
