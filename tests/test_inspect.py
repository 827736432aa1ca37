"""The command that looks into files, as its users call it."""

import numpy as np
import pytest
from absl import flags

from emrnas_jax.inspect import define_flags, main
from emrnas_jax.machine import host


@pytest.fixture
def parse(monkeypatch):
    """Parse flags in this process, and forget their definitions after the test."""
    # It sets the allocator and the log of the whole process.
    monkeypatch.setattr(host, "prepare", lambda _: None)
    before = set(flags.FLAGS)
    define_flags()
    yield lambda *words: host.parse_or_exit(["inspect", *map(str, words)])
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


@pytest.fixture
def folder(scanner, tmp_path, write):
    """Two good files, one of them in a folder of its own, and a damaged one."""
    scans = tmp_path / "scans"
    (scans / "more").mkdir(parents=True)
    kspace = scanner.centred(scanner.object(32, 24))
    write.hdf5(scans, "good.h5", kspace=kspace)
    np.save(scans / "more" / "one.npy", kspace[0])
    (scans / "bad.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    return scans


def test_every_file_is_told_and_drawn_and_a_bad_one_is_a_line(
    parse, folder, tmp_path, capsys
):
    out = tmp_path / "out"
    assert main(parse(folder, f"--output={out}")) == 1
    said = capsys.readouterr()
    [line] = said.err.splitlines()
    assert line.startswith(f"error: {folder / 'bad.h5'}: cannot be read")
    for name in ("good.h5", "more/one.npy"):
        assert str(folder / name) in said.out
        assert (out / f"{name}.png").exists()
    assert said.out.count("under-samples and scores it") == 2
    assert len(list(out.rglob("*.png"))) == 2


def test_good_files_end_with_0_and_nothing_is_written_unasked(
    parse, folder, tmp_path, capsys
):
    assert main(parse(folder / "good.h5", folder / "more")) == 0
    assert "2 of 32 x 24" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.png"))


def test_a_missing_file_is_a_line_and_the_others_go_on(parse, folder, capsys):
    assert main(parse("nowhere", folder / "good.h5")) == 1
    said = capsys.readouterr()
    [line] = said.err.splitlines()
    assert line == "error: nowhere: no such file or folder"
    assert "2 of 32 x 24" in said.out


def test_pictures_of_files_of_one_name_stand_beside_each_other(parse, folder, tmp_path):
    out = tmp_path / "out"
    twin = tmp_path / "GOOD.h5"
    twin.write_bytes((folder / "good.h5").read_bytes())
    assert main(parse(folder / "good.h5", twin, f"--output={out}")) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "GOOD.h5-2.png",
        "good.h5.png",
    ]


def test_nothing_to_look_into_is_one_line(parse, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(parse())
    assert exit_.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
