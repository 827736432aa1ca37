"""Freed memory is there for the next that asks; a closed pipe is no error."""

import os
import subprocess
import sys

import pytest

from emrnas_jax.machine import host

PROGRAM = """
import ctypes, resource, threading
from emrnas_jax.machine import host

host.keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
SIZE = 64 * 2**20

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(SIZE)
    ctypes.memset(block, 1, SIZE)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def work():
    print(faults(), faults())

thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_a_thread_gets_back_the_memory_that_it_freed():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    first, second = map(int, done.stdout.split())
    assert first > 10_000  # 64 MiB are 16384 pages
    assert second < 100


def test_a_file_that_is_too_large_for_memory_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended, host.clear_errors():
        raise MemoryError("Unable to allocate 90 GiB")
    assert ended.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "memory of this machine is too small (Unable to allocate 90 GiB)" in line


def test_a_reader_that_has_read_enough_is_no_error(monkeypatch, capfd):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as ended, host.clear_errors():
            pipe.write("a line that nobody reads\n")
        assert ended.value.code == 128 + 13  # as of a program that SIGPIPE ended
        pipe.write("a line that goes nowhere\n")
        pipe.flush()
    assert capfd.readouterr().err == ""
