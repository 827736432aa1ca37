"""Files for viewers: what a second program reads of them."""

import nibabel
import numpy as np
import pydicom
import pytest
from nibabel.nifti1 import Nifti1Image
from PIL import Image

from emrnas_jax.data.readers import dicom_library
from emrnas_jax.data.readers.geometry import UNKNOWN, Geometry, from_affine
from emrnas_jax.errors import InputError
from emrnas_jax.inference.viewer_files import (
    FORMATS,
    geometry_warnings,
    write_for_viewer,
)
from emrnas_jax.inference.viewer_images import ViewerImages

# Columns to the left, rows to the feet, slices backwards: a coronal scan, moved.
CORONAL = np.array([[-2, 0, 0, 90], [0, 0, -5, 40], [0, -3, 0, 70], [0, 0, 0, 1.0]])


@pytest.fixture
def images(random):
    """Slices 2, 3 and 5 at two times, but not slice 3 at the second; 6 x 4 pixels."""
    return ViewerImages(
        magnitudes=random.random((5, 6, 4), np.float32) * 1e-5,
        slices=np.array([2, 2, 3, 5, 5], np.int32),
        frames=np.array([0, 1, 0, 0, 1], np.int32),
        geometry=from_affine(CORONAL),
        network="emrnas",
        made_from='{"input": "a.h5"}',
        stored_as="k-space simulated",
    )


def datasets(folder):
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def pixels(dataset):
    return dataset.pixel_array * float(dataset.RescaleSlope)


def test_nifti_has_columns_rows_slices_and_times_at_their_places(images, tmp_path):
    path = tmp_path / "new" / "a.nii.gz"
    write_for_viewer(path, "nifti", images)
    found = Nifti1Image.from_filename(path)
    values = found.get_fdata()
    assert found.affine is not None
    assert found.get_data_dtype() == np.float32
    assert values.shape == (4, 6, 4, 2)
    for image, slice_, time in zip(
        images.magnitudes, images.slices, images.frames, strict=True
    ):
        np.testing.assert_array_equal(values[:, :, slice_ - 2, time], image.T)
        # The first stored slice is the scan's slice 2.
        place = found.affine @ [3, 1, slice_ - 2, 1]
        np.testing.assert_allclose(place, CORONAL @ [3, 1, slice_, 1], atol=1e-4)
    assert not values[:, :, 1, 1].any()
    assert not values[:, :, 2].any()
    assert nibabel.orientations.aff2axcodes(found.affine) == ("L", "I", "P")
    np.testing.assert_allclose(found.header.get_zooms()[:3], (2, 3, 5))
    assert b"not for diagnosis" in found.header["descrip"].item()


@pytest.mark.parametrize(
    ("geometry", "zooms", "words"),
    [
        (UNKNOWN, (1, 1, 1), b"orientation unknown, 1 mm assumed"),
        (Geometry((1.5, 2.5, 4.0)), (1.5, 2.5, 4), b"from the file; orientation unkn"),
    ],
)
def test_an_unknown_orientation_is_no_orientation(
    images, tmp_path, geometry, zooms, words
):
    write_for_viewer(tmp_path / "a.nii.gz", "nifti", images._replace(geometry=geometry))
    found = Nifti1Image.from_filename(tmp_path / "a.nii.gz")
    assert (found.header["qform_code"], found.header["sform_code"]) == (0, 0)
    # Numbers of slices are mere names here, so none is missing.
    assert found.shape == (4, 6, 3, 2)
    assert found.header.get_zooms()[:3] == zooms
    assert words in found.header["descrip"].item()


def test_dicom_gives_back_intensities_and_places(images, tmp_path):
    write_for_viewer(tmp_path / "a_dicom", "dicom", images)
    found = datasets(tmp_path / "a_dicom")
    largest = images.magnitudes.max()
    for dataset, image, slice_ in zip(
        found, images.magnitudes, images.slices, strict=True
    ):
        assert dataset.SOPClassUID.name == "MR Image Storage"
        np.testing.assert_allclose(pixels(dataset), image, atol=largest / 65535)
        # DICOM: rows' spacing first; the place of a pixel as PS3.3 C.7.6.2.1.1 has it.
        down, across = (float(one) for one in dataset.PixelSpacing)
        first, second = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(
            float
        )
        place = np.array(dataset.ImagePositionPatient, float)
        place = place + first * across * 3 + second * down * 1
        wanted = (CORONAL @ [3, 1, slice_, 1])[:3] * [-1, -1, 1]
        np.testing.assert_allclose(place, wanted, atol=1e-4)
    assert [one.TemporalPositionIdentifier for one in found] == [1, 2, 1, 1, 2]
    # One scale and one window for all, so frames can be compared.
    assert len({float(one.RescaleSlope) for one in found}) == 1


def test_dicom_says_what_it_is_and_names_nobody(images, tmp_path):
    write_for_viewer(tmp_path / "a_dicom", "dicom", images)
    found = datasets(tmp_path / "a_dicom")
    first = found[0]
    assert list(first.ImageType[:2]) == ["DERIVED", "SECONDARY"]
    assert first.ImageComments.startswith("Not for diagnosis; k-space simulated; ")
    assert not first.PatientName
    assert not first.PatientID
    for one in found:
        for uid in (one.SOPInstanceUID, one.SeriesInstanceUID, one.StudyInstanceUID):
            assert uid.is_valid
        assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert len({one.SOPInstanceUID for one in found}) == len(found)
    assert len({one.SeriesInstanceUID for one in found}) == 1
    assert [one.InstanceNumber for one in found] == [1, 2, 3, 4, 5]
    other = images._replace(made_from='{"input": "b.h5"}')
    write_for_viewer(tmp_path / "b_dicom", "dicom", other)
    again = datasets(tmp_path / "b_dicom")[0]
    assert again.SOPInstanceUID != first.SOPInstanceUID
    assert again.SeriesInstanceUID != first.SeriesInstanceUID


@pytest.mark.parametrize("geometry", [UNKNOWN, Geometry((1.5, 2.5, 4.0))])
def test_dicom_without_orientation_is_no_slice_of_a_patient(images, tmp_path, geometry):
    write_for_viewer(tmp_path / "a", "dicom", images._replace(geometry=geometry))
    first = datasets(tmp_path / "a")[0]
    assert first.SOPClassUID.name == "Secondary Capture Image Storage"
    assert "ImageOrientationPatient" not in first
    assert "ImagePositionPatient" not in first
    assert "orientation unknown" in first.ImageComments
    known = geometry.size_mm is not None
    assert list(first.get("PixelSpacing", [])) == ([2.5, 1.5] if known else [])


def test_a_sheared_affine_is_no_place_that_dicom_knows(images, tmp_path):
    sheared = CORONAL.copy()
    sheared[0, 1] = 1.0
    write_for_viewer(
        tmp_path / "a", "dicom", images._replace(geometry=from_affine(sheared))
    )
    assert "ImagePositionPatient" not in datasets(tmp_path / "a")[0]


def test_every_frame_is_a_png_on_one_scale(images, tmp_path):
    write_for_viewer(tmp_path / "a_png", "png", images)
    files = sorted((tmp_path / "a_png").iterdir())
    assert files[1].name == "slice_0002_frame_0001.png"
    wanted = images.magnitudes / images.magnitudes.max() * 255
    for path, image in zip(files, wanted, strict=True):
        with Image.open(path) as picture:
            np.testing.assert_allclose(np.asarray(picture), image, atol=0.51)


@pytest.mark.parametrize("name", FORMATS)
def test_images_of_zeros_are_written(images, tmp_path, name):
    nothing = images._replace(magnitudes=np.zeros((5, 6, 4), np.float32))
    write_for_viewer(tmp_path / f"a{FORMATS[name].ending}", name, nothing)
    assert [path.name for path in tmp_path.iterdir()] == [f"a{FORMATS[name].ending}"]


def test_a_folder_of_other_files_is_never_removed(images, tmp_path):
    folder = tmp_path / "a_png"
    write_for_viewer(folder, "png", images)
    write_for_viewer(folder, "png", images._replace(frames=images.frames + 7))
    assert (folder / "slice_0002_frame_0007.png").exists()
    assert not (folder / "slice_0002_frame_0000.png").exists()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"a_png: holds notes\.txt, which is no file"):
        write_for_viewer(folder, "png", images)
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a_png"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("dicom", "IM0.dcm"),
        ("dicom", "slice_1_frame_1.dcm"),
        ("dicom", "slice_0001_frame_0001.dcm.dcm"),
        ("png", "slice_0001_frame_0001.dcm"),
        ("png", "figure.png"),
    ],
)
def test_a_folder_of_images_of_another_origin_is_never_removed(
    images, tmp_path, name, file
):
    folder = tmp_path / f"brain_{name}"
    folder.mkdir()
    (folder / file).write_text("mine")
    with pytest.raises(InputError, match=rf"brain_{name}: holds {file}, .*--output"):
        write_for_viewer(folder, name, images)
    assert (folder / file).read_text() == "mine"


def test_a_missing_pydicom_is_one_line_with_its_command(monkeypatch):
    monkeypatch.setattr(dicom_library, "has_pydicom", lambda: False)
    with pytest.raises(InputError, match=r"pip install 'emrnas-jax\[dicom\]'"):
        FORMATS["dicom"].require()


def test_what_a_viewer_cannot_know_is_said():
    [warning] = geometry_warnings("nifti", UNKNOWN)
    assert "size of its pixels" in warning
    [warning] = geometry_warnings("dicom", Geometry((1.0, 1.0, 1.0)))
    assert "size of its pixels" not in warning
    assert geometry_warnings("nifti", from_affine(CORONAL)) == []
    assert geometry_warnings("png", UNKNOWN) == []
