"""Files that are written whole or not at all, so that a killed run leaves no halves.

With several processes, all of them call these functions and the first one alone writes;
when they return, every process sees the file. `replace_file` is for one process.
"""

import os
import time
from pathlib import Path

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes

PATIENCE_SECONDS = 60.0  # network file systems may show a file late


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`; a reader sees the old file or the new one."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`; a reader sees the old file or the new one.

    Raises:
        InputError: another process does not see the file.
    """
    if processes.is_first():
        replace_file(path, content)
    if processes.several():
        _wait_for(path)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` in this process, whatever the others do meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the file: only within one file system is a rename one step. The number
    # keeps two processes apart that write the same file.
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _wait_for(path: Path) -> None:
    processes.wait()
    if not processes.everywhere(_appears(path)):
        raise InputError(
            f"{path} was written by one process and another does not see it; give a "
            "folder on a file system that all hosts share"
        )


def _appears(path: Path) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        # Reading the folder makes a network file system look again.
        if path.parent.is_dir() and path in path.parent.iterdir():
            return True
        time.sleep(0.1)
    return False
