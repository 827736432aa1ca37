"""The processes of a run that several hosts share: one, unless `join` was called.

All run the same program on the same data. The first one writes the files; where a
decision could differ between them (the clock, a signal, a file's presence) they agree.
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

    Under SLURM, on Cloud TPU and with Open MPI they find each other; elsewhere each is
    told by `JAX_COORDINATOR_ADDRESS` (host:port of the first process),
    `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID` (from 0).

    Raises:
        InputError: they cannot be found.
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
    own = np.array(values, np.int32)
    if not several():
        return own
    return multihost_utils.process_allgather(own).max(0)


def everywhere(holds: bool) -> bool:
    """Return whether it holds in all processes."""
    return not largest(not holds)[0]


def as_first_sees(holds: bool) -> bool:
    """Return what the first process says, of a file that others may see later."""
    return bool(largest(holds and is_first())[0])


def gathered(tree: PyTree) -> Any:
    """Return arrays whose parts lie on devices of all processes, whole, on the host."""
    if several():
        return multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


def progress_bar(*arguments: Any, **options: Any) -> tqdm:
    """Return a progress bar; there is none where nobody would see it."""
    return tqdm(*arguments, disable=not (bars_are_seen() and is_first()), **options)


def bars_are_seen() -> bool:
    """Return whether a person watches: on a terminal, or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
