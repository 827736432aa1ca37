"""Two processes on one machine work together as they would on two hosts."""

import json
import runpy
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.experiment.protocol import run_protocol
from emrnas_jax.machine import files, processes
from emrnas_jax.main import summary
from emrnas_jax.runs.provenance import read_commands
from emrnas_jax.runs.scores import read_scores
from tests.fixtures.programs import DEMO, SMALLER, command, start


def start_two(run: Path, cache: Path) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    both = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": "2"}
    arguments = command(run, cache, "--distributed")
    return [start(arguments, **both, JAX_PROCESS_ID=str(number)) for number in (0, 1)]


def ends_of(both: list[subprocess.Popen]) -> list[tuple[str, str]]:
    """Wait for both and return their outputs; neither outlives the test."""
    try:
        return [process.communicate(timeout=300) for process in both]
    finally:
        for process in both:
            process.kill()
            process.wait()


def problems(both: list[subprocess.Popen]) -> list[str]:
    """Return the start of both error outputs; a list of loaded modules follows it."""
    return [err[:2000] for _, err in ends_of(both)]


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = runpy.run_path(str(DEMO))["get_config"]("tiny")
    config.update_from_flattened_dict(SMALLER)
    config.data.cache = str(tmp_path_factory.mktemp("cache"))
    return config


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory):
    """Run the same experiment in this process alone."""
    run = tmp_path_factory.mktemp("alone") / "run"
    run_protocol(config, run)
    return run


@pytest.fixture(scope="module")
def stopped(config, tmp_path_factory):
    """Start two processes, and send one SIGTERM in the search of the first fold."""
    run = tmp_path_factory.mktemp("both") / "run"
    both = start_two(run, Path(config.data.cache))
    log = run / "fold_1" / "search" / "metrics.jsonl"
    while not (log.exists() and log.read_text()):
        assert all(process.poll() is None for process in both), problems(both)
        time.sleep(0.01)
    both[1].send_signal(signal.SIGTERM)
    return run, [process.wait(120) for process in both], ends_of(both)


@pytest.fixture(scope="module")
def together(config, stopped):
    """Start both again, and let them continue to the end."""
    run, *_ = stopped
    both = start_two(run, Path(config.data.cache))
    printed = ends_of(both)
    assert [process.returncode for process in both] == [0, 0], printed
    return run, printed


pytestmark = pytest.mark.slow


def assert_like(run, expected):
    """Compare paths and architectures exactly, and scores to float32's rounding."""
    folds = [f"fold_{k}/search" for k in (1, 2)]
    for name in (".", *folds):
        found, wanted = (
            json.loads((folder / name / "architecture.json").read_text())
            for folder in (run, expected)
        )
        assert found["architecture"] == wanted["architecture"]
        np.testing.assert_allclose(
            found["probabilities"], wanted["probabilities"], atol=1e-5
        )
    for name in folds:
        counts = [
            [json.loads(line).get("path_counts") for line in text.splitlines()]
            for text in (
                (folder / name / "metrics.jsonl").read_text()
                for folder in (run, expected)
            )
        ]
        assert counts[0] == counts[1]
    for name in ("fold_1/zero_filled", "fold_1/emrnas", "fold_2/emrnas"):
        found, wanted = (
            read_scores(folder / name / "scores.csv") for folder in (run, expected)
        )
        assert found[:1] == wanted[:1]
        np.testing.assert_allclose(found.psnr_db, wanted.psnr_db, atol=1e-3)
        np.testing.assert_allclose(found.ssim, wanted.ssim, atol=1e-4)


def test_a_signal_to_one_process_stops_both_in_order(stopped):
    run, statuses, printed = stopped
    assert statuses == [128 + signal.SIGTERM] * 2, printed
    saved = list((run / "fold_1" / "search" / "checkpoints").glob("[0-9]*"))
    assert saved
    assert not (run / "fold_1" / "search" / "architecture.json").exists()


def test_two_processes_end_like_one(together, alone):
    run, _ = together
    assert_like(run, alone)
    names = [
        {str(path.relative_to(folder)) for path in folder.rglob("*.*")}
        for folder in (run, alone)
    ]
    written = [
        {n for n in found if "checkpoints" not in n and "tensorboard" not in n}
        for found in names
    ]
    assert written[0] == written[1]


def test_the_first_process_speaks_for_all(together):
    run, [(out, err), (other_out, other_err)] = together
    assert summary(run) in out
    assert other_out.replace("[Gloo]", "").count("dB") == 0
    assert "fold 2 search found" in err
    for word in ("data:", "epoch", "fold 2 search found", "scoring", "took"):
        assert word in err
        assert word not in other_err


def test_what_both_do_is_recorded_once(together):
    run, _ = together
    assert (
        len(read_commands(run / "provenance.json")) == 2
    )  # the stopped one and the continued one


def test_one_process_continues_what_two_began(together, alone, config, tmp_path):
    """It starts from the checkpoint that they saved in the middle of the search."""
    copy = shutil.copytree(together[0], tmp_path / "copy")
    search = copy / "fold_1" / "search"
    steps = sorted(
        (search / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name)
    )
    assert len(steps) == 2
    shutil.rmtree(steps[1])
    (search / "architecture.json").unlink()
    run_protocol(config, copy, "search")
    assert_like(copy, alone)


def test_without_the_other_processes_the_way_out_is_named(monkeypatch):
    monkeypatch.setenv("JAX_NUM_PROCESSES", "two")
    with pytest.raises(InputError, match="JAX_COORDINATOR_ADDRESS"):
        processes.join()


def test_a_file_that_another_process_does_not_see_is_an_error(monkeypatch, tmp_path):
    """This happens when a run's folder is on the disk of one host."""
    monkeypatch.setattr(processes, "several", lambda: True)
    monkeypatch.setattr(processes, "is_first", lambda: False)
    monkeypatch.setattr(processes, "largest", lambda *values: np.array(values))
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.01)
    with pytest.raises(InputError, match="a file system that all hosts share"):
        files.write_text(tmp_path / "a.txt", "a")
    (tmp_path / "b.txt").write_text("b")
    files.write_text(tmp_path / "b.txt", "b")
