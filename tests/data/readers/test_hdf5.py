import numpy as np
import pytest

from emrnas_jax.data.readers import hdf5
from emrnas_jax.errors import InputError


@pytest.fixture
def path(tmp_path, write):
    arrays = {"images": np.ones((2, 3), np.uint8), "group/inner": np.ones(2)}
    return write.hdf5(tmp_path, attributes={"subject": 7, "name": "p07"}, **arrays)


def test_datasets_at_the_top_have_their_types(path):
    assert hdf5.datasets(path) == {"images": np.uint8}


def test_a_file_with_another_suffix_has_no_datasets(tmp_path):
    assert hdf5.datasets(tmp_path / "absent.png") == {}


def test_a_dataset_is_loaded_whole(path):
    np.testing.assert_array_equal(hdf5.load(path, "images"), np.ones((2, 3), np.uint8))


@pytest.mark.parametrize("name", ["frames", "group"])
def test_a_missing_dataset_is_named_with_what_there_is(path, name):
    with pytest.raises(InputError, match=f"dataset `{name}`, found .*'images'"):
        hdf5.load(path, name)


def test_attributes_are_read_and_may_be_missing(path):
    assert hdf5.attribute(path, "subject") == 7
    assert hdf5.attribute(path, "name") == "p07"
    assert hdf5.attribute(path, "age") is None


@pytest.mark.parametrize("read", [hdf5.datasets, lambda p: hdf5.load(p, "images")])
def test_a_damaged_file_is_named(path, read):
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"scan\.h5: cannot be read"):
        read(path)
