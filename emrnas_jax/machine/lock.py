"""Locks between processes: a file that one process holds at a time.

The operating system keeps them, so a lock ends with its process, however that ends; the
file that it leaves behind holds nobody up. They hold on Linux, macOS and Windows, and
between hosts where their common file system keeps the locks of `flock` (NFS does from
Linux 2.6.12 on, Lustre where it is mounted with `flock`).
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock


@contextlib.contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold a lock within a `with`, and say whether it could be had.

    Args:
        path: the lock's file; it is made if it is not there.
    """
    # A new object each time: two of one process refuse each other, as two processes do.
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextlib.contextmanager
def wait_for_lock(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a lock within a `with`, once the process that has it gives it back.

    Args:
        path: the lock's file; it is made if it is not there.
        waiting: called once if another process holds the lock.
    """
    with try_lock(path) as held:
        if held:
            yield
            return
    # Between the two another process may have given it back; then nothing waits.
    waiting()
    with filelock.FileLock(path):
        yield
