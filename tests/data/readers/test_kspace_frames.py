"""Some frames of a file: the same as of all, and no others are read."""

import tracemalloc

import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_files import load_kspace
from emrnas_jax.data.readers.kspace_frames import ALL, parse_frames, read_frames
from emrnas_jax.data.readers.kspace_scan import read_kspace
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError

SLICES, TIMES, COILS, ROWS, COLUMNS = 6, 2, 3, 16, 16


@pytest.fixture
def kspace(random):
    """[slice, frame, coil, row, column], centred."""
    parts = random.normal(size=(2, SLICES, TIMES, COILS, ROWS, COLUMNS))
    found = 0.1 * (parts[0] + 1j * parts[1])
    found[..., ROWS // 2, COLUMNS // 2] += 9
    return found.astype(np.complex64)


@pytest.fixture
def bytes_read(monkeypatch):
    """Count the bytes that h5py returns of k-space, coil maps and masks."""
    counted = []
    get = h5py.Dataset.__getitem__

    def counting(dataset, *args, **kwargs):
        found = get(dataset, *args, **kwargs)
        counted.append(np.asarray(found).nbytes)
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counting)
    return counted


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (1, 2, 0, 3, 4)])
@pytest.mark.parametrize("frames", [slice(0, 1), slice(3, 4), slice(1, 7), ALL])
def test_frames_of_any_order_of_axes_are_those_of_the_whole(order, frames, kspace):
    names = ("slice", "frame", "coil", "row", "column")
    axes = tuple(names[axis] for axis in order)
    expected = kspace.reshape(-1, COILS, ROWS, COLUMNS)[frames]
    found = read_frames(kspace.transpose(order), axes, frames)
    np.testing.assert_array_equal(found, expected)


def test_one_slice_of_a_volume_is_read_without_the_others(
    kspace, bytes_read, tmp_path, write
):
    stack = kspace[:, 0]
    maps = stack + 1
    path = write.hdf5(tmp_path, kspace=stack, maps=maps)
    whole = load_kspace(path)
    assert sum(bytes_read) >= stack.nbytes + maps.nbytes
    bytes_read.clear()
    one = load_kspace(path, frames=slice(4, 5))
    assert sum(bytes_read) == (stack.nbytes + maps.nbytes) // SLICES
    scale = one.plain.largest / whole.plain.largest
    np.testing.assert_allclose(
        one.plain.values * scale, whole.plain.values[4:5], atol=1e-6
    )
    assert one.coil_maps is not None
    assert whole.coil_maps is not None
    np.testing.assert_array_equal(one.coil_maps, whole.coil_maps[4:5])


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize("each", [True, False])
def test_masks_and_maps_are_those_of_the_frames(each, suffix, kspace, tmp_path, write):
    masks = np.zeros((SLICES, 1, COLUMNS), bool)
    masks[:, :, 6:11] = True
    masks[np.arange(SLICES), 0, np.arange(SLICES)] = True
    stack, maps = kspace[:, 0] * masks[:, None], kspace[:, 1]
    chosen = masks if each else masks[0, 0]
    arrays = {"kspace": stack, "mask": chosen, "maps": maps if each else maps[0]}
    path = tmp_path / f"scan{suffix}"
    if suffix == ".h5":
        write.hdf5(tmp_path, **arrays)
    else:
        np.savez(path, **arrays)
    whole, some = load_kspace(path), load_kspace(path, frames=slice(2, 4))
    assert len(some.plain.values) == 2
    assert whole.mask is not None
    np.testing.assert_array_equal(some.mask, whole.mask[2:4] if each else whole.mask)
    assert whole.coil_maps is not None
    np.testing.assert_array_equal(some.coil_maps, whole.coil_maps[2:4])


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_maps_of_one_frame_are_those_of_all(suffix, kspace, tmp_path, write):
    arrays = {"kspace": kspace[:, 0], "maps": kspace[:1, 1]}
    path = tmp_path / f"scan{suffix}"
    save = write.hdf5 if suffix == ".h5" else lambda _, **some: np.savez(path, **some)
    save(tmp_path, **arrays)
    whole, some = load_kspace(path), load_kspace(path, frames=slice(2, 4))
    assert whole.coil_maps is not None
    np.testing.assert_array_equal(some.coil_maps, whole.coil_maps[2:4])
    # Two for two of six frames may be those of any.
    save(tmp_path, kspace=kspace[:, 0], maps=kspace[:2, 1])
    with pytest.raises(InputError, match="maps of 2 frames, and k-space of 6"):
        load_kspace(path, frames=slice(2, 4))


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize("shape", [(16, 16), (6, 16, 16), (6, 1, 16), (16, 1)])
def test_masks_are_turned_where_columns_are_stored_before_rows(
    suffix, shape, random, kspace, tmp_path, write
):
    mask = random.random(shape) < 0.5
    mask[..., shape[-2] // 2, shape[-1] // 2] = True
    stack = kspace[:, 0] * mask.reshape(-1, 1, *shape[-2:])
    arrays: dict = {"kspace": stack, "mask": mask}
    turned = {name: array.swapaxes(-1, -2) for name, array in arrays.items()}
    axes = "frame,coil,column,row"
    found, expected = [], []
    for name, some, into in (("a", arrays, expected), ("b", turned, found)):
        path = tmp_path / f"{name}{suffix}"
        if suffix == ".h5":
            write.hdf5(tmp_path, path.name, **some)
        else:
            np.savez(path, **some)
        for frames in (ALL, slice(1, 3)):
            order = axes if some is turned else ""
            into.append(load_kspace(path, axes=order, frames=frames))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.plain.values, other.plain.values)
        np.testing.assert_array_equal(one.mask, other.mask)


def write_skm_tea(folder, kspace, write, sets=1):
    """[x, ky, kz, echo, coil], with maps that both echoes share."""
    maps = np.moveaxis(kspace[:, 0], 1, -1)[..., None].repeat(sets, -1)
    target = np.ones((SLICES, ROWS, COLUMNS, TIMES, 1), np.complex64)
    stored = kspace.transpose(0, 3, 4, 1, 2)
    return write.hdf5(folder, "MTR_001.h5", kspace=stored, maps=maps, target=target)


def test_skm_tea_has_slices_of_two_echoes_with_the_maps_of_both(
    kspace, tmp_path, write
):
    found = load_kspace(write_skm_tea(tmp_path, kspace, write))
    expected = kspace.reshape(-1, COILS, ROWS, COLUMNS)
    shifted = np.fft.fftshift(found.plain.values, (-2, -1))
    # Centred k-space of an image that is rolled differs by a checkerboard alone.
    np.testing.assert_allclose(
        abs(shifted) * found.plain.largest, abs(expected), rtol=1e-4
    )
    assert found.coil_maps is not None
    maps = kspace[:, 0] / np.linalg.norm(kspace[:, 0], axis=1, keepdims=True)
    np.testing.assert_allclose(found.coil_maps, maps.repeat(TIMES, 0), atol=1e-5)


def test_one_frame_of_skm_tea_is_read_without_the_others(
    kspace, bytes_read, tmp_path, write
):
    path = write_skm_tea(tmp_path, kspace, write)
    whole = load_kspace(path)
    bytes_read.clear()
    one = load_kspace(path, frames=slice(7, 8))
    # The slice with both of its echoes, and one slice of the maps.
    slice_bytes = kspace.nbytes // SLICES
    assert sum(bytes_read) == slice_bytes + slice_bytes // TIMES
    scale = one.plain.largest / whole.plain.largest
    np.testing.assert_allclose(
        one.plain.values * scale, whole.plain.values[7:8], atol=1e-6
    )
    assert whole.coil_maps is not None
    np.testing.assert_array_equal(one.coil_maps, whole.coil_maps[7:8])


def test_two_sets_of_maps_are_left_out_and_estimated(kspace, tmp_path, write):
    path = write_skm_tea(tmp_path, kspace, write, sets=2)
    assert load_kspace(path).coil_maps is None


def test_frames_that_a_file_does_not_have_are_refused(kspace, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=kspace[:, 0])
    with pytest.raises(InputError, match=r"has 6 frames.*6:7.*from 0 to 5"):
        load_kspace(path, frames=parse_frames("6"))


def test_a_volume_takes_little_more_memory_than_three_times_its_size(
    random, tmp_path, write
):
    stack = (0.01 * random.normal(size=(32, 4, 128, 128))).astype(np.complex64)
    stack[..., 64, 64] = 9
    path = write.hdf5(tmp_path, kspace=stack)
    read_kspace(path, Reading("magnitude", "columns"))  # imports and caches
    tracemalloc.start()
    try:
        read_kspace(path, Reading("magnitude", "columns"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The file, its values of about 1, and these in the package's convention.
    assert peak < 3.3 * stack.nbytes
