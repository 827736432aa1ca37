"""Time and memory of every network: reconstruction and training step, in one run."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from emrnas_jax.benchmark.case import phantom_batch
from emrnas_jax.benchmark.jax_steps import RATE
from emrnas_jax.benchmark.programs import Program, compiled, compiled_step
from emrnas_jax.benchmark.rows import Row
from emrnas_jax.machine.timing import median_ms
from emrnas_jax.models.networks import (
    NETWORKS,
    build_network,
    parameter_count,
    takes_architecture,
)
from emrnas_jax.training import retrain_steps
from emrnas_jax.training.fit_total_variation import is_fitted
from emrnas_jax.training.optimizers import adam_with_l2
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import TrainState, train_step


def network_rows(size: int, batch: int, repeats: int) -> list[Row]:
    """Measure every network of `NETWORKS` with its default settings.

    Args:
        size: height and width of the frames, pixels.
        batch: frames at once.
        repeats: number of timings whose median is taken; each runs all networks in
            turn.

    Returns:
        A row per network; those whose one weight is fitted have no training step.
    """
    # All programs are kept and timed together: the figures of networks that were timed
    # one after the other would differ by what else the machine did meanwhile.
    rows: list[Row] = []
    timed: list[tuple[Row, str, Program]] = []
    for kind in NETWORKS:
        state, reconstruction, training = _programs(kind, size, batch)
        row = {
            "label": kind,
            "size": size,
            "batch": batch,
            "parameters": parameter_count(state.weights),
            "temporary_mib": reconstruction.temporary_mib,
            "device": jax.devices()[0].device_kind,
            "jax": jax.__version__,
        }
        rows.append(row)
        timed.append((row, "step_ms", reconstruction))
        if training is not None:
            row["training_temporary_mib"] = training.temporary_mib
            timed.append((row, "train_ms", training))
    # Rows are filled in only now, because nothing is timed before all is compiled.
    times = median_ms([program.run for _, _, program in timed], repeats)
    for (row, figure, _), value in zip(timed, times, strict=True):
        row[figure] = value
    return rows


def _programs(
    kind: str, size: int, batch: int
) -> tuple[TrainState, Program, Program | None]:
    """Return a state, the reconstruction and the training step, if the network has one.

    The weights are drawn by NumPy: compiling the draws takes longer than measuring.
    """
    # A network that is found by a search has no default architecture; the published one
    # of the Cardiac data set stands for it.
    given = {"architecture": "cardiac"} if takes_architecture(kind) else {}
    network, settings = build_network(kind, given), RetrainSettings(batch=batch)
    optimizer = adam_with_l2(settings.weight_decay, settings.momentum)
    random = np.random.default_rng(0)

    def draw(leaf: jax.ShapeDtypeStruct) -> Array:
        # The scale of a kernel keeps activations finite through any number of layers.
        bound = 1 / math.sqrt(math.prod(leaf.shape[:-1])) if leaf.ndim > 1 else 0.01
        return jnp.asarray(random.uniform(-bound, bound, leaf.shape), leaf.dtype)

    # Abstract evaluation gives the form of the state without compiling its draws.
    shapes = jax.eval_shape(
        lambda: retrain_steps.initial_state(network, settings, jax.random.key(0))
    )
    # Ones, because batch norm divides by the square root of its variance.
    state = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), shapes)
    state = state._replace(weights=jax.tree.map(draw, shapes.weights))
    data = phantom_batch(size, batch)
    variables = {"params": state.weights, "batch_stats": state.statistics}
    reconstruction = compiled(
        lambda v, b: network.apply(v, b.zero_filled, b.measurement), variables, data
    )
    if is_fitted(network):  # its one weight is chosen by trying values, without steps
        return state, reconstruction, None
    training = compiled_step(
        lambda s, b, r: train_step(network, optimizer, s, b, r),
        state,
        data,
        jnp.array(RATE),
    )
    return state, reconstruction, training
