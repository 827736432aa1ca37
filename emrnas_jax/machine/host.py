"""Settings of a program's own process, made once before the first compiled step."""

import contextlib
import ctypes
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
from absl import app, flags
from absl import logging as absl_logging

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes

# Parameters of glibc's mallopt.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def prepare(cache: Path) -> None:
    """Prepare this process for a long run.

    Args:
        cache: folder in which compiled programs are kept.
    """
    keep_freed_memory()
    keep_compiled_programs(cache / "compiled")
    absl_logging.set_verbosity(absl_logging.WARNING)  # Orbax logs every file
    own = logging.getLogger("emrnas_jax")
    own.setLevel(logging.INFO if processes.is_first() else logging.WARNING)
    if not own.handlers:  # a notebook's cell may be run again
        own.addHandler(logging.StreamHandler())
    # Else absl, whose handler is the root's, prints every line a second time.
    own.propagate = False


def keep_freed_memory() -> None:
    """Let glibc keep the memory that a compiled program frees after each call.

    By default every call maps its temporary memory anew and faults in each page.
    Does nothing with another C library, as on macOS, Windows and Alpine Linux.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        # Other threads' arenas map what is large, whatever M_MMAP_MAX says.
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_TRIM_THRESHOLD, -1)  # never; the largest int is 2 GiB


def keep_compiled_programs(folder: Path) -> None:
    """Keep compiled programs in `folder`, so that the next start need not compile.

    Where `JAX_COMPILATION_CACHE_DIR` is set, JAX keeps them there instead.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder.expanduser()))
    # Programs that compile faster than this are not worth a file each.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Print an expected error as one line and exit with status 1.

    Covers unusable input, unwritable folders and out-of-memory errors. Any other error
    keeps its traceback. Ctrl-C exits with 130, as shells expect, and a reader that
    closed the pipe, such as `head`, silently with 141.
    """
    try:
        yield
        sys.stdout.flush()  # else a closed pipe is noticed after this function
    except BrokenPipeError:
        # Python flushes once more when it exits, and must find somewhere to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
    except InputError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or 'a file'}: {error.strerror or error}"
    except MemoryError as error:
        message = f"the memory of this machine is too small ({error or 'no details'})"
    except jax.errors.JaxRuntimeError as error:
        hint = "; lower the batch" if "RESOURCE_EXHAUSTED" in str(error) else ""
        message = f"the device failed ({str(error).splitlines()[0]}){hint}"
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201 - a program's last word
        raise SystemExit(130) from None
    else:
        return
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    raise SystemExit(1) from None


def parse_or_exit(argv: Sequence[str]) -> list[str]:
    """Parse the command line, or print what is wrong with it and exit.

    Args:
        argv: program name and arguments.
    """
    if any(word.lstrip("-").startswith("help") for word in argv[1:]):
        return app.parse_flags_with_usage(list(argv))
    with clear_errors():
        return _parse(argv)


def _parse(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(list(argv))
    except flags.Error as error:
        # A flag's own error hides that of its parser, and puts its value before it.
        if isinstance(error.__context__, InputError):
            raise error.__context__ from error
        raise InputError(str(error)) from error
    except Exception as error:  # of a setting within a config: it may raise anything
        words = str(error.args[0] if len(error.args) == 1 else error)
        raise InputError(f"--config: {' '.join(words.split())}") from error
