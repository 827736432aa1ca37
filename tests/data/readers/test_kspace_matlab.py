"""K-space in MATLAB files of both versions."""

import h5py
import numpy as np
import pytest
import scipy.io

from emrnas_jax.data.readers.kspace_matlab import load, takes
from emrnas_jax.errors import InputError


def write(path, version, **arrays):
    """Write arrays in MATLAB's order of axes."""
    if version == "5":
        scipy.io.savemat(path, arrays)
        return path
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            stored = array.T
            if stored.dtype.kind == "c":
                parts = [("real", stored.real.dtype), ("imag", stored.real.dtype)]
                stored = np.empty(array.T.shape, parts)
                stored["real"], stored["imag"] = array.T.real, array.T.imag
            file[name] = stored
    return path


@pytest.fixture
def values(random):
    """[row, column, coil, slice, frame]."""
    parts = random.normal(size=(2, 6, 5, 4, 3, 2))
    return parts[0] + 1j * parts[1]


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_axes_are_row_column_coil_slice_frame(version, values, tmp_path):
    path = tmp_path / "scan.mat"
    for name, array, expected in (
        ("kspace_full", values, values.transpose(3, 4, 2, 0, 1).reshape(6, 4, 6, 5)),
        ("kus", values[..., 0], values[..., 0].transpose(3, 2, 0, 1)),
        ("kspace", values[..., 0, 0], values[..., 0, 0].transpose(2, 0, 1)[None]),
        ("kdata", values[..., 0, 0, 0], values[..., 0, 0, 0][None]),
        (
            "kspace_single_sub04",
            values[..., 0, :, :],
            values[..., 0, :, :].transpose(2, 3, 0, 1).reshape(6, 6, 5),
        ),
    ):
        write(path, version, **{name: array})
        assert takes(path)
        np.testing.assert_array_equal(load(path, "").kspace, expected)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_mask_beside_kspace_has_its_order(version, values, random, tmp_path):
    mask = (random.random((6, 5)) < 0.5).astype(float)
    path = write(tmp_path / "a.mat", version, kspace=values[..., 0, 0, 0], mask=mask)
    np.testing.assert_array_equal(load(path, "").mask, mask)


def test_declared_axes_are_in_matlabs_order(values, tmp_path):
    path = write(tmp_path / "a.mat", "5", kspace=values[..., 0, 0].transpose(2, 0, 1))
    found = load(path, "coil,row,column")
    np.testing.assert_array_equal(found.kspace[0], values[..., 0, 0].transpose(2, 0, 1))


def test_a_mask_is_turned_with_declared_axes(values, random, tmp_path):
    mask = (random.random((6, 5)) < 0.5).astype(float)
    turned = values[..., 0, 0, 0].T
    path = write(tmp_path / "a.mat", "5", kspace=turned, mask=mask.T)
    found = load(path, "column,row")
    np.testing.assert_array_equal(found.kspace[0], values[..., 0, 0, 0])
    np.testing.assert_array_equal(found.mask, mask)


def test_files_of_other_variables_are_left_to_others(values, tmp_path):
    path = write(tmp_path / "a.mat", "5", sol_yxzt=values.real)
    assert not takes(path)
    scipy.io.savemat(path, {"data": {"images": values}})
    assert not takes(path)
    assert not takes(tmp_path / "notes.txt")


def test_what_cannot_be_used_is_refused(values, tmp_path):
    path = tmp_path / "a.mat"
    with pytest.raises(InputError, match="complex values, found float64"):
        load(write(path, "7.3", kspace=values.real), "")
    with pytest.raises(InputError, match="2 axes, and kspace_axes=row,column,coil"):
        load(write(path, "5", kspace=values[..., 0, 0, 0]), "row,column,coil")
    small = values[..., 0, 0, 0]
    with pytest.raises(InputError, match="found kspace_sub04, kspace_sub08"):
        load(write(path, "5", kspace_sub04=small, kspace_sub08=small), "")
    assert load(write(path, "5", kspace=small, data=values.real), "").kspace.size == 30
    many = np.stack([values, values], -1)
    with pytest.raises(InputError, match=r"--kspace_axes"):
        load(write(path, "5", kspace=many), "")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="cut short or damaged"):
        takes(path)
