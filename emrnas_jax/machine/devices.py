"""The devices of a run: one axis, `data`, along which a batch is divided.

Every device runs the plain program on its part of the batch (`shard_map`). Weights and
data set lie on each device; gradients and losses are averaged in the program
(`mean_over_devices`). Nothing drawn at random depends on the device: masks follow from
the frame's number, paths from the step's.

With one device it is the same program without its averaging.
"""

import contextlib
import functools
import math
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding
from jaxtyping import Array, Int, PyTree

from emrnas_jax.errors import InputError

AXIS = "data"
Device = Any  # JAX has no public type of it that type checkers know

SHARED = PartitionSpec()  # the same on every device
DIVIDED = PartitionSpec(AXIS)  # along the first axis


def mesh_for(batch: int, devices: Sequence[Device] | None = None) -> Mesh:
    """Return the mesh of as many devices as divide a batch evenly.

    Every process takes part with the same number of its devices.

    Args:
        batch: number of frames of a step.
        devices: devices to choose from; all of them unless given.

    Raises:
        InputError: there are processes for which no part of the batch is left.
    """
    own: dict[int, list[Device]] = {}
    for device in jax.devices() if devices is None else devices:
        own.setdefault(device.process_index, []).append(device)
    # As many as possible: a device that is left out saves nothing.
    for share in range(min(map(len, own.values())), 0, -1):
        if batch % (share * len(own)) == 0:
            chosen = [device for group in own.values() for device in group[:share]]
            return Mesh(np.array(chosen), (AXIS,))
    raise InputError(
        f"a batch of {batch} frames cannot be divided among {len(own)} processes; use "
        f"a multiple of {len(own)}"
    )


def divisible(batch: int) -> int:
    """Return the batch, enlarged so that all devices share it evenly."""
    return -(-batch // jax.device_count()) * jax.device_count()


def device_name() -> str:
    """Return the name of the devices, and their number if there is more than one.

    A CPU is named by its processor and logical cores, since JAX calls every one "cpu".
    """
    device, count = jax.devices()[0], jax.device_count()
    if device.platform == "cpu":
        cores = logical_cores()
        name = f"{processor_name()}, {cores} logical core{'' if cores == 1 else 's'}"
        return name if count == 1 else f"{name}, as {count} devices"
    return device.device_kind if count == 1 else f"{count} x {device.device_kind}"


def logical_cores() -> int:
    """Return how many logical cores this process may use."""
    if sys.platform == "linux":
        # A cluster's job or a container may have fewer cores than the machine.
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name(information: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name; its architecture where the system names none.

    Args:
        information: file in which Linux describes its processors.
    """
    with contextlib.suppress(OSError):
        for line in information.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return " ".join(value.split())
    return f"CPU ({platform.machine()})"


def rows_of_process(mesh: Mesh, batch: int) -> slice:
    """Return which rows of a batch the devices of this process hold."""
    index = jax.process_index()
    own = [i for i, d in enumerate(mesh.devices.flat) if d.process_index == index]
    share = batch // mesh.size
    return slice(own[0] * share, (own[-1] + 1) * share)


def put(tree: PyTree, sharding: Sharding) -> Any:
    """Put arrays on devices.

    Args:
        tree: arrays; with several processes, this process's part of each, which is
            the whole array where the sharding does not divide it.
        sharding: sharding of all arrays.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, sharding)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf)),
        tree,
    )


def replicate(tree: PyTree, mesh: Mesh) -> Any:
    """Put arrays on every device of a mesh."""
    return put(tree, NamedSharding(mesh, SHARED))


def on_every_device(
    function: Callable, mesh: Mesh, in_specs: Any, out_specs: Any
) -> Callable:
    """Return `function` as it runs on each device with its part, for use in `jit`.

    Args:
        function: function that gets its part of divided arguments and the whole of
            shared ones.
        mesh: the devices.
        in_specs: `SHARED` or `DIVIDED` for each argument.
        out_specs: `SHARED` or `DIVIDED` for each output; shared outputs must be
            identical on every device.
    """
    return jax.shard_map(
        function,
        mesh=mesh,
        in_specs=in_specs,
        out_specs=out_specs,
        check_vma=False,  # gradients stay those of the part, to be averaged as written
    )


def batch_axis() -> str | None:
    """Return the axis that the batch is divided along here, None where it is whole.

    Inside `on_every_device` with more than one device it is `AXIS`.
    """
    mesh = jax.sharding.get_abstract_mesh()
    return AXIS if AXIS in mesh.manual_axes and mesh.shape[AXIS] > 1 else None


def mean_over_devices(tree: PyTree) -> Any:
    """Return the mean over the parts of the batch; `tree` itself where it is whole."""
    axis = batch_axis()
    return tree if axis is None else jax.lax.pmean(tree, axis)


def part_of_batch(batch: int) -> tuple[int | Int[Array, ""], int]:
    """Return where this device's part of a batch begins, and its size."""
    axis = batch_axis()
    if axis is None:
        return 0, batch
    share = batch // jax.lax.axis_size(axis)
    return jax.lax.axis_index(axis) * share, share


def over_batch(function: Callable) -> Callable:
    """Compile a function of frames that do not depend on each other.

    Args:
        function: function of a tree that all frames share, such as weights, and of
            trees of arrays with one entry per frame; it returns such a tree.

    Returns:
        the same function of whole batches, which are divided among as many devices as
        divide them evenly. Arrays may come from the host; with several processes they
        are on the devices already (`put`).
    """

    @functools.cache
    def program(mesh: Mesh, arguments: int) -> Callable:
        specs = (SHARED, *[DIVIDED] * arguments)
        return jax.jit(on_every_device(function, mesh, specs, DIVIDED))

    @functools.wraps(function)
    def run(shared: PyTree, *batch: PyTree) -> Any:
        mesh = mesh_for(math.gcd(*(len(leaf) for leaf in jax.tree.leaves(batch))))
        if jax.process_count() == 1:
            shared = replicate(shared, mesh)
            batch = put(batch, NamedSharding(mesh, DIVIDED))
        return program(mesh, len(batch))(shared, *batch)

    return run
