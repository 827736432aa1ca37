"""A lock is held by one process, and ends with it."""

import signal
import subprocess
import sys

import pytest

from emrnas_jax.machine.lock import try_lock, wait_for_lock

HOLDER = """
import sys, time
from pathlib import Path
from emrnas_jax.machine.lock import try_lock
with try_lock(Path(sys.argv[1])) as held:
    print(held, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


@pytest.fixture
def holder(path):
    """Another process that holds the lock until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_is_had_once_and_again_after_it_was_given_back(path):
    for _ in range(2):
        with try_lock(path) as held, try_lock(path) as second:
            assert (held, second) == (True, False)


def test_an_error_within_it_gives_it_back(path):
    with pytest.raises(KeyError), try_lock(path):
        raise KeyError
    with try_lock(path) as held:
        assert held


def test_another_process_cannot_have_it_until_the_first_is_killed(holder, path):
    with try_lock(path) as held:
        assert not held
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with try_lock(path) as held:
        assert held


def test_who_waits_says_so_once_and_has_it_when_it_is_given_back(holder, path):
    said = []

    def waiting():
        said.append("waiting")
        holder.communicate("\n")  # give it back

    with wait_for_lock(path, waiting), try_lock(path) as held:
        assert not held
    assert said == ["waiting"]


def test_nobody_says_that_he_waits_for_a_free_lock(path):
    said = []
    with wait_for_lock(path, lambda: said.append("waiting")):
        assert not said
    assert not said
