import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import MPEG4HP41, UID

from emrnas_jax.data.readers import dicom_library
from emrnas_jax.data.readers.dicom_images import about, geometry, read
from emrnas_jax.data.readers.dicom_series import files_of_series, is_dicom
from emrnas_jax.errors import InputError

# Rows to the back, columns to the feet: sagittal, and the normal points to the right.
SAGITTAL = [0, 1, 0, 0, 0, -1]


@pytest.fixture
def pixels(random):
    """Images of 6 x 4 at three places and two times."""
    return random.integers(0, 900, (3, 2, 6, 4))


@pytest.fixture
def series(write, pixels, tmp_path):
    """Files of a series whose names, numbers and places have three different orders."""
    files = {}
    for slice_, place in enumerate((-20, -16, -12)):
        for time in (0, 1):
            path = tmp_path / f"{7 * slice_ % 4}{1 - time}.dcm"
            files[slice_, time] = write.dicom(
                path,
                pixels[slice_, time],
                ImagePositionPatient=[-place, 5, 7],
                ImageOrientationPatient=SAGITTAL,
                PixelSpacing=[2, 3],
                SliceThickness=1,
                # The last slice was measured first.
                InstanceNumber=10 * time + 3 - slice_,
            )
    return files


def test_a_file_stands_for_its_series_sorted_by_place_and_number(series, pixels):
    for path in series.values():
        found = list(read(path))
        assert [one[1:3] for one in found] == [
            (slice_, time) for slice_ in range(3) for time in range(2)
        ]
        for one in found:
            wanted = pixels[one.slice, one.frame] / pixels.max()
            np.testing.assert_allclose(one.image, wanted, rtol=1e-6)
    assert "files: 6, slices: 3, frames of a slice: 2" in about(series[0, 0])


def test_pixels_keep_their_place_in_the_patient(series):
    found = geometry(series[0, 0])
    assert found.size_mm == pytest.approx((3, 2, 4))
    assert found.affine is not None
    for slice_, right in enumerate((-20, -16, -12)):
        # Column 2 lies 6 mm further back, row 1 lies 2 mm further down; NIfTI counts
        # to the right and to the front.
        wanted = [right, -5 - 6, 7 - 2]
        np.testing.assert_allclose((found.affine @ [2, 1, slice_, 1])[:3], wanted)


def test_patients_are_named_by_a_checksum(series, write, pixels, tmp_path):
    path = series[0, 0]
    [first, *_] = read(path)
    assert first.subject.startswith("patient_")
    assert "17" not in first.subject.removeprefix("patient_")[:2]
    other = tmp_path / "other"
    other.mkdir()
    [one] = read(write.dicom(other / "a.dcm", pixels[0, 0], PatientID="18"))
    [two] = read(write.dicom(other / "b.dcm", pixels[0, 0], SeriesInstanceUID="1.9"))
    assert one.subject != first.subject
    assert two.subject == first.subject


def test_series_of_one_patient_have_different_names(series, write, pixels, tmp_path):
    write.dicom(
        tmp_path / "z.dcm", pixels[0, 0], SeriesInstanceUID="1.9", SeriesNumber=8
    )
    names = {
        one[:3] for path in (series[0, 0], tmp_path / "z.dcm") for one in read(path)
    }
    assert len(names) == 7


def test_other_sizes_orientations_and_kinds_are_volumes_of_their_own(
    series, write, pixels, tmp_path
):
    write.dicom(tmp_path / "size.dcm", pixels[0, 0, :5])
    write.dicom(
        tmp_path / "turn.dcm", pixels[0, 0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0]
    )
    phase = write.dicom(
        tmp_path / "p.dcm",
        pixels[0, 0],
        ImageOrientationPatient=SAGITTAL,
        ImageType=["ORIGINAL", "PRIMARY", "P"],
    )
    assert sorted(files_of_series(series[1, 1])) == sorted(series.values())
    with pytest.raises(InputError, match="holds phases"):
        list(read(phase))


def test_orientations_that_differ_by_rounding_are_one(write, pixels, tmp_path):
    for number, tilt in enumerate((0.0, -0.0, 4e-4, 6e-4)):
        write.dicom(
            tmp_path / f"{number}.dcm",
            pixels[0, 0],
            ImagePositionPatient=[0, 0, number],
            ImageOrientationPatient=[1, tilt, 0, 0, 1, 0],
        )
    assert len(files_of_series(tmp_path / "3.dcm")) == 4


def test_an_image_twice_is_refused_and_copies_alone_are_read_apart(series, tmp_path):
    path = series[0, 0]
    copy = tmp_path / "copy.dcm"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"copy\.dcm: holds the same image as 01\.dcm"):
        list(read(series[2, 0]))
    # One scan, which is refused once.
    assert files_of_series(series[2, 0]) == sorted([*series.values(), copy])
    for other in series.values():
        if other != path:
            other.unlink()
    assert files_of_series(copy) == [copy]
    assert files_of_series(path) == [path]


def test_a_missing_frame_makes_times_uncertain_which_is_said(series, caplog):
    series[1, 0].unlink()
    path = series[0, 1]
    with caplog.at_level("WARNING", "emrnas_jax"):
        list(read(path))
    [message] = caplog.messages
    assert message.startswith(f"{path}: the slices have different numbers of frames: ")
    assert "slice 1 has 1, and the usual number is 2" in message
    assert "the times of frames are uncertain" in message


def test_a_complete_series_says_nothing_of_times(series, caplog):
    list(read(series[0, 1]))
    assert not caplog.messages


def state_times(series):
    """Number the times from 3 in all files, and the images in the opposite order."""
    for (_, time), path in series.items():
        dataset = pydicom.dcmread(path)
        dataset.TemporalPositionIdentifier = 3 + time
        dataset.InstanceNumber = 50 - dataset.InstanceNumber
        dataset.save_as(path)


def test_stated_times_count_before_numbers_and_bridge_a_missing_frame(
    series, pixels, caplog
):
    state_times(series)
    series[1, 0].unlink()
    found = list(read(series[0, 1]))
    scale = pixels[[0, 0, 1, 2, 2], [0, 1, 1, 0, 1]].max()
    assert [one[1:3] for one in found] == [(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)]
    for one in found:
        np.testing.assert_allclose(
            one.image, pixels[one.slice, one.frame] / scale, rtol=1e-6
        )
    assert not caplog.messages


@pytest.mark.parametrize("change", ["twice", "missing"])
def test_times_that_not_all_images_tell_apart_are_not_used(series, change):
    state_times(series)
    dataset = pydicom.dcmread(series[1, 0])
    if change == "twice":
        dataset.TemporalPositionIdentifier = 4
    else:
        del dataset.TemporalPositionIdentifier
    dataset.save_as(series[1, 0])
    # By their numbers, which are in the opposite order.
    found = {one[1:3]: one.image for one in read(series[0, 0])}
    first, second = (pydicom.dcmread(series[0, time]).pixel_array for time in (1, 0))
    assert len(found) == 6
    largest = found[0, 0].max() / first.max()
    np.testing.assert_allclose(found[0, 0], first * largest, rtol=1e-5)
    np.testing.assert_allclose(found[0, 1], second * largest, rtol=1e-5)


def test_slices_at_uneven_distances_have_no_affine(series):
    series[1, 0].unlink()
    series[1, 1].unlink()
    assert geometry(series[0, 0]).size_mm == pytest.approx((3, 2, 8))
    dataset = pydicom.dcmread(series[2, 0])
    assert geometry(series[0, 0]).affine is not None
    for number, place in enumerate((30, 31)):
        dataset.SOPInstanceUID = f"1.2.{number}"
        dataset.ImagePositionPatient = [place, 5, 7]
        dataset.save_as(series[2, 0].with_name(f"more{number}.dcm"))
    assert geometry(series[0, 0]).affine is None


def test_rescaling_differs_from_image_to_image(series, pixels):
    path = series[2, 1]
    dataset = pydicom.dcmread(path)
    dataset.RescaleSlope, dataset.RescaleIntercept = 3, 50
    dataset.save_as(path)
    wanted = pixels.astype(float)
    wanted[2, 1] = 3 * wanted[2, 1] + 50
    for one in read(path):
        np.testing.assert_allclose(
            one.image, wanted[one.slice, one.frame] / wanted.max(), rtol=1e-6
        )


def group(**elements):
    """A functional group: sequences of one item each."""
    found = Dataset()
    for name, inside in elements.items():
        item = Dataset()
        for key, value in inside.items():
            setattr(item, key, value)
        setattr(found, name, Sequence([item]))
    return found


def test_enhanced_files_say_places_and_factors_for_every_frame(write, pixels, tmp_path):
    path = write.dicom(
        tmp_path / "enhanced.dcm",
        pixels[:, 0],
        SharedFunctionalGroupsSequence=Sequence(
            [
                group(
                    PlaneOrientationSequence={"ImageOrientationPatient": SAGITTAL},
                    PixelMeasuresSequence={"PixelSpacing": [2, 3], "SliceThickness": 4},
                )
            ]
        ),
        PerFrameFunctionalGroupsSequence=Sequence(
            [
                group(
                    # The frames lie in the opposite order.
                    PlanePositionSequence={"ImagePositionPatient": [4 * number, 5, 7]},
                    PixelValueTransformationSequence={
                        "RescaleSlope": number + 1,
                        "RescaleIntercept": 0,
                    },
                )
                for number in range(3)
            ]
        ),
    )
    factors = np.array([1, 2, 3])[:, None, None]
    wanted = (pixels[:, 0] * factors)[::-1]
    for one, image in zip(read(path), wanted, strict=True):
        np.testing.assert_allclose(one.image, image / wanted.max(), rtol=1e-6)
    found = geometry(path)
    assert found.affine is not None
    np.testing.assert_allclose(found.affine @ [0, 0, 1, 1], [-4, -5, 7, 1])


COMPLEX = {
    "PHASE": "phases",
    "REAL": "real parts",
    "IMAGINARY": "imaginary parts",
    "MIXED": "several complex components",
}


@pytest.mark.parametrize("word", COMPLEX)
@pytest.mark.parametrize("place", ["file", "shared", "frame"])
def test_complex_components_are_refused_wherever_they_are_said(
    write, pixels, tmp_path, word, place
):
    path = write.dicom(tmp_path / "a.dcm", pixels[:, 0], **said(place, word))
    with pytest.raises(InputError, match=f"holds {COMPLEX[word]}.*export them"):
        list(read(path))
    with pytest.raises(InputError, match=f"holds {COMPLEX[word]}"):
        about(path)
    write.dicom(path, pixels[:, 0], **said(place, "MAGNITUDE"))
    assert len(list(read(path))) == 3


def said(place, word):
    """Elements that say `word` of the file, of all frames or of the last frame."""
    component = {"ComplexImageComponent": word}
    if place == "file":
        return component
    groups = [group(MRImageFrameTypeSequence=component)]
    if place == "shared":
        return {"SharedFunctionalGroupsSequence": Sequence(groups)}
    frames = [group(MRImageFrameTypeSequence={"ComplexImageComponent": "MAGNITUDE"})]
    return {"PerFrameFunctionalGroupsSequence": Sequence(2 * frames + groups)}


def test_the_type_of_a_frame_is_heeded(write, pixels, tmp_path):
    kinds = {"FrameType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "NONE"]}
    path = write.dicom(
        tmp_path / "a.dcm",
        pixels[:, 0],
        SharedFunctionalGroupsSequence=Sequence(
            [group(MRImageFrameTypeSequence=kinds)]
        ),
    )
    with pytest.raises(InputError, match="holds phases"):
        list(read(path))


@pytest.mark.parametrize("kinds", ["ORIGINAL", ["DERIVED", "PRIMARY", "M", "MIXED"]])
def test_neither_letters_nor_mixed_contrasts_are_complex_components(
    write, pixels, tmp_path, kinds
):
    path = write.dicom(tmp_path / "a.dcm", pixels[0, 0], ImageType=kinds)
    assert len(list(read(path))) == 1


def test_frames_without_places_keep_their_order(write, pixels, tmp_path):
    path = write.dicom(tmp_path / "cine.dcm", pixels[:, 0])
    assert [one.slice for one in read(path)] == [0, 1, 2]
    found = geometry(path)
    assert found.size_mm is None
    assert found.affine is None


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]}, "is a Siemens mosaic"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP"]}, "holds phases"),
        ({"ImageType": ["DERIVED", "PRIMARY", "IMAGINARY"]}, "holds imaginary parts"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "its greys are MONOCHROME1"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour picture"),
        ({"RescaleSlope": 1, "RescaleIntercept": -500}, "found values down to -"),
        ({"Rows": 7}, "less than expected"),
    ],
)
def test_what_is_no_magnitude_image_is_refused_by_name(
    write, pixels, tmp_path, elements, message
):
    path = write.dicom(tmp_path / "a.dcm", pixels[0, 0], **elements)
    with pytest.raises(InputError, match=message) as caught:
        list(read(path))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(("value", "words"), [(1, "phases"), (2, "real parts")])
def test_the_private_word_of_ge_for_what_is_no_magnitude_is_known(
    write, pixels, tmp_path, value, words
):
    path = write.dicom(tmp_path / "a.dcm", pixels[0, 0])
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(
        0x2F, "SS", value
    )
    dataset.save_as(path)
    with pytest.raises(InputError, match=f"holds {words}"):
        list(read(path))


def test_an_encoding_without_a_decoder_is_refused_by_name(write, pixels, tmp_path):
    path = write.dicom(tmp_path / "a.dcm", pixels[0, 0])
    # MPEG-4 is video, which pydicom never decodes.
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([b"\0" * 8])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = MPEG4HP41
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    with pytest.raises(
        InputError, match=r"encoded as MPEG-4 .*no decoder is installed"
    ):
        list(read(path))


@pytest.mark.parametrize(
    # Of GE; and a number of DICOM that names something else.
    "syntax",
    ["1.2.840.113619.5.2", "1.2.840.10008.5.1.4.1.1.4"],
)
def test_an_unknown_transfer_syntax_is_refused_by_name(write, pixels, tmp_path, syntax):
    path = write.dicom(tmp_path / "a.dcm", pixels[0, 0])
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    # pydicom alone would not write it.
    encoding = {"implicit_vr": False, "little_endian": True, "force_encoding": True}
    dataset.save_as(path, **encoding)
    with pytest.raises(InputError, match=f"syntax {syntax} is private or unknown"):
        list(read(path))


def test_a_file_without_an_ending_is_known_by_its_mark(write, pixels, tmp_path):
    path = write.dicom(tmp_path / "IM0001", pixels[0, 0])
    (tmp_path / "notes").write_text("text " * 99)
    (tmp_path / "DICOMDIR").write_bytes(path.read_bytes())
    assert [file.name for file in sorted(tmp_path.iterdir()) if is_dicom(file)] == [
        "IM0001"
    ]
    assert is_dicom(tmp_path / "scan.IMA")


def test_a_missing_pydicom_is_one_line_with_its_command(series, monkeypatch):
    monkeypatch.setattr(dicom_library, "has_pydicom", lambda: False)
    with pytest.raises(InputError, match=r"pip install 'emrnas-jax\[dicom\]'"):
        list(read(series[0, 0]))
