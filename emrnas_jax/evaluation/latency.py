"""Measure a latency table, and check it with whole architectures.

An operation's time is the difference of two programs, one with several of it in a row
and one with one, divided by the number more: what is there once cancels. The rest is
what networks of one operation each take beyond their cells. All programs take
turns, so that a busy moment of the machine is unfair to none.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree
from msgspec import structs

from emrnas_jax.machine.devices import device_name
from emrnas_jax.machine.timing import median_ms
from emrnas_jax.models.emrnas import FixedBlock
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.networks import blank_inputs, build_network
from emrnas_jax.models.search_networks import operations_of, search_network
from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.mri.measurement import Measurement, zero_filled
from emrnas_jax.mri.sampling import Sampling, draw_mask
from emrnas_jax.nas.gates import draw_choices
from emrnas_jax.nas.latency_table import Check, LatencyTable, Measured
from emrnas_jax.nas.space import Architecture, Operation, absent_in
from emrnas_jax.randomness import key_for

REPEATS = 20  # timings whose median is taken

Run = Callable[[], Any]


def measured_here(
    kind: str,
    settings: Mapping[str, Any],
    size: tuple[int, int],
    batch: int,
    coils: int,
) -> Measured:
    """Return what a table that is measured on this machine holds for.

    Args:
        kind: kind of network, as in `models.networks.NETWORKS`.
        settings: arguments of the network's constructor; the architecture is left out.
        size: height and width of the frames, pixels.
        batch: frames that are reconstructed at once.
        coils: coils of the frames; 0 for images of one coil.
    """
    own = {key: value for key, value in settings.items() if key != "architecture"}
    return Measured(
        device=device_name(),
        kind=kind,
        settings=own,
        size=size,
        batch=batch,
        coils=coils,
    )


def measure_table(
    measured: Measured, sampling: Sampling, repeats: int = REPEATS, checked: int = 0
) -> LatencyTable:
    """Measure the time of every operation, of the rest, and of whole architectures.

    Args:
        measured: what is measured.
        sampling: how frames are measured, whose masks decide the data consistency.
        repeats: timings whose median is taken.
        checked: number of random architectures, no two alike, that are run as a whole
            and compared with the table; 0 for none.
    """
    inputs = _inputs(measured, sampling)
    operations = operations_of(measured.kind)
    timed = [own for own in operations if own.is_present]
    # A component of the wide space holds nothing but its operation.
    is_wide = measured.kind == "wide"
    more, components = (4, 1) if is_wide else (8, measured.settings["components"])
    counts = (1, 1 + more)
    if is_wide:
        rows = [_uniform(own, n, measured, inputs) for own in timed for n in counts]
    else:
        rows = [_row_of_cells((own,) * n, measured) for own in timed for n in counts]
    # Networks of one operation: in the wide space the shorter rows are such networks.
    uniform = (
        []
        if is_wide
        else [_uniform(own, components, measured, inputs) for own in timed]
    )
    drawn = random_architectures(measured, checked)
    networks = [*uniform, *(_network(own, measured, inputs) for own in drawn)]
    times = np.array(median_ms([*rows, *networks], repeats, resting=False))
    of_rows, of_networks = np.split(times / measured.batch, [len(rows)])
    own = (of_rows[1::2] - of_rows[::2]) / more
    cells = components * measured.settings.get("cells_per_block", 1)
    whole = of_rows[::2] if is_wide else of_networks[: len(uniform)]
    beyond = whole - cells * own
    names = [operation.name for operation in timed]
    # What is left out takes no time.
    absent = {own.name: 0.0 for own in operations}
    table = LatencyTable(
        measured=measured,
        jax=jax.__version__,
        # The median over all operations: each network's rest has noise of its own.
        rest_ms=float(np.median(beyond)),
        operations_ms=absent | dict(zip(names, own.tolist(), strict=True)),
    )
    if not drawn:
        return table
    check = checked_with(table, drawn, of_networks[len(uniform) :].tolist())
    return structs.replace(table, check=check)


def checked_with(
    table: LatencyTable, architectures: list[Architecture], measured_ms: list[float]
) -> Check:
    """Return the measured times of architectures beside those that a table predicts."""
    # Imported here because it takes a sixth of the start of every command.
    from scipy.stats import spearmanr

    predicted = [table.predict_ms(own) for own in architectures]
    errors = np.abs(np.array(predicted) / np.array(measured_ms) - 1)
    return Check(
        architectures=tuple(map(str, architectures)),
        predicted_ms=tuple(predicted),
        measured_ms=tuple(measured_ms),
        median_error=float(np.median(errors)),
        # One architecture has no order.
        rank_correlation=float(spearmanr(predicted, measured_ms)[0])  # pyright: ignore
        if len(predicted) > 1
        else float("nan"),
    )


def random_architectures(measured: Measured, count: int) -> list[Architecture]:
    """Draw different architectures, the same ones for every table.

    Args:
        measured: what the table is of.
        count: number of architectures.
    """
    network = search_network(measured.kind, measured.settings)
    operations = operations_of(measured.kind)
    cells = network.components * network.cells_per_block
    undecided = jnp.zeros((cells, len(operations)))
    found: dict[Architecture, None] = {}
    for number in range(4 * count):
        if len(found) == count:
            break
        key = jax.random.fold_in(key_for(0, "latency"), number)
        drawn = draw_choices(key, undecided, absent_in(operations)).tolist()
        own = Architecture.from_cells(drawn, network.cells_per_block, operations)
        found[own] = None
    return list(found)


def _row_of_cells(operations: tuple, measured: Measured) -> Run:
    """Return a run of operations one after another, with their residuals."""
    keys = ("width", "precision", "batch_norm", "residual")
    layers = LayerSettings(**{key: measured.settings[key] for key in keys})
    block = FixedBlock(operations, layers)
    shape = (measured.batch, *measured.size, layers.width)
    maps = jnp.asarray(np.random.default_rng(0).uniform(size=shape), layers.maps)
    variables = _drawn(lambda: block.init(jax.random.key(0), maps, False))
    return _run(lambda v, x: block.apply(v, x, False), variables, maps)


def _uniform(
    operation: Operation, components: int, measured: Measured, inputs: tuple
) -> Run:
    """Return a run of a network with one operation in every cell."""
    own = {**measured.settings, "components": components}
    network = search_network(measured.kind, own)
    number = network.operations.index(operation)
    cells = [number] * components * network.cells_per_block
    among = network.cells_per_block, network.operations
    architecture = Architecture.from_cells(cells, *among)
    return _network(architecture, measured, inputs)


def _network(architecture: Architecture, measured: Measured, inputs: tuple) -> Run:
    """Return a run of a whole architecture."""
    given = {"architecture": architecture, "components": len(architecture.blocks)}
    if "shared" in measured.settings:
        # Cells that share a choice take the same time as others.
        given["shared"] = "none"
    network = build_network(measured.kind, {**measured.settings, **given})
    variables = _drawn(lambda: network.init(jax.random.key(0), *blank_inputs()))
    return _run(network.apply, variables, *inputs)


def _inputs(measured: Measured, sampling: Sampling) -> tuple[Array, Measurement]:
    """Return the inputs of a network for frames of noise."""
    coils, size = measured.coils, measured.size
    shape = (measured.batch, *([coils] if coils else []), *size)
    random = np.random.default_rng(0)
    kspace = random.normal(size=shape) + 1j * random.normal(size=shape)
    keys = jax.random.split(key_for(0, "latency"), measured.batch)
    masks = jnp.stack([draw_mask(sampling, key, size) for key in keys])
    maps = birdcage_maps(coils, size)[None] if coils else None
    if maps is not None:
        maps = jnp.broadcast_to(maps, shape)
    beside = masks[:, None] if coils else masks
    samples = jnp.where(beside, jnp.asarray(kspace, jnp.complex64), 0)
    measurement = Measurement(samples, masks, maps)
    return zero_filled(measurement), measurement


def _drawn(initialise: Callable[[], PyTree]) -> PyTree:
    """Return variables drawn by NumPy: compiling the draws takes longer than timing."""
    random = np.random.default_rng(0)

    def draw(leaf: jax.ShapeDtypeStruct) -> Array:
        # Kernels of this scale keep activations finite; ones suit batch norm.
        if leaf.ndim <= 1:
            return jnp.ones(leaf.shape, leaf.dtype)
        bound = 1 / math.sqrt(math.prod(leaf.shape[:-1]))
        return jnp.asarray(random.uniform(-bound, bound, leaf.shape), leaf.dtype)

    return jax.tree.map(draw, jax.eval_shape(initialise))


def _run(function: Callable, *arguments: PyTree) -> Run:
    program = jax.jit(function).lower(*arguments).compile()
    return lambda: jax.block_until_ready(program(*arguments))
