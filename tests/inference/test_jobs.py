import contextlib
import os
from pathlib import Path
from typing import Any

import h5py
import jax
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image
from PIL import Image

from emrnas_jax.data.readers.mask_files import StoredMask
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference import load_model, reconstruct_kspace
from emrnas_jax.inference.frames import reconstruct_scans, reconstruct_together
from emrnas_jax.inference.jobs import reconstruct_files
from emrnas_jax.inference.plan import Settings, plan
from emrnas_jax.inference.scans import geometry_of, read_scan
from emrnas_jax.inference.summary import (
    repeated_warnings,
    summary_line,
)

BATCH = 4


@pytest.fixture(scope="module")
def model(make_model):
    return load_model(make_model())


@pytest.fixture
def random():
    return np.random.default_rng(11)


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    folder.mkdir()
    return folder


@pytest.fixture
def kspace(random):
    """Plain k-space of two images of 16 x 16, five of its rows measured."""
    images = random.random((2, 16, 16))
    lines = np.isin(np.arange(16), (0, 1, 5, 14, 15))
    return np.fft.fft2(images, norm="ortho") * lines[:, None]


@pytest.fixture
def reconstruct(model, scans, tmp_path):
    """Reconstruct what is in the folder of scans."""

    def reconstruct(**changes):
        reading = Reading("magnitude", "rows")
        settings = {"input": scans, "output": tmp_path / "out", "reading": reading}
        return reconstruct_files(model, Settings(batch=BATCH, **settings | changes))

    return reconstruct


def test_what_a_result_is_made_from_keeps_its_names(model, scans, kspace, tmp_path):
    """Another name would make every result that exists one of something else."""
    write_kspace(scans / "a.npz", kspace)
    reading = Reading("magnitude", "rows")
    [job] = plan(model, Settings(scans, tmp_path / "out", reading))
    assert set(job.made_from) - set(model.origin()) == {
        *("input", "bytes", "changed", "precision", "mask", "images", "phase_encode"),
        *("convention", "norm", "fully_sampled", "scale", "axes"),
    }


def write_png(folder, random, time=1):
    path = folder / f"mr_heart_p01t{time:02d}z0.png"
    Image.fromarray(random.integers(0, 256, (16, 16), np.uint8)).save(path)
    return path


def write_kspace(path, kspace, **more):
    np.savez(path, kspace=kspace, kspace_convention="plain", **more)
    return path


def read(path, name="reconstruction"):
    with h5py.File(path) as file:
        dataset: Any = file[name]
        return np.asarray(dataset[()])


def test_the_result_of_kspace_is_that_of_the_python_function(
    model, scans, kspace, reconstruct, tmp_path
):
    write_kspace(scans / "a.npz", kspace * 1e-5)
    summary = reconstruct()
    assert (summary.done, summary.failed, summary.frames) == (1, 0, 2)
    mask = (kspace[0] != 0).any(axis=1, keepdims=True)
    wanted = reconstruct_kspace(model, kspace * 1e-5, mask, batch=BATCH)
    found = read(tmp_path / "out" / "a.h5")
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-9)
    assert (tmp_path / "out" / "a.png").exists()
    with h5py.File(tmp_path / "out" / "a.h5") as file:
        assert file.attrs["architecture"] == "[O8]"
        assert "metrics" not in file.attrs  # nothing was scored
        assert "psnr_db" not in file


def test_single_frames_share_a_batch_and_get_a_file_each(
    scans, random, reconstruct, tmp_path, capsys
):
    for time in range(1, 7):
        write_png(scans, random, time)
    summary = reconstruct()
    assert (summary.done, summary.frames) == (6, 6)
    for time in range(1, 7):
        path = tmp_path / "out" / f"mr_heart_p01t{time:02d}z0.h5"
        assert read(path, "frame") == [time - 1]
        assert np.isfinite(read(path, "psnr_db")).all()
    assert capsys.readouterr().out.count("dB, SSIM") == 12
    assert "6 files with 6 frames" in summary_line(summary)
    assert "metrics: paper: magnitude clipped to [0, 1]" in summary_line(summary)
    with h5py.File(tmp_path / "out" / "mr_heart_p01t01z0.h5") as file:
        assert str(file.attrs["metrics"]).startswith("paper: magnitude clipped")


def test_results_keep_the_folders_of_the_scans_and_are_no_scans(
    scans, kspace, reconstruct, tmp_path, capsys
):
    for name in ("rest", "stress"):
        (scans / name).mkdir()
        write_kspace(scans / name / "a.npz", kspace)
    inside = scans / "results"
    assert reconstruct(output=inside).done == 2
    assert sorted(path.relative_to(inside) for path in inside.rglob("*.h5")) == [
        Path("rest/a.h5"),
        Path("stress/a.h5"),
    ]
    # Neither the folder of this output nor that of another is searched.
    assert reconstruct(output=inside).skipped == 2
    summary = reconstruct(output=tmp_path / "out")
    assert (summary.total, summary.done) == (2, 2)
    assert "error" not in capsys.readouterr().err


# What is in each: bytes, or the arrays of an .npz.
BAD = {
    "cut.npz": b"PK\x03\x04" + bytes(99),
    "cut.h5": b"\x89HDF\r\n\x1a\n" + bytes(99),
    "mr_heart_p02t01z0.png": b"\x89PNG\r\n\x1a\n",
    "cut.mat": b"MATLAB 5.0 MAT-file" + bytes(120),
    "variable.npz": {"data": np.ones((16, 16))},
    "nan.npz": {"kspace": np.full((16, 16), np.nan + 0j)},
    "zero.npz": {"kspace": np.zeros((16, 16), complex)},
    "rank.npz": {"kspace": np.ones(16, complex)},
    "real.npz": {"kspace": np.ones((16, 16))},
    "coils.npz": {"kspace": np.ones((1, 8, 16, 16), complex)},
    "mask.npz": {"kspace": np.ones((16, 16), complex), "mask": np.ones(9)},
}


def test_bad_files_are_reported_and_the_good_ones_written(
    scans, kspace, reconstruct, tmp_path, capsys
):
    for name in ("a.npz", "z.npz"):
        write_kspace(scans / name, kspace)
    for name, content in BAD.items():
        if isinstance(content, bytes):
            (scans / name).write_bytes(content)
        else:
            np.savez(scans / name, **content)
    summary = reconstruct()
    assert (summary.done, summary.failed) == (2, len(BAD))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"a.h5", "a.png", "z.h5", "z.png"}
    errors = capsys.readouterr().err.splitlines()
    for name in BAD:
        assert any(f"{scans / name}" in e for e in errors if e.startswith("error:"))


def test_a_second_time_nothing_is_done_until_the_input_changes(
    scans, kspace, reconstruct, tmp_path, capsys
):
    path = write_kspace(scans / "a.npz", kspace)
    reconstruct()
    before = (tmp_path / "out" / "a.h5").stat().st_mtime_ns
    summary = reconstruct()
    assert (summary.done, summary.skipped, summary.failed) == (0, 1, 0)
    assert "done already" in capsys.readouterr().out
    assert (tmp_path / "out" / "a.h5").stat().st_mtime_ns == before

    write_kspace(path, kspace * 2, more=np.ones(3))
    assert reconstruct().failed == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "out" / "a.h5").stat().st_mtime_ns == before
    old = read(tmp_path / "out" / "a.h5")
    assert reconstruct(overwrite=True).done == 1
    found = read(tmp_path / "out" / "a.h5")
    np.testing.assert_allclose(found, 2 * old, rtol=1e-4, atol=1e-6)


def test_other_settings_or_files_of_others_are_not_taken_for_done(
    scans, kspace, model, reconstruct, tmp_path
):
    write_kspace(scans / "a.npz", kspace)
    reconstruct()
    assert reconstruct(reading=Reading("magnitude", "rows", scale=2.0)).failed == 1
    settings = Settings(scans, tmp_path / "out", Reading("magnitude", "rows"), BATCH)
    in_bf16 = load_model(model.folder, precision="bf16")
    assert reconstruct_files(in_bf16, settings).failed == 1
    (tmp_path / "out" / "a.h5").write_text("not mine")
    assert reconstruct().failed == 1
    assert (tmp_path / "out" / "a.h5").read_text() == "not mine"


def test_files_of_one_stem_do_not_overwrite_each_other(
    scans, kspace, reconstruct, tmp_path
):
    write_kspace(scans / "a.npz", kspace)
    with h5py.File(scans / "A.h5", "w") as file:
        file["kspace"] = 3 * kspace
        file.attrs["kspace_convention"] = "plain"
    assert reconstruct().done == 2
    one, three = (read(tmp_path / "out" / f"{n}.h5") for n in ("a.npz", "A.h5"))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-4, atol=1e-5)


def test_the_folder_of_the_input_is_no_output(scans, kspace, reconstruct):
    write_kspace(scans / "a.npz", kspace)
    with pytest.raises(InputError, match="folder of the input"):
        reconstruct(output=scans)
    with pytest.raises(InputError, match="no folder that can"):
        reconstruct(output=scans / "a.npz" / "out")


def test_images_too_small_to_score_fail_alone(
    scans, random, kspace, reconstruct, capsys
):
    write_kspace(scans / "a.npz", kspace)
    small = scans / "mr_heart_p01t01z0.png"
    Image.fromarray(random.integers(0, 256, (6, 16), np.uint8)).save(small)
    summary = reconstruct()
    assert (summary.done, summary.failed) == (1, 1)
    assert "SSIM" in capsys.readouterr().err


def test_what_differs_from_the_training_is_said_once(
    scans, kspace, reconstruct, capsys
):
    for name in ("a.npz", "b.npz"):
        write_kspace(scans / name, kspace.swapaxes(1, 2))
    assert reconstruct().done == 2
    warnings = capsys.readouterr().err
    assert warnings.count("the axis that the network was trained for") == 1


def test_a_full_disk_fails_the_file_and_leaves_no_halves(
    scans, kspace, reconstruct, tmp_path, monkeypatch, capsys
):
    write_kspace(scans / "a.npz", kspace)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emrnas_jax.inference.jobs.write_scan", full)
    assert reconstruct().failed == 1
    assert "No space left" in capsys.readouterr().err
    assert not (tmp_path / "out" / "a.h5").exists()


def write_sizes(folder, random, name, frames):
    """One file per size and number of frames, half of their rows measured."""
    for size in ((16, 16), (12, 16)):
        for count in frames:
            lines = np.arange(size[0])[:, None] % 2 == 0
            kspace = np.fft.fft2(random.random((count, *size)), norm="ortho") * lines
            write_kspace(folder / f"{name}{count}_{size[0]}.npz", kspace)


def test_two_sizes_compile_the_network_twice_however_many_files_there_are(
    scans, random, make_model, tmp_path, caplog
):
    model = load_model(make_model())  # none of whose programs is compiled
    settings = Settings(scans, tmp_path / "out", Reading("magnitude", "rows"), BATCH)

    def compilations():
        caplog.clear()
        jax.config.update("jax_log_compiles", True)
        try:
            summary = reconstruct_files(model, settings)
        finally:
            jax.config.update("jax_log_compiles", False)
        return summary.done, sum("Compiling" in text for text in caplog.messages)

    write_sizes(scans, random, "a", frames=(1, 5))
    done, programs = compilations()
    assert done == 4
    assert programs >= 2  # the network's, and what prepares and scores
    write_sizes(scans, random, "b", frames=(1, 2, 3, 4, 7, 9))
    assert compilations() == (12, 0)


def test_sizes_that_alternate_share_batches_and_lose_no_file(
    scans, random, reconstruct, tmp_path, monkeypatch
):
    batches = []

    def counted(model, scans, batch, progress):
        batches.append(sum(len(scan.slices) for scan in scans))
        return reconstruct_together(model, scans, batch, progress)

    monkeypatch.setattr("emrnas_jax.inference.jobs.reconstruct_together", counted)
    for i in range(BATCH):
        write_sizes(scans, random, f"s{i}_", frames=(1,))
    assert reconstruct().done == 2 * BATCH
    assert batches == [BATCH, BATCH]
    assert len(list((tmp_path / "out").glob("*.h5"))) == 2 * BATCH


def test_a_file_of_many_that_overlap_is_reconstructed_as_alone(
    model, scans, random, reconstruct, tmp_path
):
    write_sizes(scans, random, "a", frames=(1, 2, 5))
    (scans / "broken.npz").write_bytes(b"PK")
    for time in (1, 2):
        write_png(scans, random, time)
    summary = reconstruct()
    assert (summary.done, summary.failed) == (8, 1)
    for file in scans.glob("*[!n].[np]*"):
        [alone] = reconstruct_scans(
            model, [read_scan(file, Reading("magnitude", "rows"))], BATCH
        )
        path = tmp_path / "out" / f"{file.stem}.h5"
        np.testing.assert_allclose(read(path), alone.reconstruction, atol=1e-6)
        np.testing.assert_array_equal(
            read(path, "mask"), np.fft.fftshift(alone.mask, axes=(1, 2))
        )
        for name, values in alone.scores.items():
            np.testing.assert_allclose(read(path, name), values, atol=1e-4)


def test_an_interrupted_run_leaves_whole_results_and_is_continued(
    scans, kspace, reconstruct, tmp_path, monkeypatch
):
    for name in "abcd":
        write_kspace(scans / f"{name}.npz", np.concatenate([kspace] * 2))

    groups = []

    def interrupted(model, scans, batch, progress):
        groups.append(scans)
        if len(groups) == 3:
            raise KeyboardInterrupt
        return reconstruct_together(model, scans, batch, progress)

    with monkeypatch.context() as patched:
        place = "emrnas_jax.inference.jobs.reconstruct_together"
        patched.setattr(place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            reconstruct()
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        f"{name}.{suffix}" for name in "ab" for suffix in ("h5", "png")
    }
    assert read(tmp_path / "out" / "b.h5").shape == (4, 16, 16)
    summary = reconstruct()
    assert (summary.done, summary.skipped) == (2, 2)


def test_lines_are_printed_in_the_order_of_the_files(
    scans, kspace, reconstruct, capsys
):
    for name in "abc":
        write_kspace(scans / f"{name}.npz", np.concatenate([kspace] * 2))
    reconstruct()
    lines = capsys.readouterr().out.splitlines()
    assert [line[:5] for line in lines] == ["a.npz", "b.npz", "c.npz"]


def test_total_variation_reconstructs_files_and_knows_its_results_again(
    scans, kspace, random, tmp_path
):
    write_kspace(scans / "a.npz", kspace)
    write_png(scans, random)
    reading = Reading("magnitude", "rows")
    settings = Settings(scans, tmp_path / "out", reading, BATCH)
    summary = reconstruct_files(load_model("tv"), settings)
    assert (summary.done, summary.failed, summary.frames) == (2, 0, 3)
    with h5py.File(tmp_path / "out" / "a.h5") as file:
        assert file.attrs["model"] == "tv"
    again = reconstruct_files(load_model("tv"), settings)
    assert (again.done, again.skipped) == (0, 2)


def test_no_error_of_any_type_ends_a_folder(
    scans, kspace, reconstruct, tmp_path, monkeypatch, capsys
):
    errors = [KeyError("x"), ZeroDivisionError("division"), RecursionError(), OSError()]
    for name in "abcde":
        write_kspace(scans / f"{name}.npz", kspace)

    def read(path, how):
        if (number := "abcd".find(path.stem)) >= 0:
            raise errors[number]
        return read_scan(path, how)

    monkeypatch.setattr("emrnas_jax.inference.jobs.read_scan", read)
    summary = reconstruct()
    assert (summary.done, summary.failed) == (1, 4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        str(scans / f"{name}.npz") for name in "abcd"
    ]
    assert "unexpected ZeroDivisionError (division)" in lines[1]
    details = tmp_path / "out" / "b.traceback.txt"
    assert str(details) in lines[1]
    assert "ZeroDivisionError: division" in details.read_text()
    assert lines[3].endswith(": OSError")


def test_files_of_a_group_that_fails_are_tried_alone(
    scans, random, reconstruct, monkeypatch, capsys
):
    for name in "abcd":
        image = random.random((1, 16, 16))
        kspace = np.fft.fft2(image, norm="ortho") * (np.arange(16) % 2 == 0)[:, None]
        write_kspace(scans / f"{name}.npz", kspace)

    def fails(model, group, batch, progress):
        if any(scan.subjects == ("c",) for scan in group):
            raise FloatingPointError("of c")
        return reconstruct_together(model, group, batch, progress)

    monkeypatch.setattr("emrnas_jax.inference.jobs.reconstruct_together", fails)
    summary = reconstruct()
    assert (summary.done, summary.failed) == (3, 1)
    [error] = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert error.startswith(f"error: {scans / 'c.npz'}: ")


def test_warnings_are_counted_and_kept_in_every_result(
    scans, kspace, reconstruct, tmp_path, capsys
):
    for name in "abc":
        write_kspace(scans / f"{name}.npz", kspace.swapaxes(1, 2))
    summary = reconstruct()
    [(warning, count)] = summary.warnings.values()
    assert count == 3
    [sentence] = repeated_warnings(summary)
    assert sentence.startswith("3 of 3 files have this warning")
    assert sentence.endswith(warning)
    assert capsys.readouterr().err.count("warning:") == 1
    for name in "abc":
        with h5py.File(tmp_path / "out" / f"{name}.h5") as file:
            assert file.attrs["warnings"] == warning


def test_the_line_of_a_file_and_its_result_say_how_kspace_was_taken(
    scans, kspace, reconstruct, tmp_path, capsys
):
    write_kspace(scans / "a.npz", kspace)
    reconstruct()
    taken = "k-space plain (from the file), norm ortho (assumed), mask from its zeros"
    assert f"a.npz: 2 frames, {taken}; " in capsys.readouterr().out
    with h5py.File(tmp_path / "out" / "a.h5") as file:
        assert file.attrs["stored_as"] == taken


def test_the_time_of_a_file_does_not_include_compilation(
    scans, kspace, make_model, tmp_path, monkeypatch
):
    class Watch:
        seconds = 3.0

    monkeypatch.setattr(
        "emrnas_jax.inference.jobs.computing", lambda: contextlib.nullcontext(Watch())
    )
    write_kspace(scans / "a.npz", kspace)
    settings = Settings(scans, tmp_path / "out", Reading("magnitude", "rows"), BATCH)
    summary = reconstruct_files(load_model(make_model()), settings)
    assert "in 3.0 s, 1.500 s per frame" in summary_line(summary)


def test_masks_that_do_not_fit_fail_their_file_alone(
    scans, random, reconstruct, tmp_path, capsys
):
    lines = np.abs(np.arange(16) - 8) < 3
    images = np.zeros((2, 16, 16))
    images[:, 4:12, 4:12] = 1 + random.random((2, 8, 8))
    for name, width in (("square", 16), ("wide", 20)):
        kspace = np.fft.fft2(images, s=(16, width), norm="ortho")
        write_kspace(scans / f"{name}.npz", kspace)
    masks = StoredMask(np.repeat(lines[:, None], 16, axis=1), "", "m.npy")
    summary = reconstruct(reading=Reading("magnitude", "rows", masks=masks))
    assert (summary.done, summary.failed) == (1, 1)
    assert read(tmp_path / "out" / "square.h5", "mask").shape == (2, 16, 1)
    error = capsys.readouterr().err
    assert error.startswith(
        f"error: {scans / 'wide.npz'}: --mask=m.npy: found 16 masks"
    )
    assert len(error.splitlines()) == 1


def test_files_that_cannot_be_opened_are_reported(scans, kspace, reconstruct, capsys):
    write_kspace(scans / "a.npz", kspace)
    (scans / "gone.npz").symlink_to(scans / "nowhere.npz")
    (scans / "loop.npz").symlink_to(scans / "loop.npz")
    name = scans / "odd \udce4 name.npz"
    write_kspace(name, kspace)
    summary = reconstruct()
    assert (summary.done, summary.failed) == (2, 2)
    errors = capsys.readouterr().err.splitlines()
    assert [error.count(".npz") for error in errors if error.startswith("error")] == [
        1,
        1,
    ]


def test_a_folder_that_cannot_be_written_to_is_refused_at_once(
    scans, kspace, reconstruct, tmp_path
):
    write_kspace(scans / "a.npz", kspace)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for output in (loop, tmp_path / "scans" / "a.npz", Path("/proc")):
        with pytest.raises(InputError, match="no folder that can be written to"):
            reconstruct(output=output)


def test_files_for_viewers_stand_beside_the_result(
    scans, kspace, reconstruct, tmp_path, capsys
):
    write_kspace(scans / "a.npz", kspace)
    assert reconstruct(format="nifti").done == 1
    told = capsys.readouterr()
    assert told.out.rstrip().endswith("a.h5, a.nii.gz")
    assert "does not state how its slices lie" in told.err
    written = Nifti1Image.from_filename(tmp_path / "out" / "a.nii.gz").get_fdata()
    result = read(tmp_path / "out" / "a.h5")
    np.testing.assert_array_equal(written, result.transpose(2, 1, 0))


def test_images_that_have_the_name_of_a_result_are_kept_and_nothing_is_computed(
    scans, kspace, reconstruct, tmp_path, capsys
):
    write_kspace(scans / "brain.npz", kspace)
    mine = tmp_path / "out" / "brain_dicom" / "IM0.dcm"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert reconstruct(format="dicom").failed == 1
    assert "brain_dicom: holds IM0.dcm" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert not (tmp_path / "out" / "brain.h5").exists()


def test_another_format_is_written_without_a_reconstruction(
    scans, kspace, reconstruct, tmp_path
):
    write_kspace(scans / "a.npz", kspace)
    reconstruct()
    before = (tmp_path / "out" / "a.h5").stat().st_mtime_ns
    for form, name in (("nifti", "a.nii.gz"), ("dicom", "a_dicom"), ("png", "a_png")):
        assert reconstruct(format=form).skipped == 1
        assert (tmp_path / "out" / name).exists()
    assert (tmp_path / "out" / "a.h5").stat().st_mtime_ns == before
    # A result that was replaced since leaves no picture of the earlier one.
    old = tmp_path / "out" / "a.nii.gz"
    stamp = old.stat().st_mtime_ns
    os.utime(old, ns=(0, 0))
    reconstruct(format="nifti")
    assert old.stat().st_mtime_ns > stamp


def test_a_series_is_one_result_that_any_of_its_files_may_change(
    scans, write, random, reconstruct, tmp_path, capsys
):
    place = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [2, 3]}
    for number in range(3):
        write.dicom(
            scans / f"{number}.dcm",
            random.integers(0, 900, (16, 16)),
            ImagePositionPatient=[7, 8, 5 * number],
            **place,
        )
    assert reconstruct(format="dicom").frames == 3
    assert "k-space simulated from magnitudes; " in capsys.readouterr().out
    [folder] = (tmp_path / "out").glob("*_dicom")
    # Read again as input the slices lie where they lay.
    before, after = (
        geometry_of(one, (16, 16)) for one in (scans / "0.dcm", min(folder.iterdir()))
    )
    assert before.affine is not None
    assert after.affine is not None
    np.testing.assert_allclose(after.affine, before.affine)
    assert reconstruct(format="dicom").skipped == 1
    (scans / "2.dcm").unlink()
    assert reconstruct(format="dicom").failed == 1


def test_the_pixel_size_is_that_of_a_header_that_fits_the_declared_axes(
    reconstruct, scans, scanner, tmp_path, write
):
    kspace = scanner.centred(abs(scanner.object(16, 16)))
    header = scanner.header((16, 16), encoded_mm=(32, 48), mm=(32, 48), slices=2)
    stored = np.moveaxis(kspace, 0, -1)
    write.hdf5(scans, kspace=stored, ismrmrd_header=header)
    reading = Reading("magnitude", "rows", axes="row,column,slice")
    assert reconstruct(format="nifti", reading=reading).failed == 0
    [file] = (tmp_path / "out").glob("*.nii.gz")
    zooms = Nifti1Image.from_filename(file).header.get_zooms()
    np.testing.assert_allclose(zooms, (3, 2, 5))
