"""The lock of a run: one process at a time works in its folder."""

import contextlib
from collections.abc import Iterator

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.lock import try_lock
from emrnas_jax.runs.folder import RunFolder


@contextlib.contextmanager
def locked(run: RunFolder) -> Iterator[None]:
    """Hold a run's folder within a `with`; the folder is made if it is not there.

    The lock ends with the process, however it ends. Of the processes of one run, the
    first holds it for all.

    Raises:
        InputError: another run works in the folder.
    """
    with contextlib.ExitStack() as stack:
        held = True
        if processes.is_first():
            held = stack.enter_context(_locked_here(run))
        # All processes have to leave together, or those that stay would wait for ever.
        if not processes.everywhere(held):
            raise InputError(
                f"{run.path}: another process works in this folder; wait for it, or "
                "use another --workdir"
            )
        yield


@contextlib.contextmanager
def _locked_here(run: RunFolder) -> Iterator[bool]:
    """Hold the lock in this process, and say whether it could be had."""
    made = not run.path.exists()
    run.path.mkdir(parents=True, exist_ok=True)
    try:
        with try_lock(run.lock) as held:
            yield held
    finally:
        # A start that was refused leaves nothing. The file goes after the lock is given
        # back, because Windows removes no file that is open.
        if made and list(run.path.iterdir()) == [run.lock]:
            run.lock.unlink(missing_ok=True)
            run.path.rmdir()
