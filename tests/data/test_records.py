import hashlib
import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from emrnas_jax.data.dataset import open_dataset
from emrnas_jax.errors import InputError

PHANTOM = {"subjects": 4, "slices": 1, "frames": 2, "size": 16}

# A process that builds slowly, says which subjects it makes, then what it opened.
SLOW_BUILD = """
import hashlib, sys, time
from emrnas_jax.data import dataset

made = dataset.subject_images

def slowly(settings, complex_valued, number):
    print("makes", number, file=sys.stderr, flush=True)
    time.sleep(0.3)
    yield from made(settings, complex_valued, number)

dataset.subject_images = slowly
images = dataset.open_dataset(dataset.DataSettings(
    path="phantom", cache=sys.argv[1], height=16, width=16, phantom={phantom!r}))
digest = hashlib.sha256(images.images(range(len(images))).tobytes()).hexdigest()
print("opened", digest, file=sys.stderr)
""".replace("{phantom!r}", repr(PHANTOM))


def start_slow_build(cache):
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, str(cache)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )


@pytest.fixture
def phantom(settings):
    return lambda **changes: settings(
        "phantom", **({"height": 16, "width": 16, "phantom": PHANTOM} | changes)
    )


@pytest.fixture
def scan(tmp_path, write, levels):
    folder = tmp_path / "scan"
    folder.mkdir()
    write.hdf5(folder, "volunteer.h5", frames=levels)
    return folder


def built(cache):
    """The record files of complete and incomplete builds, with their times."""
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*array_record*")}


def test_a_build_is_made_once(scan, settings, tmp_path):
    open_dataset(settings(scan))
    first = built(tmp_path / "cache")
    assert len(first) == 1
    open_dataset(settings(scan, height=8))
    assert built(tmp_path / "cache") == first
    assert "tensorflow" not in sys.modules


def test_changed_files_are_built_again_and_the_old_build_goes(
    scan, settings, tmp_path, write, levels
):
    open_dataset(settings(scan))
    first = built(tmp_path / "cache")
    write.hdf5(scan, "volunteer.h5", frames=255 - levels)
    os.utime(scan / "volunteer.h5", ns=(0, 0))
    changed = open_dataset(settings(scan))
    np.testing.assert_array_equal(changed[0], 255 - levels[0, 0])
    second = built(tmp_path / "cache")
    assert len(second) == 1
    assert not set(second) & set(first)


def test_added_files_are_built_in(scan, settings, write, levels):
    assert len(open_dataset(settings(scan))) == 6
    write.hdf5(scan, "another.h5", frames=levels)
    assert len(open_dataset(settings(scan))) == 12


def test_other_phantoms_do_not_displace_each_other(phantom, tmp_path):
    open_dataset(phantom())
    open_dataset(phantom(phantom=PHANTOM | {"seed": 1}))
    open_dataset(phantom(images="complex"))
    assert len(built(tmp_path / "cache")) == 3


def test_a_refused_file_leaves_no_build(scan, settings, tmp_path, write, levels):
    write.hdf5(scan, "wrong.h5", frames=levels[0])
    with pytest.raises(InputError, match=r"wrong\.h5"):
        open_dataset(settings(scan))
    assert not built(tmp_path / "cache")
    (scan / "wrong.h5").unlink()
    assert len(open_dataset(settings(scan))) == 6


def test_two_images_of_one_name_are_refused(scan, settings, write, levels):
    for name in ("a.h5", "b.h5"):
        write.hdf5(scan, name, {"subject": 5}, frames=levels)
    with pytest.raises(InputError, match=r"b\.h5: subject p05, slice 0, .*a\.h5"):
        open_dataset(settings(scan))


def test_a_damaged_cache_is_named(scan, settings, tmp_path):
    open_dataset(settings(scan))
    [records] = built(tmp_path / "cache")
    records.write_bytes(records.read_bytes()[:100])
    with pytest.raises(InputError, match=r"cache is damaged .* remove this folder"):
        open_dataset(settings(scan))[0]


@pytest.mark.parametrize(
    "name", ["metadata.json", "features.json", "dataset_info.json"]
)
@pytest.mark.parametrize("content", ["", "{}"])
def test_damaged_notes_in_the_cache_are_named(scan, settings, tmp_path, name, content):
    open_dataset(settings(scan))
    [records] = built(tmp_path / "cache")
    (records.parent / name).write_text(content)
    with pytest.raises(InputError, match=r"cache is damaged .*remove this folder"):
        open_dataset(settings(scan))[0]


def test_a_cache_that_cannot_be_written_is_named(scan, settings, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="taken: the cache cannot be written"):
        open_dataset(settings(scan, cache=str(tmp_path / "taken")))


def test_nothing_is_printed_off_a_terminal(phantom, capfd):
    open_dataset(phantom())
    assert capfd.readouterr().out == ""
    assert "building" not in capfd.readouterr().err


def test_a_terminal_sees_a_bar(phantom, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    open_dataset(phantom())
    assert "building phantom_heart" in terminal.getvalue()


@pytest.mark.usefixtures("impatient")
def test_a_long_build_says_how_far_it_is(phantom, said):
    open_dataset(phantom())
    counts = [line.split(",")[0].split(": ")[1] for line in said if " of " in line]
    assert counts == [f"{n} of 4 parts read" for n in (1, 2, 3)]
    assert all(line.startswith("building ") for line in said)


def test_a_killed_build_is_not_taken_for_complete(phantom, tmp_path):
    process = start_slow_build(tmp_path / "cache")
    assert process.stderr is not None
    while process.stderr.readline() not in ("makes 2\n", ""):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = list((tmp_path / "cache").rglob("*incomplete*"))
    assert left
    images = open_dataset(phantom())
    assert len(images) == 8
    assert images.images(range(8)).any((1, 2)).all()
    assert not any(folder.exists() for folder in left)


@pytest.mark.slow
def test_two_processes_build_once_and_read_the_same(phantom, tmp_path):
    processes = [start_slow_build(tmp_path / "cache") for _ in range(2)]
    said = [process.communicate(timeout=60)[1].splitlines() for process in processes]
    makes = [line for lines in said for line in lines if line.startswith("makes")]
    assert makes == [f"makes {number}" for number in range(4)]
    opened = [line for lines in said for line in lines if line.startswith("opened")]
    images = open_dataset(phantom())
    expected = hashlib.sha256(images.images(range(8)).tobytes()).hexdigest()
    assert opened == [f"opened {expected}"] * 2
