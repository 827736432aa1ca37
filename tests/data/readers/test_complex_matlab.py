import h5py
import numpy as np
import pytest
import scipy.io

from emrnas_jax.data.readers.complex_matlab import SOURCE
from emrnas_jax.data.readers.source import read_file
from emrnas_jax.errors import InputError


@pytest.fixture
def images(random):
    """[row, column, slice, coil, echo]."""
    parts = random.normal(size=(2, 12, 10, 2, 1, 3))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def write(path, structure, *, hdf5=False, name="data"):
    if not hdf5:
        scipy.io.savemat(path, {name: structure})
        return path
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group(name)
        for key, value in structure.items():
            stored: np.ndarray = np.asarray(value).T
            if stored.dtype.kind == "c":
                parts = np.empty(stored.shape, [("real", "f4"), ("imag", "f4")])
                parts["real"], parts["imag"] = np.real(stored), np.imag(stored)
                stored = parts
            group[key] = stored
    return path


@pytest.mark.parametrize("name", ["data", "imDataParams"])
@pytest.mark.parametrize("hdf5", [True, False])
def test_every_echo_of_every_slice_is_an_image(hdf5, name, images, tmp_path):
    structure = {"images": images * 700, "TE": np.array([[1.0, 2.0, 3.0]])}
    path = write(tmp_path / "heart.mat", structure, hdf5=hdf5, name=name)
    assert SOURCE.takes(path)
    found = list(read_file(SOURCE, path))
    assert [one[:3] for one in found] == [
        ("heart", slice_, echo) for slice_ in range(2) for echo in range(3)
    ]
    stack = np.stack([one.image for one in found])
    assert stack.dtype == np.complex64
    expected = images[:, :, :, 0].transpose(2, 3, 0, 1).reshape(6, 12, 10)
    # The largest of the file is 1, so echoes keep their brightness.
    np.testing.assert_allclose(stack, expected / abs(images).max(), rtol=1e-5)


def test_a_file_is_loaded_once_to_recognise_it(images, monkeypatch, tmp_path):
    path = write(tmp_path / "one.mat", {"images": images, "TE": [1.0, 2.0, 3.0]})
    loaded, load = [], scipy.io.loadmat

    def counting(*args, **options):
        loaded.append(args)
        return load(*args, **options)

    monkeypatch.setattr(scipy.io, "loadmat", counting)
    assert all(SOURCE.takes(path) for _ in range(6))
    assert len(list(read_file(SOURCE, path))) == 6
    assert len(loaded) == 2
    # Another file of the same name is another file.
    assert not SOURCE.takes(write(path, {"subject": "1"}))


def test_last_axes_that_matlab_leaves_out_are_of_one(images, tmp_path):
    structure = {"images": images[:, :, 0, 0, 0], "TE": 2.0}
    [one] = read_file(SOURCE, write(tmp_path / "one.mat", structure))
    assert one.image.shape == (12, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TE": [1.0, 2.0]}, r"\(12, 10, 2, 1, 3\) and 2 times"),
        ({"images": np.ones((12, 10, 1, 4, 3), complex)}, "has 4 coils"),
        ({"images": np.ones((12, 10, 2, 1, 3))}, "expected complex images"),
        ({"images": np.full((12, 10, 2, 1, 3), np.nan + 0j)}, "NaN"),
    ],
)
def test_other_images_are_refused_in_one_line(change, message, images, tmp_path):
    structure = {"images": images, "TE": [1.0, 2.0, 3.0]} | change
    path = write(tmp_path / "bad.mat", structure)
    with pytest.raises(InputError, match=message) as error:
        list(read_file(SOURCE, path))
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_other_structures_and_notes_are_passed_over(tmp_path):
    assert not SOURCE.takes(write(tmp_path / "a.mat", {"images": 1}, name="settings"))
    assert not SOURCE.takes(write(tmp_path / "c.mat", {"subject": "1", "age": 40}))
    assert not SOURCE.takes(write(tmp_path / "b.mat", {"contours": 1.0}, hdf5=True))
    (tmp_path / "notes.mat").write_text("no MATLAB")
    assert not SOURCE.takes(tmp_path / "notes.mat")
