"""Tiny files of every source, written by the libraries that write such files."""

from types import SimpleNamespace

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io
from PIL import Image

from emrnas_jax.data.dataset import DataSettings


def write_york(folder, volume, subject=1, variable="sol_yxzt"):
    path = folder / f"sol_yxzt_pat{subject}.mat"
    scipy.io.savemat(path, {variable: volume})
    return path


def write_png(folder, levels, subject=1, time=1, slice_=0):
    path = folder / f"mr_heart_p{subject:02d}t{time:02d}z{slice_}.png"
    Image.fromarray(levels).save(path)
    return path


def write_hdf5(folder, name="scan.h5", attributes=(), **datasets):
    path = folder / name
    with h5py.File(path, "w") as file:
        for key, value in datasets.items():
            file[key] = value
        file.attrs.update(dict(attributes))
    return path


def write_nifti(folder, volume, subject=1):
    path = folder / f"CC{subject:04d}_philips_15_55_M.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), path)
    return path


def write_raw(folder, kspace, subject=1):
    path = folder / f"e{subject}s3_P44544.7.npy"
    np.save(path, kspace)
    return path


@pytest.fixture
def write():
    """The writers of all file formats."""
    return SimpleNamespace(
        york=write_york,
        png=write_png,
        hdf5=write_hdf5,
        nifti=write_nifti,
        raw=write_raw,
    )


@pytest.fixture
def random():
    return np.random.default_rng(7)


@pytest.fixture
def levels(random):
    """Grey levels [slice, time, row, column] of one subject: 2 x 3 images, 12 x 10."""
    return random.integers(0, 256, (2, 3, 12, 10), np.uint8)


# One good file of every source, two or three images of 12 x 10.
def _york(folder, random):
    return write_york(folder, random.integers(0, 2500, (12, 10, 2, 3), np.int16))


def _png(folder, random):
    return write_png(folder, random.integers(0, 256, (12, 10), np.uint8))


def _cardiac(folder, random):
    frames = random.integers(0, 256, (2, 3, 12, 10), np.uint8)
    return write_hdf5(folder, "cardiac_p01.h5", {"subject": 1}, frames=frames)


def _magnitude(folder, random):
    images = random.integers(0, 256, (3, 12, 10), np.uint8)
    return write_hdf5(folder, "magnitude.h5", images=images)


def _real(folder, random):
    images = random.random((3, 12, 10)) * 900
    return write_hdf5(folder, "real.h5", images=images)


def _complex(folder, random):
    parts = random.normal(size=(2, 3, 12, 10))
    return write_hdf5(folder, "complex.h5", images=parts[0] + 1j * parts[1])


def _nifti(folder, random):
    return write_nifti(folder, random.integers(1, 900, (3, 12, 10), np.int16))


def _raw(folder, random):
    return write_raw(folder, random.normal(size=(3, 12, 10, 2)))


GOOD_FILES = {
    "york": _york,
    "cardiac_png": _png,
    "cardiac_hdf5": _cardiac,
    "magnitude_hdf5": _magnitude,
    "real_hdf5": _real,
    "complex_hdf5": _complex,
    "calgary_nifti": _nifti,
    "calgary_raw": _raw,
}


@pytest.fixture(params=GOOD_FILES)
def source_name(request):
    return request.param


@pytest.fixture
def good_file(source_name, tmp_path, random):
    folder = tmp_path / source_name
    folder.mkdir()
    return GOOD_FILES[source_name](folder, random)


@pytest.fixture
def write_good(random):
    """Write one good file of a source, by the source's name, into a folder."""
    return lambda name, folder: GOOD_FILES[name](folder, random)


@pytest.fixture
def settings(tmp_path):
    """Make settings that keep their cache inside the test."""

    def make(path, **changes):
        defaults = {"cache": str(tmp_path / "cache"), "height": 12, "width": 10}
        return DataSettings(path=str(path), **(defaults | changes))

    return make
