import collections
import os

import numpy as np
import pytest

from emrnas_jax.data.readers import dicom_series
from emrnas_jax.data.readers.mask_files import StoredMask
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference.scans import files_with, find_scans, geometry_of, read_scan

MAGNITUDE = Reading(images="magnitude", phase_encode="rows")
COMPLEX = Reading(images="complex", phase_encode="rows")


@pytest.fixture
def image(random):
    """Two images of 12 x 10 with a smooth phase."""
    phase = np.exp(1j * np.linspace(0, 1, 10))
    return (1 + random.random((2, 12, 10))) * phase


@pytest.fixture
def save(tmp_path):
    def save(name="scan.npz", **arrays):
        np.savez(tmp_path / name, kspace_convention="plain", **arrays)
        return tmp_path / name

    return save


@pytest.fixture
def lines():
    return np.isin(np.arange(12), (0, 1, 4, 7, 11))


def stored_mask(values):
    return StoredMask(values, "mask", "masks.npz: mask")


def kspace_of(image):
    return np.fft.fft2(image, norm="ortho")


def test_images_of_every_source_are_complete(good_file, source_name):
    scan = read_scan(good_file, MAGNITUDE)
    assert scan.kspace is None
    assert scan.images is not None
    assert scan.images.shape[0] == len(scan.subjects)
    assert scan.images.dtype == (
        np.float32
        if source_name
        in (
            *("calgary_nifti", "complex_hdf5", "complex_matlab", "calgary_raw"),
            *("real_hdf5", "nifti", "dicom", "kspace"),
        )
        else np.uint8
    )
    assert (scan.scale == 1) == (source_name != "kspace")


def test_complex_images_keep_their_phase_for_a_network_of_complex_images(
    write_good, tmp_path
):
    path = write_good("complex_hdf5", tmp_path)
    parts = read_scan(path, COMPLEX).images
    magnitudes = read_scan(path, MAGNITUDE).images
    assert parts is not None
    assert magnitudes is not None
    np.testing.assert_allclose(
        np.linalg.norm(parts, axis=-1), magnitudes, rtol=1e-5, atol=1e-6
    )


def test_magnitudes_are_refused_for_a_network_of_complex_images(write_good, tmp_path):
    with pytest.raises(InputError, match="trained on complex images"):
        read_scan(write_good("magnitude_hdf5", tmp_path), COMPLEX)


def test_complete_kspace_becomes_images_between_0_and_1(image, save):
    scan = read_scan(save(kspace=kspace_of(image) * 1e-6), MAGNITUDE)
    assert scan.kspace is None
    assert scan.images is not None
    assert scan.images.max() == pytest.approx(1)
    np.testing.assert_allclose(scan.images * scan.scale, abs(image) * 1e-6, rtol=1e-4)


@pytest.mark.parametrize("stored", [True, False])
def test_measured_kspace_is_scaled_by_its_zero_filled_images(
    stored, image, lines, save
):
    kspace = kspace_of(image) * lines[:, None] * 1e7
    mask = {"mask": lines} if stored else {}
    scan = read_scan(save(kspace=kspace, **mask), MAGNITUDE)
    assert scan.kspace is not None
    np.testing.assert_allclose(scan.kspace * scan.scale, kspace, rtol=1e-4, atol=1e2)
    np.testing.assert_array_equal(scan.mask, np.stack([lines[:, None]] * 2))
    zero_filled = np.abs(np.fft.ifft2(scan.kspace, norm="ortho"))
    assert zero_filled.max() == pytest.approx(1, rel=1e-4)


def test_the_scale_can_be_given(image, lines, save):
    kspace = kspace_of(image) * lines[:, None]
    how = Reading("magnitude", "rows", scale=4.0)
    scan = read_scan(save(kspace=kspace), how)
    assert scan.scale == pytest.approx(4)
    np.testing.assert_allclose(scan.values, kspace / 4, atol=1e-5)


def test_complete_kspace_with_a_mask_is_complete_and_keeps_the_mask(image, lines, save):
    scan = read_scan(save(kspace=kspace_of(image), mask=lines[:, None]), MAGNITUDE)
    assert scan.kspace is None
    np.testing.assert_array_equal(scan.mask, np.stack([lines[:, None]] * 2))


def test_it_is_said_where_the_mask_is_from(image, lines, save):
    kspace = kspace_of(image)
    mask = lines[:, None]
    given = Reading(
        "magnitude", "rows", masks=stored_mask(np.fft.fftshift(lines)), norm="ortho"
    )
    for arrays, how, words in (
        ({"kspace": kspace}, MAGNITUDE, "complete"),
        ({"kspace": kspace * mask}, MAGNITUDE, "mask from its zeros"),
        ({"kspace": kspace * mask, "mask": mask}, MAGNITUDE, "mask from the file"),
        ({"kspace": kspace * mask}, given, "mask given"),
    ):
        stored_as = read_scan(save(**arrays), how).stored_as
        assert stored_as.startswith("k-space plain (from the file), norm ortho (")
        assert stored_as.endswith(f", {words}")


def test_a_mask_of_ones_leaves_the_mask_to_be_drawn(image, save):
    path = save(kspace=kspace_of(image), mask=np.ones(10))
    assert read_scan(path, MAGNITUDE).mask is None


def test_padding_can_be_declared_as_complete(image, save):
    kspace = kspace_of(image)
    kspace[:, :, 5] = 0
    path = save(kspace=kspace)
    assert read_scan(path, MAGNITUDE).kspace is not None
    how = Reading("magnitude", "rows", fully_sampled=True)
    scan = read_scan(path, how)
    assert scan.kspace is None
    assert scan.mask is None


def test_empty_frames_are_left_out_and_the_others_keep_their_numbers(image, save):
    kspace = kspace_of(np.concatenate([image, image]))
    kspace[1] = 0
    scan = read_scan(save(kspace=kspace), MAGNITUDE)
    np.testing.assert_array_equal(scan.slices, [0, 2, 3])
    assert scan.values.shape == (3, 12, 10)


def test_masks_given_by_the_user_replace_the_files(image, lines, save):
    how = Reading("magnitude", "rows", masks=stored_mask(np.fft.fftshift(lines)))
    path = save(kspace=kspace_of(image), mask=np.eye(1, 10, dtype=bool)[0])
    np.testing.assert_array_equal(read_scan(path, how).mask, [lines[:, None]] * 2)


def test_masks_given_by_the_user_fit_images_or_are_refused(lines, write_good, tmp_path):
    path = write_good("cardiac_png", tmp_path)
    how = Reading("magnitude", "rows", masks=stored_mask(np.fft.fftshift(lines)))
    np.testing.assert_array_equal(read_scan(path, how).mask, [lines[:, None]])
    wrong = Reading("magnitude", "rows", masks=stored_mask(np.ones(7, bool)))
    with pytest.raises(InputError, match="7 lines"):
        read_scan(path, wrong)


def test_a_mask_of_the_wrong_size_is_refused(image, save):
    path = save(kspace=kspace_of(image), mask=np.ones((5, 1)))
    with pytest.raises(InputError, match="expected \\(12,\\) or \\(10,\\)"):
        read_scan(path, MAGNITUDE)


def test_unknown_hdf5_is_refused_with_what_it_holds(tmp_path, write):
    path = write.hdf5(tmp_path, scan_data=np.ones((2, 4, 4)))
    with pytest.raises(InputError, match=r"no `kspace`, `images` or .*scan_data"):
        read_scan(path, MAGNITUDE)


def test_a_constant_image_is_refused(tmp_path, write):
    path = write.png(tmp_path, np.full((12, 10), 9, np.uint8))
    with pytest.raises(InputError, match="constant"):
        read_scan(path, MAGNITUDE)


@pytest.mark.parametrize("name", ["magnitude_hdf5", "kspace", "complex_matlab"])
def test_some_frames_are_those_of_all(name, write_good, tmp_path):
    path = write_good(name, tmp_path)
    scan, some = (
        read_scan(path, Reading("magnitude", "rows", frames=frames))
        for frames in ("", "1:3")
    )
    np.testing.assert_array_equal(some.slices, scan.slices[1:])
    # K-space is scaled by the frames that are read.
    np.testing.assert_allclose(
        some.values * some.scale, scan.values[1:] * scan.scale, rtol=1e-5
    )
    with pytest.raises(InputError, match="has 3 frames, and --frames=3:4"):
        read_scan(path, Reading("magnitude", "rows", frames="3"))


def test_scans_of_a_folder_are_found_by_name(tmp_path, write_good, save):
    wanted = [save("b.npz", kspace=np.ones(1)), write_good("magnitude_hdf5", tmp_path)]
    wanted.append(write_good("cardiac_png", tmp_path))
    (tmp_path / "notes.txt").write_text("no scan")
    (tmp_path / ".hidden.npz").write_text("no scan")
    for name in ("more", ".hidden", "left_out"):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "a.npz", kspace=np.ones(1))
    wanted.append(tmp_path / "more" / "a.npz")
    found = find_scans(tmp_path, lambda folder: folder.name == "left_out")
    assert found == sorted(wanted)


def test_a_missing_or_empty_input_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such file"):
        find_scans(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no files"):
        find_scans(tmp_path)
    (tmp_path / "notes.txt").write_text("no scan")
    with pytest.raises(
        InputError, match=r"recognised in 1 file \(1 \.txt; such.*\n(.*\n)*.*kspace"
    ):
        find_scans(tmp_path)


def test_a_series_of_files_is_one_scan(write, random, tmp_path):
    series = [
        write.dicom(
            tmp_path / f"{place}.dcm",
            random.integers(0, 900, (16, 16)),
            ImagePositionPatient=[0, 0, place],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[1, 1],
        )
        for place in (5, 3, 4)
    ]
    other = write.hdf5(tmp_path, "a.h5", images=random.random((2, 16, 16)))
    assert find_scans(tmp_path) == [tmp_path / "3.dcm", other]
    assert files_with(series[0]) == sorted(series)
    assert files_with(other) == [other]
    scan = read_scan(tmp_path / "3.dcm", MAGNITUDE)
    assert scan.slices.tolist() == [0, 1, 2]
    assert "slices: 3" in scan.stored_as
    assert scan.stored_as.endswith("k-space simulated from magnitudes")
    found = geometry_of(tmp_path / "3.dcm", (16, 16))
    assert found.affine is not None
    np.testing.assert_array_equal(found.affine[:3, 3], [0, 0, 3])
    assert geometry_of(other, (16, 16)).affine is None


def test_a_series_with_an_image_twice_is_one_scan(write, random, tmp_path):
    files = [
        write.dicom(tmp_path / f"{number}.dcm", random.integers(0, 900, (16, 16)))
        for number in range(3)
    ]
    (tmp_path / "copy.dcm").write_bytes(files[1].read_bytes())
    assert find_scans(tmp_path) == files[:1]
    with pytest.raises(InputError, match=r"copy\.dcm: holds the same image as 1\.dcm"):
        read_scan(files[0], MAGNITUDE)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_folder_is_listed_once_for_all_its_volumes(
    write, random, tmp_path, frames, monkeypatch
):
    calls = collections.Counter()

    def count(name):
        original = getattr(dicom_series, name)

        def counted(path):
            calls[name] += 1
            return original(path)

        monkeypatch.setattr(dicom_series, name, counted)

    for name in ("is_dicom", "_header", "_state"):
        count(name)
    for number in (4, 12):
        folder = tmp_path / str(number)
        folder.mkdir()
        files = [
            write.dicom(
                folder / f"{place:02d}.dcm",
                random.integers(0, 900, (frames, 4, 4)),
                SeriesInstanceUID=f"1.2.{place}",
            )
            for place in range(number)
        ]
        # A folder that was changed right now is listed anew every time.
        os.utime(folder, (0, 0))
        calls.clear()
        assert find_scans(folder) == files
        places = [dicom_series.place_among_series(file) for file in files]
        assert sorted(places) == list(range(number))
        assert calls["is_dicom"] == calls["_header"] == number
        # Once for the folder, and a file's own at each of the two questions.
        assert calls["_state"] == 3 * number


def test_changes_of_a_folder_that_was_listed_are_noticed(write, random, tmp_path):
    first, second = (
        write.dicom(tmp_path / name, random.integers(0, 900, (4, 4)))
        for name in ("a.dcm", "b.dcm")
    )
    os.utime(tmp_path, (0, 0))
    assert files_with(first) == [first, second]
    # Written over, which does not change the folder.
    write.dicom(second, random.integers(0, 900, (4, 4)), SeriesInstanceUID="1.2.9")
    os.utime(tmp_path, (0, 0))
    assert files_with(first) == [first]
    second.unlink()
    third = write.dicom(tmp_path / "c.dcm", random.integers(0, 900, (4, 4)))
    assert files_with(first) == [first, third]


def test_scans_that_no_other_reads_are_alone(tmp_path):
    damaged = tmp_path / "a.dcm"
    damaged.write_bytes(b"?")
    assert files_with(damaged) == [damaged]
    assert files_with(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
