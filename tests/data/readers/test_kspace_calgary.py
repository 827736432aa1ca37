"""Calgary-Campinas data of several coils."""

import numpy as np
import pytest

from emrnas_jax.data.readers import kspace_calgary
from emrnas_jax.data.readers.kspace_files import load_kspace
from emrnas_jax.errors import InputError

NAME = "e14089s3_P53248.7.h5"


def test_parts_of_coils_in_turn_become_complex_coils(random, tmp_path, write):
    images = 5 + random.normal(size=(3, 2, 16, 12)) + 1j  # [slice, coil, row, column]
    kspace = np.fft.fftshift(np.fft.fft2(images, norm="ortho"), axes=(-2, -1))
    stored = np.stack([kspace.real, kspace.imag], 2).reshape(3, 4, 16, 12)
    values = np.moveaxis(stored, 1, -1).astype(np.float32)
    path = write.hdf5(tmp_path, NAME, kspace=values)
    plain = load_kspace(path).plain
    expected = np.fft.fft2(images, norm="ortho")
    np.testing.assert_allclose(plain.values * plain.largest, expected, atol=1e-4)
    assert str(plain.storage.convention) == "shifted (from the file)"


def test_only_its_names_and_shapes_are_taken(random, tmp_path, write):
    values = random.normal(size=(3, 8, 6, 5)).astype(np.float32)
    assert not kspace_calgary.takes(write.hdf5(tmp_path, "scan.h5", kspace=values))
    path = write.hdf5(tmp_path, NAME, kspace=values)
    assert kspace_calgary.takes(path)
    with pytest.raises(InputError, match=r"2 \* coils.*\(3, 8, 6, 5\)"):
        kspace_calgary.load(path, "")
