"""What a program sets once in its own process, before the first compiled step."""

import contextlib
import ctypes
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
from absl import logging as absl_logging

from emrnas_jax.errors import InputError

# Parameters of glibc's mallopt.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def prepare(cache: Path) -> None:
    """Prepare this process for a long run.

    Args:
        cache: folder in which compiled programs are kept.
    """
    keep_freed_memory()
    keep_compiled_programs(cache / "compiled")
    absl_logging.set_verbosity(absl_logging.WARNING)  # Orbax tells of every file
    own = logging.getLogger("emrnas_jax")
    own.setLevel(logging.INFO)
    own.addHandler(logging.StreamHandler())
    own.propagate = False


def keep_freed_memory() -> None:
    """Let glibc keep the memory that a compiled program frees after each call.

    By default every call maps its temporary memory anew and faults in each page.
    Does nothing where the C library is another.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def keep_compiled_programs(folder: Path) -> None:
    """Keep compiled programs in `folder`, so that the next start need not compile."""
    jax.config.update("jax_compilation_cache_dir", str(folder.expanduser()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Print an `InputError` as one message and end the program with status 1."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a program's last word
        raise SystemExit(1) from None
