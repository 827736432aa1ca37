"""Raw scans as ISMRMRD: where readouts go, and which of them count."""

from collections.abc import Iterable

import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_ismrmrd import load, takes
from emrnas_jax.errors import InputError

COILS, LINES, SAMPLES = 3, 6, 8
NOISE, CALIBRATION, BOTH, REVERSED, NAVIGATOR = (
    1 << (bit - 1) for bit in (19, 20, 21, 22, 23)
)

NAMES = (
    *("kspace_encode_step_1", "kspace_encode_step_2", "average", "slice"),
    *("contrast", "phase", "repetition", "set", "segment"),
)
COUNTERS = np.dtype([(name, "<u2") for name in NAMES])
HEAD = np.dtype(
    [
        ("flags", "<u8"),
        ("number_of_samples", "<u2"),
        ("active_channels", "<u2"),
        ("discard_pre", "<u2"),
        ("discard_post", "<u2"),
        ("center_sample", "<u2"),
        ("encoding_space_ref", "<u2"),
        ("idx", COUNTERS),
    ]
)
FLOATS = h5py.vlen_dtype(np.dtype("<f4"))
RECORD = np.dtype([("head", HEAD), ("traj", FLOATS), ("data", FLOATS)])

HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>
<encodedSpace><matrixSize><x>{x}</x><y>{y}</y><z>{z}</z></matrixSize>
<fieldOfView_mm><x>{fov}</x><y>100</y><z>5</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>8</x><y>{recon_lines}</y><z>1</z></matrixSize>
<fieldOfView_mm><x>200</x><y>{recon_fov}</y><z>5</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{last}</maximum>
<center>{centre}</center></kspace_encoding_step_1></encodingLimits>
<trajectory>{trajectory}</trajectory>{calibration}</encoding></ismrmrdHeader>"""


def record(samples, line, flags=0, **counters):
    """One readout [coil, sample]; names of the head or of its counters may be given."""
    found = np.zeros(1, RECORD)[0]
    head = found["head"]
    head["flags"] = flags
    head["active_channels"], head["number_of_samples"] = samples.shape
    head["center_sample"] = samples.shape[1] // 2
    head["idx"]["kspace_encode_step_1"] = line
    for name, value in counters.items():
        (head["idx"] if name in NAMES else head)[name] = value
    found["traj"] = np.zeros(0, "f4")
    found["data"] = np.ascontiguousarray(samples, np.complex64).view("f4").ravel()
    return found


def write(folder, records, **header):
    known = {"x": SAMPLES, "y": LINES, "z": 1, "fov": 200, "centre": 3}
    known |= {"trajectory": "cartesian", "last": 5}
    known |= {"recon_lines": 6, "recon_fov": 100, "calibration": ""} | header
    path = folder / "scan.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        data = group.create_dataset("data", (len(records),), RECORD)
        for number, one in enumerate(records):
            data[number] = one
        text = group.create_dataset("xml", (1,), h5py.string_dtype())
        text[0] = HEADER.format(**known)
    return path


@pytest.fixture
def kspace(random):
    """[coil, line, sample]."""
    parts = random.normal(size=(2, COILS, LINES, SAMPLES))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def readouts(kspace, lines: Iterable[int] = range(LINES), **given):
    return [record(kspace[:, line], line, **given) for line in lines]


def turned(kspace):
    """As the reader returns one slice: [frame, coil, sample, line]."""
    return kspace.transpose(0, 2, 1)[None]


def test_readouts_are_laid_at_their_lines_in_any_order(kspace, tmp_path):
    path = write(tmp_path, readouts(kspace, [3, 0, 5, 1, 4, 2]))
    assert takes(path)
    found = load(path, "")
    np.testing.assert_array_equal(found.kspace, turned(kspace))
    assert found.mask is None
    assert found.from_scanner


def test_missing_lines_are_zero_and_masked(kspace, tmp_path):
    found = load(write(tmp_path, readouts(kspace, [1, 3, 4])), "")
    measured = np.isin(np.arange(LINES), [1, 3, 4])
    np.testing.assert_array_equal(found.mask, measured[None, None])
    np.testing.assert_array_equal(found.kspace, turned(kspace) * measured)


def test_the_headers_centre_says_where_the_zero_frequency_is(kspace, tmp_path):
    """Partial Fourier: line 1 of 6 has the zero frequency, so it is laid at 3."""
    found = load(write(tmp_path, readouts(kspace, range(4)), centre=1), "")
    np.testing.assert_array_equal(found.kspace[..., 2:], turned(kspace[:, :4]))
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask[0, 0], [0, 0, 1, 1, 1, 1])


def test_slices_and_repetitions_are_frames_and_averages_are_averaged(kspace, tmp_path):
    records = [
        one
        for slice_ in (1, 0)
        for repetition in (0, 1)
        for average in (-1, 1)
        for one in readouts(
            kspace * (1 + slice_ + 2 * repetition + average / 2),
            slice=slice_,
            repetition=repetition,
            average=(average + 1) // 2,
        )
    ]
    found = load(write(tmp_path, records), "").kspace
    factors = np.array([1, 3, 2, 4])[:, None, None, None]
    np.testing.assert_allclose(found, turned(kspace) * factors, rtol=1e-5)


def test_reversed_and_shortened_readouts_lie_at_their_centre(kspace, tmp_path):
    records = readouts(kspace, range(1, LINES))
    # An echo of seven samples, acquired from the end: its middle is its sample 3.
    echo = kspace[:, 0, 1:][:, ::-1]
    records.append(record(echo, 0, flags=REVERSED, center_sample=3))
    found = load(write(tmp_path, records), "").kspace
    expected = turned(kspace).copy()
    expected[:, :, 0, 0] = 0
    np.testing.assert_array_equal(found, expected)


def test_discarded_samples_do_not_count(kspace, tmp_path):
    records = readouts(kspace, discard_pre=2, discard_post=1)
    found = load(write(tmp_path, records), "").kspace
    np.testing.assert_array_equal(found[:, :, 2:7], turned(kspace)[:, :, 2:7])
    assert not found[:, :, :2].any()
    assert not found[:, :, 7:].any()


def test_calibration_counts_as_measured_and_navigators_do_not(kspace, tmp_path):
    records = readouts(kspace, [0, 2, 4]) + readouts(kspace, [3], flags=CALIBRATION)
    records += readouts(kspace * 100, [1, 3], flags=NAVIGATOR)
    records += readouts(kspace * 100, [5], encoding_space_ref=1)
    found = load(write(tmp_path, records), "")
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask[0, 0], [1, 0, 1, 1, 1, 0])
    np.testing.assert_array_equal(found.kspace, turned(kspace) * found.mask[:, None])


@pytest.mark.parametrize("bit", [23, 24, 26, 27, 28, 29, 30, 31])
def test_readouts_of_anything_but_the_image_are_not_averaged_into_it(
    bit, kspace, tmp_path
):
    others = readouts(kspace * 100, [1, 3], flags=1 << (bit - 1))
    found = load(write(tmp_path, readouts(kspace) + others), "")
    np.testing.assert_array_equal(found.kspace, turned(kspace))


MODE = "<parallelImaging><calibrationMode>{}</calibrationMode></parallelImaging>"


@pytest.mark.parametrize("mode", ["embedded", "separate", "external", "other", ""])
def test_lines_of_calibration_alone_are_the_images_where_the_header_says_so(
    mode, kspace, tmp_path
):
    """Line 2 was acquired for the image too, line 3 for calibration alone."""
    records = readouts(kspace, [0, 2, 4]) + readouts(
        3 * kspace, [2, 3], flags=CALIBRATION
    )
    records += readouts(kspace, [5], flags=CALIBRATION | BOTH)
    text = MODE.format(mode) if mode else ""
    found = load(write(tmp_path, records, calibration=text), "")
    factors = [1, 0, 2 if mode == "embedded" else 1, 0, 1, 1]
    factors[3] = 3 if mode in ("embedded", "") else 0
    np.testing.assert_allclose(found.kspace, turned(kspace) * factors, rtol=1e-6)
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask[0, 0], np.array(factors) > 0)
    said = ["1 readouts are of calibration alone"] if not mode else []
    assert [warning[:35] for warning in found.warnings] == said


def test_calibration_of_another_scan_alone_is_no_image(kspace, tmp_path):
    records = readouts(kspace, flags=CALIBRATION)
    path = write(tmp_path, records, calibration=MODE.format("separate"))
    with pytest.raises(InputError, match="no readouts of an image"):
        load(path, "")


def test_an_oversampled_readout_is_cut_to_the_field_of_view(random, tmp_path):
    """The image of twice the field of view, its middle half kept."""
    image = random.normal(size=(COILS, LINES, 2 * SAMPLES)) + 0j
    shifted = np.fft.ifftshift(image, -1)
    wide = np.fft.fftshift(np.fft.fft(shifted, norm="ortho"), -1)
    found = load(write(tmp_path, readouts(wide), x=16, fov=400), "").kspace
    middle = np.fft.ifftshift(image[..., 4:12], -1)
    expected = np.fft.fftshift(np.fft.fft(middle, norm="ortho"), -1)
    np.testing.assert_allclose(found, turned(expected), atol=1e-5)


def test_a_noise_scan_whitens_the_coils(kspace, random, tmp_path):
    mixing = np.eye(COILS) + 0.3 * random.normal(size=(COILS, COILS))
    parts = random.normal(size=(2, COILS, 4000))
    noise = mixing @ (parts[0] + 1j * parts[1])
    records = [record(noise, 0, flags=NOISE), *readouts(kspace)]
    found = load(write(tmp_path, records), "").kspace[0]
    # The same transform of the noise itself leaves it independent and alike.
    transform = found.reshape(COILS, -1) @ np.linalg.pinv(
        turned(kspace)[0].reshape(COILS, -1)
    )
    covariance = np.cov(transform @ noise)
    np.testing.assert_allclose(
        covariance / covariance[0, 0].real, np.eye(COILS), atol=0.01
    )
    assert abs(np.linalg.det(transform)) == pytest.approx(1, abs=1e-3)


def test_a_volume_becomes_slices_along_its_readout(random, tmp_path):
    planes = 4
    parts = random.normal(size=(2, COILS, planes, LINES, SAMPLES))
    volume = (parts[0] + 1j * parts[1]).astype(np.complex64)
    records = [
        one
        for plane in range(planes)
        if plane != 1
        for one in readouts(volume[:, plane], kspace_encode_step_2=plane)
    ]
    found = load(write(tmp_path, records, z=planes), "")
    assert found.kspace.shape == (SAMPLES, COILS, planes, LINES)
    mean = found.kspace.sum(0) / np.sqrt(SAMPLES)
    volume[:, 1] = 0
    np.testing.assert_allclose(mean, volume[..., SAMPLES // 2], atol=1e-5)
    assert found.mask is not None
    assert found.mask.shape == (SAMPLES, planes, LINES)
    assert not found.mask[:, 1].any()
    assert found.mask[:, [0, 2, 3]].all()


def test_what_cannot_be_laid_is_refused(kspace, tmp_path):
    good = readouts(kspace)
    for records, header, message in (
        (good, {"trajectory": "spiral"}, "trajectory is spiral"),
        (good, {"y": 4}, "line -1.*4 lines"),
        (good, {"x": 6, "fov": 150}, "8 samples.*header's 6 samples"),
        (readouts(kspace, flags=NOISE), {}, "no readouts of an image"),
        ([*good, record(kspace[:2, 0], 0)], {}, "2 coils and 8 samples.*3 coils"),
    ):
        with pytest.raises(InputError, match=message):
            load(write(tmp_path, records, **header), "")
    path = write(tmp_path, good)
    with pytest.raises(InputError, match="leave out --kspace_axes"):
        load(path, "coil,row,column")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match="damaged"):
        takes(path)


def test_padding_of_the_header_is_neither_measured_nor_missing(kspace, tmp_path):
    """Lines 0 to 3 of 6 with the zero frequency at line 2 lie at 1 to 4."""
    records = readouts(kspace, range(4))
    found = load(write(tmp_path, records, last=3, centre=2), "")
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask[0, 0], [0, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(found.acquired, found.mask[0])
    # Of the image of six lines the scanner keeps all.
    assert found.size is None


def test_a_header_that_numbers_more_lines_than_it_has_is_said(kspace, tmp_path):
    found = load(write(tmp_path, readouts(kspace), last=6), "")
    assert found.acquired is None
    [warning] = found.warnings
    assert "6 lines, and numbers them to 6" in warning


def test_the_image_is_cut_along_the_lines_too(kspace, tmp_path):
    path = write(tmp_path, readouts(kspace), recon_lines=4, recon_fov=66.7)
    assert load(path, "").size == (SAMPLES, 4)
