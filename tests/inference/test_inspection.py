"""What is said of a file before it is reconstructed."""

import io

import h5py
import numpy as np
import pytest
from PIL import Image

from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference.inspection import draw_inspection, inspect_file
from emrnas_jax.mri.coils import birdcage_maps

HOW = Reading("complex", "columns")
ROWS, COLUMNS, COILS = 64, 48, 4


@pytest.fixture
def kspace(scanner):
    """[frame, coil, row, column]."""
    maps = np.asarray(birdcage_maps(COILS, (ROWS, COLUMNS)))
    found = scanner.centred(scanner.object(ROWS, COLUMNS, 5)[:, None] * maps)
    return found.astype(np.complex64)


@pytest.fixture
def lines():
    column = np.arange(COLUMNS)
    return (column % 4 == 1) | (np.abs(column - 24) < 5)


def test_a_measured_scan_is_described(kspace, lines, scanner, tmp_path, write):
    text = scanner.header((ROWS, COLUMNS), (32, 24), slices=5)
    path = write.hdf5(tmp_path, kspace=kspace * lines, mask=lines, ismrmrd_header=text)
    found = inspect_file(path, HOW)
    facts = found.facts
    assert "HDF5" in facts["format"]
    assert (
        "complex64 5 x 4 x 64 x 48, the axes frame,coil,row,column" in facts["format"]
    )
    assert facts["frames"] == "5 of 64 x 48, 4 coils"
    assert "image cut to 32 x 24" in facts["stored as"]
    assert facts["header"].startswith("readout 64, 48 lines (0 to 47, zero frequency ")
    assert "acceleration" in facts["sampling"]
    assert "one of 4 columns, " in facts["sampling"]
    assert facts["reconstruct"].startswith("completes it, with sense, tv")
    np.testing.assert_array_equal(found.mask[0], np.fft.ifftshift(lines))
    assert found.kspace.shape == (COILS, ROWS, COLUMNS)
    assert not found.kspace[:, ~found.mask].any()


def test_too_few_lines_in_the_centre_are_told_beforehand(kspace, tmp_path, write):
    lines = (np.arange(COLUMNS) % 4 == 0) | (np.arange(COLUMNS) == 25)
    path = write.hdf5(tmp_path, kspace=kspace * lines, mask=lines)
    text = inspect_file(path, HOW).facts["reconstruct"]
    assert text.startswith("refuses it: coil maps need 6 x 6")
    assert text.endswith("64 x 2 were measured")


def test_complete_scans_are_under_sampled(kspace, lines, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=kspace)
    facts = inspect_file(path, HOW).facts
    assert facts["sampling"] == "complete"
    assert facts["reconstruct"].startswith("under-samples and scores it, with sense")
    path = write.hdf5(tmp_path, kspace=kspace[:, 0], mask=lines)
    facts = inspect_file(path, HOW).facts
    assert facts["sampling"].startswith("complete, with a mask beside it: ")
    assert "magnitude or complex images of one coil" in facts["reconstruct"]


@pytest.mark.parametrize(
    ("source", "kinds"),
    [("complex_matlab", "magnitude or complex"), ("cardiac_hdf5", "magnitude")],
)
def test_images_are_described(source, kinds, write_good, tmp_path):
    found = inspect_file(write_good(source, tmp_path), HOW)
    assert found.facts["format"].startswith("images, ")
    assert f"networks of {kinds} images" in found.facts["reconstruct"]
    assert found.kspace.shape == (1, 12, 10)
    assert found.mask.all()


def test_of_a_volume_no_more_than_two_frames_are_read(
    kspace, monkeypatch, tmp_path, write
):
    path = write.hdf5(tmp_path, kspace=kspace)
    counted, get = [], h5py.Dataset.__getitem__

    def counting(dataset, *args, **kwargs):
        found = get(dataset, *args, **kwargs)
        counted.append(np.asarray(found).nbytes)
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counting)
    inspect_file(path, HOW)
    # The first, for what the file holds, and the middle one.
    assert sum(counted) == 2 * kspace.nbytes // len(kspace)


def test_a_format_that_is_read_whole_is_read_once(kspace, monkeypatch, tmp_path):
    path = tmp_path / "scan.npz"
    np.savez(path, kspace=kspace)
    counted, get = [], np.lib.npyio.NpzFile.__getitem__

    def counting(file, name):
        counted.append(name)
        return get(file, name)

    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", counting)
    assert inspect_file(path, HOW).facts["frames"] == "5 of 64 x 48, 4 coils"
    assert counted.count("kspace") == 1


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_next_to_an_empty_middle_another_frame_is_shown(
    suffix, kspace, tmp_path, write
):
    kspace[1:3] = 0
    path = tmp_path / f"scan{suffix}"
    if suffix == ".h5":
        write.hdf5(tmp_path, kspace=kspace)
    else:
        np.savez(path, kspace=kspace)
    found = inspect_file(path, HOW)
    shown = np.fft.fftshift(abs(found.kspace), (-2, -1))
    np.testing.assert_allclose(
        shown / shown.max(), abs(kspace[3]) / abs(kspace[3]).max(), atol=1e-6
    )
    assert found.facts["frames"] == "5 of 64 x 48, 4 coils"
    assert "frame 2 in the middle is empty, and frame 3 is shown" in found.warnings


def test_kspace_of_empty_frames_alone_is_refused(kspace, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=0 * kspace)
    with pytest.raises(InputError, match="nothing but zeros"):
        inspect_file(path, HOW)


def test_what_reconstruct_refuses_is_refused(tmp_path, write):
    with pytest.raises(InputError, match="image_label"):
        inspect_file(write.hdf5(tmp_path, image_label=np.ones((2, 4, 4))), HOW)


def test_the_picture_has_three_panels(kspace, lines, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=kspace * lines, mask=lines)
    png = draw_inspection(inspect_file(path, HOW), path.name)
    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
        levels = np.asarray(picture.convert("L"))
    assert width > 2 * height
    for part in np.array_split(levels, 3, axis=1):
        assert part.min() == 0
        assert part.max() == 255
