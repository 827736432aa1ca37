"""Memory that a thread of a program frees is there for the next that asks."""

import subprocess
import sys

import pytest

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
