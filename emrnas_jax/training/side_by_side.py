"""Trainings that run at the same time in one process, each on devices of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

import jax
from jax.sharding import Mesh

from emrnas_jax.errors import InputError
from emrnas_jax.machine.devices import mesh_for
from emrnas_jax.training.loop import TerminationRequest

Task = Callable[[TerminationRequest], object]


def meshes_apart(count: int, batch: int, setting: str) -> list[Mesh]:
    """Divide the devices into groups of one size, a mesh of each for the batch.

    Args:
        count: number of trainings.
        batch: number of frames of a step.
        setting: config key that asks for it, for the message.

    Raises:
        InputError: there are fewer devices than trainings, or several processes.
    """
    devices = jax.devices()
    if jax.process_count() > 1:
        raise InputError(
            f"{setting} needs all devices in one process, found "
            f"{jax.process_count()} processes; set it to False"
        )
    if len(devices) < count:
        raise InputError(
            f"{setting} needs a device for each of {count} folds, found "
            f"{len(devices)}; set it to False"
        )
    # Devices that are left over stay idle, so that all folds have equally many.
    share = len(devices) // count
    return [
        mesh_for(batch, devices[first : first + share])
        for first in range(0, share * count, share)
    ]


def run_side_by_side(tasks: Sequence[Task]) -> None:
    """Run every task in a thread; signals, and the failure of one, stop them all.

    Args:
        tasks: functions that look at the request and save their state before they
            stop.

    Raises:
        BaseException: that of the first task that failed or was stopped.
    """
    # In this thread, because those of the pool cannot handle signals.
    with TerminationRequest() as termination, ThreadPoolExecutor(len(tasks)) as pool:
        # Threads, because a compiled program lets go of the interpreter's lock.
        futures = [pool.submit(task, termination) for task in tasks]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException as error:
            termination.stop(f"stopped with another ({type(error).__name__})")
            raise
