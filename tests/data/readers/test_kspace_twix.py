"""Twix files, written by twixtools: where readouts go, and which of them count."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import twixtools
from twixtools.mdb import Mdb_local

from emrnas_jax.data.readers import kspace_twix
from emrnas_jax.data.readers.geometry import UNKNOWN
from emrnas_jax.data.readers.kspace_files import load_kspace
from emrnas_jax.data.readers.kspace_geometry import kspace_geometry
from emrnas_jax.data.readers.kspace_twix import load, takes
from emrnas_jax.errors import InputError

COILS, LINES, SAMPLES = 3, 6, 8

# The parts of a header that are read: the protocol, and what the scanner derived.
PROTOCOL = """### ASCCONV BEGIN ###
sKSpace.lBaseResolution = {base}
sKSpace.lPhaseEncodingLines = {lines}
sKSpace.lPartitions = {planes}
sKSpace.ucTrajectory = {trajectory}
sPat.ucRefScanMode = {reference}
sSliceAcceleration.lMultiBandFactor = {bands}
sKSpace.ucDimension = {dimension}
sKSpace.dPhaseOversamplingForDialog = {phase_oversampling}
sSliceArray.asSlice[0].dReadoutFOV = 200.0
sSliceArray.asSlice[0].dPhaseFOV = 180.0
sSliceArray.asSlice[0].dThickness = 4.0
sSliceArray.asSlice[0].sPosition.dTra = 10.0
sSliceArray.asSlice[{slices}].sPosition.dTra = 15.5
### ASCCONV END ###
"""
DERIVED = """<ParamDouble."flReadoutOSFactor"> {{ <Precision> 6 {oversampling} }}
<ParamLong."alRegridMode"> {{ {regridding} 1 }}
"""
USUAL = {"base": 8, "lines": 6, "planes": 16, "trajectory": 1, "reference": 1}
USUAL |= {"bands": 1, "oversampling": 1.0, "regridding": 1}
USUAL |= {"dimension": 2, "phase_oversampling": 0.0, "slices": 1}


def header(**changes):
    """The bytes of the header of one measurement."""
    values = USUAL | changes
    parts = b""
    for name, text in (("MeasYaps", PROTOCOL), ("Meas", DERIVED)):
        written = text.format(**values).encode()
        parts += name.encode() + b"\0" + np.uint32(len(written)).tobytes() + written
    length = -(-(8 + len(parts)) // 32) * 32
    start = np.array([length, 2], np.uint32).tobytes()
    return np.frombuffer((start + parts).ljust(length, b"\0"), "S1")


def readout(samples, line, flags=(), centre=(SAMPLES // 2, LINES // 2, 0), **counters):
    """One readout [coil, sample]; `centre` of column, line and partition."""
    found = Mdb_local(np.ascontiguousarray(samples, np.complex64))
    mdh: Any = found.mdh
    mdh.CenterCol, mdh.CenterLin, mdh.CenterPar = centre
    mdh.Counter.Lin = line
    for name, value in counters.items():
        setattr(mdh.Counter, name, value)
    for flag in ("ONLINE", *flags):
        found.add_flag(flag)
    return found


def readouts(kspace, lines: Iterable[int] = range(LINES), **given):
    return [readout(kspace[:, line], line, **given) for line in lines]


@pytest.fixture
def write(tmp_path):
    """Write a file of a measurement, and of more as pairs of header and readouts."""

    def write(records, *more, **changes):
        path = tmp_path / "scan.dat"
        path.unlink(missing_ok=True)
        scans = [(header(**changes), records), *more]
        twixtools.write_twix(
            [{"hdr_str": text, "mdb": [*those]} for text, those in scans], str(path)
        )
        return path

    return write


@pytest.fixture
def kspace(random):
    """[coil, line, sample]."""
    parts = random.normal(size=(2, COILS, LINES, SAMPLES))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def turned(kspace):
    """As the reader returns one slice: [frame, coil, sample, line]."""
    return kspace.transpose(0, 2, 1)[None]


def test_readouts_are_laid_at_their_lines_in_any_order(kspace, write):
    path = write(readouts(kspace, [3, 0, 5, 1, 4, 2]))
    assert takes(path)
    found = load(path, "")
    np.testing.assert_array_equal(found.kspace, turned(kspace))
    assert found.mask is None
    assert found.from_scanner
    assert found.warnings == ()


def test_missing_lines_are_zero_and_masked(kspace, write):
    found = load(write(readouts(kspace, [1, 3, 4])), "")
    measured = np.isin(np.arange(LINES), [1, 3, 4])
    np.testing.assert_array_equal(found.mask, measured[None, None])
    np.testing.assert_array_equal(found.kspace, turned(kspace) * measured)


def test_an_oversampled_readout_is_cut_to_the_field_of_view(random, write):
    """The image of twice the field of view, its middle half kept."""
    image = random.normal(size=(COILS, LINES, 2 * SAMPLES)) + 0j
    shifted = np.fft.ifftshift(image, -1)
    wide = np.fft.fftshift(np.fft.fft(shifted, norm="ortho"), -1)
    records = readouts(wide, centre=(SAMPLES, LINES // 2, 0))
    found = load(write(records, oversampling=2.0), "").kspace
    middle = np.fft.ifftshift(image[..., 4:12], -1)
    expected = np.fft.fftshift(np.fft.fft(middle, norm="ortho"), -1)
    np.testing.assert_allclose(found, turned(expected), atol=1e-5)


def test_partial_fourier_and_asymmetric_echoes_keep_their_centre(kspace, write):
    """Line 1 of the first four has the zero frequency; the echo is at sample 2."""
    records = [
        readout(kspace[:, line, 2:], line, centre=(2, 1, 0)) for line in range(4)
    ]
    found = load(write(records), "")
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask[0, 0], [0, 0, 1, 1, 1, 1])
    expected = np.zeros_like(turned(kspace))
    expected[:, :, 2:, 2:] = turned(kspace[:, :4, 2:])
    np.testing.assert_array_equal(found.kspace, expected)


def test_a_header_of_another_size_is_not_believed(kspace, write):
    """Sequences of other makers leave the scanner's values, and no centre of lines."""
    records = readouts(kspace, centre=(SAMPLES // 2, 0, 0))
    for base, lines in ((5, 3), (64, 64)):
        found = load(write(records, base=base, lines=lines, oversampling=2.0), "")
        np.testing.assert_array_equal(found.kspace, turned(kspace))
        [warning] = found.warnings
        assert (
            "which line has the zero frequency; 3, in the middle of 0 to 5" in warning
        )


def test_warnings_of_the_reader_come_with_those_of_all_formats(kspace, write):
    path = write(readouts(kspace, centre=(SAMPLES // 2, 0, 0)))
    [warning] = load_kspace(path).warnings
    assert "3, in the middle of 0 to 5" in warning


def test_a_readout_that_a_doubtful_header_cuts_is_told(kspace, write):
    records = readouts(kspace, centre=(SAMPLES // 2, 0, 0))
    found = load(write(records, base=4, oversampling=2.0), "")
    assert found.kspace.shape == (1, COILS, 4, LINES)
    assert "cut from 8 to 4 samples" in found.warnings[-1]


def test_slices_and_repetitions_are_frames_and_averages_are_averaged(kspace, write):
    records = [
        one
        for slice_ in (1, 0)
        for repetition in (0, 1)
        for average in (-1, 1)
        for one in readouts(
            kspace * (1 + slice_ + 2 * repetition + average / 2),
            Sli=slice_,
            Rep=repetition,
            Ave=(average + 1) // 2,
        )
    ]
    found = load(write(records), "").kspace
    factors = np.array([1, 3, 2, 4])[:, None, None, None]
    np.testing.assert_allclose(found, turned(kspace) * factors, rtol=1e-5)


def test_reference_lines_count_where_they_lie_in_place(kspace, write):
    records = readouts(kspace, [0, 2, 4])
    records[1].add_flag("PATREFSCAN")
    records[1].add_flag("PATREFANDIMASCAN")
    records += readouts(kspace, [3], flags=["PATREFSCAN"])
    for reference, lines in ((2, [0, 2, 3, 4]), (4, [0, 2, 4])):
        found = load(write(records, reference=reference), "")
        assert found.mask is not None
        np.testing.assert_array_equal(np.flatnonzero(found.mask), lines)


def test_navigators_and_other_measurements_do_not_count(kspace, write):
    records = readouts(kspace) + readouts(kspace * 100, [2], flags=["RTFEEDBACK"])
    records += readouts(kspace * 100, [1], flags=["PHASCOR"])
    # A measurement for adjustments stands before that of the image.
    path = write(readouts(kspace[:2] * 9), (header(), records))
    np.testing.assert_array_equal(load(path, "").kspace, turned(kspace))


def test_noise_scans_of_any_measurement_whiten_the_coils(kspace, random, write):
    mixing = np.eye(COILS) + 0.3 * random.normal(size=(COILS, COILS))
    parts = random.normal(size=(2, COILS, 4000))
    noise = mixing @ (parts[0] + 1j * parts[1])
    scan = readout(noise, 0, flags=["NOISEADJSCAN"])
    other = readout(noise[:2], 0, flags=["NOISEADJSCAN"])
    path = write([other, scan], (header(), readouts(kspace)))
    found = load(path, "").kspace[0].reshape(COILS, -1)
    # The same transform of the noise itself leaves it independent and alike.
    transform = found @ np.linalg.pinv(turned(kspace)[0].reshape(COILS, -1))
    covariance = np.cov(transform @ noise)
    np.testing.assert_allclose(
        covariance / covariance[0, 0].real, np.eye(COILS), atol=0.01
    )


def test_a_volume_becomes_slices_along_its_readout(random, write):
    planes = 4
    parts = random.normal(size=(2, COILS, planes, LINES, SAMPLES))
    volume = (parts[0] + 1j * parts[1]).astype(np.complex64)
    records = [
        one
        for plane in range(planes)
        if plane != 1
        for one in readouts(volume[:, plane], Par=plane, centre=(4, 3, 2))
    ]
    found = load(write(records, planes=planes), "")
    assert found.kspace.shape == (SAMPLES, COILS, planes, LINES)
    volume[:, 1] = 0
    mean = found.kspace.sum(0) / np.sqrt(SAMPLES)
    np.testing.assert_allclose(mean, volume[..., SAMPLES // 2], atol=1e-5)
    assert found.mask is not None
    assert not found.mask[:, 1].any()
    assert found.mask[:, [0, 2, 3]].all()


def test_pixels_have_the_size_of_the_field_of_view(kspace, write):
    path = write(readouts(kspace))
    assert kspace_geometry(path, (8, 6)).size_mm == (30, 25, 5.5)
    # One slice: its thickness.
    path = write(readouts(kspace), slices=0)
    assert kspace_geometry(path, (8, 6)).size_mm == (30, 25, 4)


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((8, 7), {}),
        ((16, 6), {}),
        ((8, 6), {"dimension": 4}),
        ((8, 6), {"phase_oversampling": 0.5}),
    ],
)
def test_a_field_of_view_of_other_images_is_not_believed(kspace, write, shape, changes):
    path = write(readouts(kspace), **changes)
    assert kspace_geometry(path, shape) == UNKNOWN


def test_what_is_no_cartesian_image_is_refused(kspace, write):
    good = readouts(kspace)
    both = [*readouts(kspace, [0, 2, 4]), *readouts(kspace, [1, 3], flags=["REFLECT"])]
    for records, changes, message in (
        (good, {"trajectory": 2}, "trajectory is radial"),
        (good, {"trajectory": 16}, "trajectory is number 16"),
        (good, {"bands": 3}, "3 slices were measured together"),
        (good, {"regridding": 2}, "echo-planar"),
        (both, {}, "echo-planar"),
        (readouts(kspace, flags=["NOISEADJSCAN"]), {}, "no readouts of an image"),
        ([readout(kspace[:, 0], 0)] * 5, {}, "5 readouts have the same counters"),
        ([*good[:5], *readouts(kspace[:2], [5])], {}, "2 coils, and the first has 3"),
    ):
        path = write(records, **changes)
        with pytest.raises(InputError, match=message) as caught:
            load(path, "")
        assert str(caught.value).startswith(str(path))
    with pytest.raises(InputError, match="leave out --kspace_axes"):
        load(write(good), "coil,row,column")


@pytest.mark.parametrize("missing", [1000, 1800, 2600])
def test_a_file_cut_short_is_named(kspace, write, missing):
    path = write(readouts(kspace))
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(InputError, match=r"scan\.dat: the end of its measurement is"):
        load(path, "")


def test_the_programs_output_is_its_own(kspace, write, capsys):
    path = write(readouts(kspace))
    content = bytearray(path.read_bytes())
    # The length of the only measurement, which scanners may leave 0.
    content[24:32] = bytes(8)
    path.write_bytes(content)
    capsys.readouterr()
    np.testing.assert_array_equal(load(path, "").kspace, turned(kspace))
    assert capsys.readouterr().out == ""


def test_other_files_of_that_ending_are_not_taken(kspace, write, tmp_path):
    assert not takes(tmp_path / "missing.dat")
    assert not takes(write(readouts(kspace)).rename(tmp_path / "scan.raw"))
    for content in (b"", b"1 2 3\n" * 9999, bytes(20_000)):
        (tmp_path / "notes.dat").write_bytes(content)
        assert not takes(tmp_path / "notes.dat")


def test_an_older_software_is_refused_by_name(tmp_path):
    path = tmp_path / "meas.dat"
    path.write_bytes(header().tobytes() + bytes(999))
    assert takes(path)
    with pytest.raises(InputError, match="written by the software VB"):
        load(path, "")


def test_a_missing_twixtools_is_one_line_with_its_command(kspace, write, monkeypatch):
    path = write(readouts(kspace))
    monkeypatch.setattr(kspace_twix.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'emrnas-jax\[twix\]'"):
        load(path, "")
