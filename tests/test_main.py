"""The program as a user starts it: wrong command lines, kills and SIGTERM."""

import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import h5py
import jax
import numpy as np
import pytest
from absl.testing import flagsaver

from emrnas_jax.machine import host
from emrnas_jax.main import command_line, main
from emrnas_jax.runs.provenance import read_commands
from emrnas_jax.training.retrain import load_trained
from tests.fixtures.programs import command, start


@pytest.fixture
def ended(monkeypatch, capsys):
    """Give a command line to the program in this process; return how it ended.

    Starting a process imports JAX anew, which takes seconds.
    """

    def ended(arguments: list[str]) -> tuple[object, str, str]:
        own = ["emrnas_jax.main", *arguments]
        monkeypatch.setattr(sys, "argv", own)
        # It sets the allocator and the log of the whole process.
        monkeypatch.setattr(host, "prepare", lambda _: None)
        with flagsaver.flagsaver(), pytest.raises(SystemExit) as end:
            main(host.parse_or_exit(own))
        return end.value.code, *capsys.readouterr()

    return ended


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--config=configs/none.py"], "configs/none.py"),
        (["--config=configs/cardiac.py:huge"], "no variant 'huge'; there are"),
        (["--config.retrain.epoch=3"], "nearest is --config.retrain.epochs"),
        (["--config.seed=one"], "--config.seed: expected a whole number"),
        (["--config.networks=unet"], "--config.networks=unet: networks is a section"),
        (["--config.data.path=nowhere"], "nowhere"),
        (["--config=pyproject.toml"], "pyproject.toml"),
        (["--workdir="], "--workdir is empty"),
        (["--workdir=pyproject.toml"], "pyproject.toml"),
        (["--stage=none"], "flag --stage=none"),
        (["--work=run"], "Unknown command line flag 'work'"),
    ],
    ids=[
        "no config",
        "no variant",
        "misspelt key",
        "wrong type",
        "a section",
        "no data",
        "config is no Python",
        "no folder",
        "folder is a file",
        "no stage",
        "no flag",
    ],
)
def test_a_wrong_command_line_is_one_clear_message(more, message, ended, tmp_path):
    run = tmp_path / "run"
    status, out, err = ended(command(run, tmp_path / "cache", *more)[3:])
    assert status == 1
    assert out == ""
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not run.exists()


@pytest.mark.slow
def test_a_started_program_prints_its_error_and_returns_1(tmp_path):
    run = tmp_path / "run"
    wrong = command(run, tmp_path / "cache", "--config.data.path=nowhere")
    process = start(wrong)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert not run.exists()


def test_a_damaged_file_is_named_and_nothing_is_written(ended, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    with h5py.File(data / "cardiac_p01.h5", "w") as file:
        file["frames"] = np.arange(2 * 16 * 16, dtype=np.uint8).reshape(1, 2, 16, 16)
    whole = (data / "cardiac_p01.h5").read_bytes()
    (data / "cardiac_p01.h5").write_bytes(whole[: len(whole) // 2])
    wrong = command(run, tmp_path / "cache", f"--config.data.path={data}")
    status, _, err = ended(wrong[3:])
    assert status == 1
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert "cardiac_p01.h5" in err
    assert not run.exists()


class Whole(NamedTuple):
    """A run from its start to its end."""

    run: Path
    cache: Path
    # Whether the first epoch was said before the second fold was searched.
    said_at_once: bool


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run, cache = folder / "run", folder / "cache"
    process = start(command(run, cache))
    assert process.stderr is not None
    first = "fold 1 search: epoch 1 of 4 (warm-up), training loss"
    if not any(line.startswith(first) for line in process.stderr):
        pytest.fail("the first epoch was not said")
    # A line that waits in a buffer would come when all is over.
    at_once = not (run / "fold_2" / "search" / "architecture.json").exists()
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    return Whole(run, cache, at_once)


@pytest.mark.slow
def test_a_log_file_gets_its_lines_at_once(whole):
    assert whole.said_at_once


def wait_for(condition, process: subprocess.Popen) -> bool:
    """Wait until the condition holds; return False if the process ends first."""
    while not condition():
        if process.poll() is not None:
            return False
        time.sleep(0.002)
    return True


def checkpoints(run: Path) -> set[Path]:
    """Return the finished checkpoints: their folders are named by the step alone."""
    found = run.glob("fold_*/*/checkpoints/*")
    return {path for path in found if path.name.isdigit()}


def unfinished(run: Path) -> list[Path]:
    """Return the checkpoints that are being written."""
    found = run.glob("fold_*/*/checkpoints/*")
    return [path for path in found if "orbax-checkpoint-tmp" in path.name]


def weights(run: Path, fold: int) -> list[np.ndarray]:
    _, _, variables = load_trained(run / f"fold_{fold}" / "emrnas")
    return [np.asarray(leaf) for leaf in jax.tree.leaves(variables)]


@pytest.mark.slow
def test_a_run_killed_three_times_ends_like_one_that_was_not(whole, tmp_path):
    cache, killed = whole.cache, tmp_path / "killed"
    chance = random.Random(0)
    for kill in range(3):
        process = start(command(killed, cache))
        before = checkpoints(killed)
        wanted = chance.randint(1, 6)
        alive = wait_for(
            lambda b=before, w=wanted: len(checkpoints(killed) - b) >= w, process
        )
        if kill == 1:  # while a checkpoint is being written
            alive = wait_for(lambda: unfinished(killed), process)
        else:
            time.sleep(chance.uniform(0, 0.5))
        assert alive, "the run was over before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()

    process = start(command(killed, cache))
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert re.search(r"^finished before: |: continues at step \d+ of \d+$", err, re.M)
    assert [line.command for line in read_commands(killed / "provenance.json")] == [
        command_line(command(killed, cache)[3:])
    ] * 4
    names = ["architecture.json", "folds.json"]
    names += [f"fold_{k}/search/architecture.json" for k in (1, 2)]
    names += [f"fold_{k}/emrnas/scores.csv" for k in (1, 2)]
    names += [f"fold_{k}/zero_filled/scores.csv" for k in (1, 2)]
    for name in names:
        assert (killed / name).read_text() == (whole.run / name).read_text(), name
    for fold in (1, 2):
        pairs = zip(weights(killed, fold), weights(whole.run, fold), strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.slow
def test_sigterm_saves_and_exits(tmp_path):
    run, cache = tmp_path / "run", tmp_path / "cache"
    # No checkpoint is due before the end, so one that appears was saved for SIGTERM.
    more = [
        "--config.loop.checkpoint_seconds=3600",
        "--config.search.search_epochs=500",
    ]
    process = start(command(run, cache, *more))
    log = run / "fold_1" / "search" / "metrics.jsonl"
    assert wait_for(lambda: log.exists() and log.read_text(), process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert "SIGTERM: saved step" in err
    assert len(checkpoints(run)) == 1
