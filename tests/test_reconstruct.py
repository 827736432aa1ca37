"""The command, as its users call it; what it does is tested in `inference`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from absl import app, flags

from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference import load_model
from emrnas_jax.inference.plan import Settings
from emrnas_jax.machine import host
from emrnas_jax.models.included import included_models
from emrnas_jax.reconstruct import define_flags, main, settings_of

ROOT = Path(__file__).resolve().parents[1]

NEEDED = {"model": "tv", "input": "scans", "output": "out"}


@pytest.fixture
def parse():
    """Parse flags in this process, and forget their definitions after the test."""
    before = set(flags.FLAGS)
    define_flags()

    def parse(*more, **given):
        words = [f"--{name}={value}" for name, value in {**NEEDED, **given}.items()]
        return host.parse_or_exit(["reconstruct", *words, *more])

    yield parse
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch": 0}, "--batch=0"),
        ({"scale": -1}, "--scale=-1"),
        ({"kspace_norm": "forward"}, "should be one of <|ortho|backward>"),
        ({"kspace_convention": "left"}, "one of <|centred|shifted|plain>"),
        ({"precision": "float16"}, "one of <float32|"),
        ({"images": "real"}, "one of <magnitude|complex>"),
        ({"fold": "first"}, "--fold=first"),
        ({"overwritte": True}, "Unknown command line flag 'overwritte'"),
    ],
)
def test_a_wrong_flag_is_one_line(parse, given, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(**given)
    assert exit_.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


@pytest.mark.parametrize("name", NEEDED)
def test_an_empty_path_is_one_line(parse, name, capsys):
    parse(**{name: ""})
    with pytest.raises(SystemExit) as exit_:
        main(["reconstruct"])
    assert exit_.value.code == 1
    expected = f"error: --{name} is empty; name a file or folder\n"
    assert capsys.readouterr().err == expected


def test_words_beside_the_flags_are_refused(parse):
    left = parse("scan.h5")
    with pytest.raises(app.UsageError, match=r"not understood: scan\.h5"):
        main(left)


def test_frames_that_are_none_are_refused_once(parse):
    record = load_model("tv").record
    for frames in ("first", "3:3", "1:2:3", "-1"):
        parse(frames=frames)
        with pytest.raises(InputError, match=f"--frames={frames}: .* such as 7"):
            settings_of(flags.FLAGS, record, None)
    parse(frames="2:4")
    assert settings_of(flags.FLAGS, record, None).reading.frames == "2:4"


def test_flags_become_settings_completed_by_the_network(parse):
    parse(batch=3, scale=2.5, kspace_convention="plain", input="~/scans")
    record = load_model("tv", images="complex").record
    found = settings_of(flags.FLAGS, record, None)
    reading = Reading("complex", "rows", convention="plain", scale=2.5)
    assert found == Settings(
        Path("~/scans").expanduser(), Path("out"), reading, batch=3, overwrite=False
    )


@pytest.mark.slow
def test_one_bad_file_among_good_ones_is_reported_and_the_status_is_1(
    make_model, tmp_path
):
    random = np.random.default_rng(0)
    scans = tmp_path / "scans"
    scans.mkdir()
    kspace = np.fft.fft2(random.random((3, 16, 16)), norm="ortho")
    for name, value in (("bad", np.nan), ("good", 1.0)):
        np.savez(scans / name, kspace=kspace * value)
    masks = tmp_path / "masks.npz"
    np.savez(masks, masks=np.isin(np.arange(16), (0, 7, 8, 9, 12))[None])
    given = {"model": make_model(), "input": scans, "output": tmp_path / "out"}
    given |= {"mask": masks, "kspace_convention": "plain", "batch": 2}
    done = subprocess.run(
        [sys.executable, "-m", "emrnas_jax.reconstruct"]
        + [f"--{name}={value}" for name, value in given.items()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    [error] = [x for x in done.stderr.splitlines() if x.startswith("error:")]
    assert str(scans / "bad.npz") in error
    assert "Traceback" not in done.stderr
    line, summary = done.stdout.splitlines()
    assert line.startswith("good.npz: 3 frames")
    assert "1 failed; 1 file with 3 frames" in summary
    with h5py.File(tmp_path / "out" / "good.h5") as file:
        found: dict[str, Any] = {name: item[()] for name, item in file.items()}
    assert found["reconstruction"].shape == (3, 16, 16)
    assert np.flatnonzero(found["mask"][0]).tolist() == [0, 7, 8, 9, 12]
    assert found["psnr_db"].shape == (3,)
    assert (tmp_path / "out" / "good.png").exists()


@pytest.mark.parametrize("flag", ["model", "input", "mask"])
def test_a_path_that_leads_nowhere_is_one_clear_message(
    flag, parse, make_model, monkeypatch, tmp_path, capsys
):
    # It sets the allocator and the log of the whole process.
    monkeypatch.setattr(host, "prepare", lambda _: None)
    np.savez(tmp_path / "scan.npz", kspace=np.eye(16, dtype=complex))
    given = {"model": make_model(), "input": tmp_path / "scan.npz"}
    parse(**given | {"output": tmp_path / "out", flag: tmp_path / "nowhere"})
    with pytest.raises(SystemExit) as exit_:
        main(["reconstruct"])
    assert exit_.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'nowhere'}: ")


def test_the_included_models_are_listed_without_other_flags(parse, capsys):
    parse("--list_models", model="", input="", output="")
    assert main(["reconstruct"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines if line] == [*included_models()]
