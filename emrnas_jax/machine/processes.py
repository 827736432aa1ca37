"""The processes of a run on several hosts; there is one unless `join` is called.

All run the same program on the same data. The first one writes the files. Where a
decision could differ between them (a clock, a signal, whether a file exists), they
agree on one, because a process that decides alone would wait for ever for the others.
"""

import os
import sys
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Int, PyTree
from tqdm import tqdm

from emrnas_jax.errors import InputError


def join() -> None:
    """Join the other processes of this job, before the first use of a device.

    Under SLURM, on Cloud TPU and with Open MPI they find each other. Elsewhere each one
    reads `JAX_COORDINATOR_ADDRESS` (host:port of the first process),
    `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID` (from 0).

    Raises:
        InputError: the other processes cannot be found.
    """
    try:
        # JAX itself reads the first of the three variables alone.
        jax.distributed.initialize(
            num_processes=_number("JAX_NUM_PROCESSES"),
            process_id=_number("JAX_PROCESS_ID"),
        )
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"--distributed: the other processes were not found ({error}); start it "
            "under SLURM, on Cloud TPU or with Open MPI, or set "
            "JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID"
        ) from error


def _number(variable: str) -> int | None:
    return int(os.environ[variable]) if variable in os.environ else None


def several() -> bool:
    """Return whether other processes work on this run."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Return whether this process is the one that writes."""
    return not several() or jax.process_index() == 0


def wait() -> None:
    """Wait until all processes are here."""
    largest(0)


def largest(*values: int) -> Int[np.ndarray, " value"]:
    """Return the largest of each value among all processes."""
    own = np.array(values, np.int32)  # JAX has no 64-bit integers by default
    if not several():
        return own
    return multihost_utils.process_allgather(own).max(0)


def everywhere(holds: bool) -> bool:
    """Return whether a condition holds in all processes."""
    return not largest(not holds)[0]


def as_first_sees(holds: bool) -> bool:
    """Return whether a condition holds in the first process.

    For example whether a file exists, which a network file system may show to the
    other processes later.
    """
    return bool(largest(holds and is_first())[0])


def as_first_has(values: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """Return whole numbers of the first process; all must have as many."""
    if not several():
        return values
    return multihost_utils.broadcast_one_to_all(values.astype(np.int32))


def gathered(tree: PyTree) -> Any:
    """Return arrays on the host, whole, whose parts lie on devices of all processes."""
    if several():
        return multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


def progress_bar(*arguments: Any, **options: Any) -> tqdm:
    """Return a progress bar of tqdm, disabled where nobody would see it."""
    return tqdm(*arguments, disable=not (bars_are_seen() and is_first()), **options)


def bars_are_seen() -> bool:
    """Return whether a person watches: on a terminal, or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
