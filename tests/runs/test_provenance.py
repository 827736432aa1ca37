"""What worked on a run: kept up to date, complete or not there."""

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import jax
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import device_name
from emrnas_jax.main import command_line
from emrnas_jax.runs import provenance
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.provenance import read_commands, recorded

KILLED = """
import os, signal, sys, time
from pathlib import Path
from emrnas_jax.runs import provenance
from emrnas_jax.runs.folder import RunFolder

provenance.UPDATE_SECONDS = 0.05
run = RunFolder(Path(sys.argv[1]))
with provenance.recorded(run, "the killed one"):
    run.config.write_text("{}")
    time.sleep(0.8)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def work(run, command="run_protocol", error=None):
    """Do what a command does that writes the run's config and may fail then."""
    with recorded(run, command):
        run.config.write_text("{}")
        if error:
            raise error


def test_a_record_says_when_with_what_and_on_what_the_command_worked(run):
    before = datetime.now(UTC).replace(microsecond=0)
    work(run, "python -m emrnas_jax.main --config=demo")
    (own,) = read_commands(run.provenance)
    assert own.command == "python -m emrnas_jax.main --config=demo"
    assert before <= datetime.fromisoformat(own.began) <= before + timedelta(minutes=1)
    assert own.jax == jax.__version__
    assert own.python == sys.version.split()[0]
    assert own.device == device_name()
    assert own.emrnas_jax


def test_a_record_holds_nothing_else_of_the_machine(run, monkeypatch):
    monkeypatch.setattr(sys, "argv", [__file__, "--workdir=here and there"])
    work(run, command_line(sys.argv[1:]))
    text = run.provenance.read_text()
    assert "python -m emrnas_jax.main '--workdir=here and there'" in text
    for secret in (platform.node(), str(run.path), sys.prefix, __file__):
        assert secret not in text


def test_every_command_has_its_record(run):
    for name in ("first", "second"):
        work(run, name)
    assert [line.command for line in read_commands(run.provenance)] == [
        "first",
        "second",
    ]


def test_a_killed_command_keeps_its_time_up_to_the_last_update(run):
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    arguments = [sys.executable, "-c", KILLED, str(run.path)]
    killed = subprocess.run(arguments, env=environment, check=False)
    assert killed.returncode < 0
    (own,) = read_commands(run.provenance)
    assert 0.3 <= own.seconds <= 0.9
    work(run, "the next one")
    assert read_commands(run.provenance)[0] == own


def test_the_record_is_brought_up_to_date_while_the_command_works(run, monkeypatch):
    monkeypatch.setattr(provenance, "UPDATE_SECONDS", 0.01)
    with recorded(run, "long") as recording:
        run.config.write_text("{}")
        end = time.monotonic() + 20
        while not read_commands(run.provenance)[0].seconds and time.monotonic() < end:
            time.sleep(0.01)
        kept = read_commands(run.provenance)[0].seconds
        assert kept > 0
        time.sleep(0.2)
        recording.update()
        assert read_commands(run.provenance)[0].seconds >= kept + 0.1


def test_a_refused_start_leaves_nothing(run):
    with recorded(run, "refused"):  # and so no config was written
        assert run.provenance.exists()
    assert list(run.path.iterdir()) == []


def test_a_refused_command_is_not_one_that_worked_on_the_run(run):
    work(run, "first")
    with pytest.raises(InputError):
        work(run, "refused", InputError("other data"))
    assert [line.command for line in read_commands(run.provenance)] == ["first"]


@pytest.mark.parametrize("error", [SystemExit(143), OSError("full"), InputError("nan")])
def test_a_command_that_ends_after_some_work_counts(run, error, monkeypatch):
    monkeypatch.setattr(provenance, "UPDATE_SECONDS", 0.0)  # it has worked for longer
    with pytest.raises(type(error)):
        work(run, "stopped", error)
    assert [line.command for line in read_commands(run.provenance)] == ["stopped"]


def test_a_run_begun_without_records_gets_none(run):
    run.config.write_text("{}")
    work(run)
    assert not run.provenance.exists()
    assert read_commands(run.provenance) == ()


def test_only_the_first_process_writes(run, monkeypatch):
    monkeypatch.setattr(processes, "is_first", lambda: False)
    work(run)
    assert not run.provenance.exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"commands": 3}', '{"commands": ["x"]}', "\udcff"],
)
def test_a_damaged_file_is_named_with_the_way_out(run, text):
    path = run.provenance
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"run/provenance\.json: damaged .*delete it"):
        read_commands(run.provenance)
    with pytest.raises(InputError, match=r"provenance\.json: damaged"):
        work(run)
    assert path.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("command", None),
        ("seconds", "5"),
        ("seconds", -1.0),
        ("seconds", float("nan")),
        ("began", "yesterday"),
        ("began", "2026-11-27T05:00:00"),
        ("device", 3),
    ],
)
def test_a_record_that_is_none_is_refused(run, key, value):
    work(run)
    path = run.provenance
    record = json.loads(path.read_text())
    record["commands"][0][key] = value
    path.write_text(json.dumps(record))
    with pytest.raises(
        InputError, match=rf"provenance\.json: damaged .*({key}|invalid)"
    ):
        read_commands(run.provenance)
