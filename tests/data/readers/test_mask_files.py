"""Masks read from every kind of file, and the files that must be refused."""

import h5py
import jax
import numpy as np
import pytest
import scipy.io

from emrnas_jax.data.readers.mask_files import read_masks
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.mri.sampling import draw_mask

MASKS = np.random.default_rng(0).random((5, 12)) < 0.4
MASKS[:, 6] = True


def write_hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float64])
def test_every_format_and_variable_gives_the_same_masks(tmp_path, dtype):
    masks = MASKS.astype(dtype)
    np.save(tmp_path / "masks.npy", masks)
    np.savez(tmp_path / "masks.npz", masks=masks, line_probability=masks.mean(0))
    scipy.io.savemat(tmp_path / "masks.mat", {"masks": masks})
    scipy.io.savemat(tmp_path / "cddntdc.mat", {"RAll": masks.T})
    write_hdf5(tmp_path / "masks.h5", masks=masks)
    write_hdf5(tmp_path / "cddntdc.hdf5", RAll=masks.T)
    write_hdf5(tmp_path / "version73.mat", RAll=masks)  # MATLAB's reversed axes
    files = sorted(tmp_path.iterdir())
    assert len(files) == 7
    for file in files:
        read = read_masks(str(file)).unpack()
        assert read.dtype == bool, file
        np.testing.assert_array_equal(read, MASKS, err_msg=str(file))


def test_a_single_mask_may_be_a_vector(tmp_path):
    np.save(tmp_path / "mask.npy", MASKS[0])
    scipy.io.savemat(tmp_path / "mask.mat", {"mask": MASKS[0].astype(float)})
    scipy.io.savemat(tmp_path / "column.mat", {"mask": MASKS[0].astype(float)[:, None]})
    write_hdf5(tmp_path / "mask.h5", kspace=np.zeros((2, 3)), mask=MASKS[0])
    for file in tmp_path.iterdir():
        np.testing.assert_array_equal(read_masks(str(file)).unpack(), MASKS[:1])


def test_masks_of_points_have_rows_and_columns(tmp_path):
    points = np.random.default_rng(1).random((4, 6, 10)) < 0.4
    points[:, 2:5, 4:7] = True
    np.save(tmp_path / "points.npy", points)
    np.savez(tmp_path / "one.npz", mask=points[0])
    read = read_masks(str(tmp_path / "points.npy"))
    assert not read.has_lines
    np.testing.assert_array_equal(read.unpack(), points)
    np.testing.assert_array_equal(
        read_masks(str(tmp_path / "one.npz")).unpack(), points[:1]
    )


def test_every_mask_of_the_file_is_drawn_and_no_other(tmp_path):
    np.savez(tmp_path / "masks.npz", masks=MASKS)
    sampling = SamplingSettings("file", file=str(tmp_path / "masks.npz")).load()
    keys = jax.random.split(jax.random.key(0), 100)
    drawn = jax.jit(jax.vmap(lambda key: draw_mask(sampling, key, (12, 4))))(keys)
    lines = np.fft.fftshift(np.asarray(drawn)[:, :, 0], axes=1)
    assert {tuple(mask) for mask in lines} == {tuple(mask) for mask in MASKS}


def test_a_file_written_anew_is_read_anew(tmp_path):
    file = tmp_path / "masks.npy"
    np.save(file, MASKS)
    read_masks(str(file))
    np.save(file, MASKS[:3])
    assert read_masks(str(file)).shape == (3, 12)


def test_the_published_masks_are_read_as_they_are(shared_data):
    path = shared_data / "masks" / "cartesian15_first200.npz"
    with np.load(path) as file:
        published = file["masks"]
    np.testing.assert_array_equal(read_masks(str(path)).unpack(), published)


def test_another_number_of_lines_is_refused(tmp_path):
    np.save(tmp_path / "masks.npy", MASKS)
    sampling = SamplingSettings("file", file=str(tmp_path / "masks.npy")).load()
    with pytest.raises(InputError, match=r"masks.npy.*12 lines.*16.*'rows'"):
        draw_mask(sampling, jax.random.key(0), (16, 12))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".h5"])
@pytest.mark.parametrize("kept", [0, 3, 200, 0.6, 0.98])
def test_a_truncated_file_is_refused_by_name(tmp_path, suffix, kept):
    file = tmp_path / f"masks{suffix}"
    masks = np.random.default_rng(1).random((200, 64)) < 0.5
    if suffix == ".npy":
        np.save(file, masks)
    elif suffix == ".npz":
        np.savez_compressed(file, masks=masks)
    elif suffix == ".mat":
        scipy.io.savemat(file, {"masks": masks}, do_compression=True)
    else:
        with h5py.File(file, "w") as hdf5:
            hdf5.create_dataset("masks", data=masks, compression="gzip")
    content = file.read_bytes()
    file.write_bytes(
        content[: kept if isinstance(kept, int) else int(kept * len(content))]
    )
    with pytest.raises(InputError, match=f"masks{suffix}.*truncated"):
        read_masks(str(file))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"kspace": MASKS, "pattern": MASKS},
            "masks, mask, RAll; found kspace, pattern",
        ),
        ({"masks": MASKS * 2}, "masks: expected only 0 and 1"),
        ({"masks": MASKS * np.nan}, "masks: expected only 0 and 1"),
        ({"masks": np.zeros((3, 4), "U1")}, "masks: expected only 0 and 1"),
        ({"masks": MASKS[None, None]}, r"masks: expected shape .*\(1, 1, 5, 12\)"),
        ({"masks": MASKS[:0]}, r"expected shape.*\(0, 12\)"),
        ({"mask": MASKS[:, ::-1]}, "mask: the zero frequency is not measured"),
        ({"masks": MASKS[None] * np.ones((2, 1, 1)) * [[[1]], [[0]]]}, "mask 1 has no"),
        ({"mask": np.array(1)}, "mask: expected shape"),
        ({"masks": MASKS & (np.arange(5) != 2)[:, None]}, "mask 2 has no line"),
    ],
)
def test_what_is_not_masks_is_refused(tmp_path, arrays, message):
    file = tmp_path / "file.npz"
    np.savez(file, **arrays)
    with pytest.raises(InputError, match=f"file.npz.*{message}"):
        read_masks(str(file))


def test_a_file_that_would_run_code_is_refused(tmp_path):
    np.save(tmp_path / "masks.npy", np.array([{"masks": 1}], object))
    with pytest.raises(InputError, match=r"masks\.npy"):
        read_masks(str(tmp_path / "masks.npy"))


def test_a_missing_file_and_an_unknown_ending_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"gone\.npz: no such file"):
        read_masks(str(tmp_path / "gone.npz"))
    with pytest.raises(InputError, match="is a folder"):
        read_masks(str(tmp_path))
    (tmp_path / "masks.txt").write_text("1 0 1")
    with pytest.raises(InputError, match=r"masks.txt.*\.npz.*'\.txt'"):
        read_masks(str(tmp_path / "masks.txt"))
