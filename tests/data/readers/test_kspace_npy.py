import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_files import load_kspace, takes
from emrnas_jax.data.readers.kspace_frames import parse_frames
from emrnas_jax.data.readers.recognition import source_of
from emrnas_jax.errors import InputError


@pytest.fixture
def coils(scanner):
    """Centred k-space [coil, row, column]."""
    return scanner.centred(scanner.object(48, 40, frames=3)).astype(np.complex64)


@pytest.fixture
def save(tmp_path):
    def save(values, name="cartesian_ksp.npy"):
        np.save(tmp_path / name, values)
        return tmp_path / name

    return save


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("coil,row,column", (1, 3, 48, 40)), ("frame,row,column", (3, 48, 40))],
)
def test_named_axes_settle_what_an_array_is(axes, shape, coils, save):
    path = save(coils)
    assert takes(path)
    found = load_kspace(path, axes=axes).plain
    assert found.values.shape == shape
    size = (-1, 48, 40)
    centred = np.fft.fftshift(found.values * found.largest, (-2, -1)).reshape(size)
    np.testing.assert_allclose(abs(centred), abs(coils), rtol=1e-4, atol=1e-6)
    last = load_kspace(
        save(np.moveaxis(coils, 0, -1)), axes="row,column," + axes.partition(",")[0]
    )
    np.testing.assert_array_equal(last.plain.values, found.values)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_more_than_two_axes_without_names_are_refused_in_one_line(count, coils, save):
    values = coils[(None,) * (count - 3)]
    with pytest.raises(InputError, match=r"--kspace_axes=.*row,column") as error:
        load_kspace(save(values))
    assert str(values.shape) in str(error.value)
    assert "\n" not in str(error.value)


def test_two_axes_are_rows_and_columns(coils, save):
    assert load_kspace(save(coils[0])).plain.values.shape == (1, 48, 40)


def test_one_frame_is_that_of_all(coils, save):
    path, axes = save(coils), "frame,row,column"
    one = load_kspace(path, axes=axes, frames=parse_frames("1")).plain
    whole = load_kspace(path, axes=axes).plain
    np.testing.assert_allclose(
        one.values * one.largest, whole.values[1:2] * whole.largest, rtol=1e-5
    )


def test_masks_images_and_what_is_no_array_are_passed_over(save, tmp_path):
    assert not takes(save(np.ones((4, 40), bool), "masks.npy"))
    assert not takes(save(np.ones((4, 40)), "images.npy"))
    assert source_of(tmp_path / "masks.npy") is None
    (tmp_path / "notes.npy").write_bytes(b"\x93NUMPY\x01")
    assert not takes(tmp_path / "notes.npy")
    assert not takes(tmp_path / "nowhere.npy")


def test_a_file_cut_short_or_empty_is_named(coils, save):
    path = save(coils[0])
    path.write_bytes(path.read_bytes()[:-100])
    assert takes(path)
    with pytest.raises(InputError, match=r"cartesian_ksp\.npy: .*damaged"):
        load_kspace(path)
    with pytest.raises(InputError, match="is empty"):
        load_kspace(save(np.ones((0, 4), complex)))
