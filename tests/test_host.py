"""Memory that a program frees is there for its next call."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import jax
import jax.numpy as jnp
from emrnas_jax import host

host.keep_freed_memory()

@jax.jit
def program(x):
    large = jnp.cumsum(jnp.broadcast_to(x, (4096, 4096)), axis=0)  # 64 MiB
    return jnp.sort(large, axis=1)[::64, ::64].sum()

x = jnp.ones(4096)
program(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
program(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_a_second_call_faults_in_no_memory():
    """64 MiB are 16384 pages."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 1000
