"""Measure what data, masks and under-sampling add to the time of a training.

The retraining's own compiled steps run in turn with the same steps on one batch that
was prepared before. Frames are phantoms, once resident on the device, once streamed.
"""

import tempfile
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from emrnas_jax.benchmark.case import Case, initial_state, network_of
from emrnas_jax.benchmark.programs import Program, compiled
from emrnas_jax.benchmark.rows import Row, figures
from emrnas_jax.data.dataset import DataSettings, ImageSet, open_dataset
from emrnas_jax.data.pipeline import (
    Batch,
    frames_of_step,
    make_batch,
    training_mask_key,
)
from emrnas_jax.data.split import Split
from emrnas_jax.machine.timing import median_ms
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.training import retrain_steps
from emrnas_jax.training.loss import jit
from emrnas_jax.training.optimizers import adam_with_l2, cosine
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import TrainState, train_step

SEED = 0
SUBJECTS = 8


def pipeline_rows(case: Case, frames: int, steps: int, repeats: int) -> list[Row]:
    """Measure a training step with each form of the data, and the data's part alone.

    Args:
        case: network that is trained, and size of the batch.
        frames: number of frames of the data set.
        steps: training steps that one call of the compiled program takes.
        repeats: number of timings whose median is taken.

    Returns:
        Rows of the constant batch, of frames on the device and of streamed frames.
    """
    settings = RetrainSettings(batch=case.batch)
    network = network_of(case)
    program = retrain_steps.training_program(network, settings, Sampling(), SEED)
    with tempfile.TemporaryDirectory() as cache:
        images = _phantoms(case.size, frames, cache)
        # 4 GiB hold every frame, 0 MiB none: the first split is resident, the second
        # is read while the device computes.
        resident = _split(images, case.batch, steps, 4096.0)
        streamed = _split(images, case.batch, steps, 0.0)
        count = jnp.array(resident.steps_per_epoch)
        prepare = _preparation(resident, case.batch)
        batch = prepare.run()
        runs = {
            "constant batch": _constant_run(case, batch, steps, count),
            "frames on the device": _data_run(case, program, resident, steps, count),
            "frames streamed": _data_run(case, program, streamed, steps, count),
        }
        *times, prepare_ms = median_ms([*runs.values(), prepare.run], repeats)
    rows = []
    for name, milliseconds in zip(runs, times, strict=True):
        row = figures("train-step", case, prepare, milliseconds / steps)
        # `figures` took these two from the preparation, and the row is of the steps.
        row = {k: v for k, v in row.items() if k not in ("compile_s", "temporary_mib")}
        # Near the noise of two timings, so the time of the preparation alone stands
        # beside it.
        percent = 100 * (milliseconds / times[0] - 1)
        alone = 100 * prepare_ms * steps / times[0]
        rows.append(
            row
            | {"program": name, "percent": percent, "prepare_ms": prepare_ms}
            | {"prepare_percent": alone, "frames": frames}
            | {"note": f"{percent:+.1f} % (its preparation alone: {alone:.1f} %)"}
        )
    rows[0]["note"] = "the reference"
    return rows


def _phantoms(size: int, frames: int, cache: str) -> ImageSet:
    # Rounded up, so that the data set has at least as many frames as were asked for.
    each = -(-frames // SUBJECTS)
    phantom = {"subjects": SUBJECTS, "slices": 1, "frames": each, "size": size}
    settings = DataSettings(
        path="phantom", cache=cache, height=size, width=size, phantom=phantom
    )
    return open_dataset(settings)


def _split(images: ImageSet, batch: int, steps: int, device_mib: float) -> Split:
    indices = np.arange(len(images))
    return Split(images, indices, batch, jax.random.key(SEED), steps, device_mib)


def _preparation(split: Split, batch: int) -> Program:
    # What a training step does before its network: the frames of a step, their masks
    # of this epoch, and two Fourier transforms.
    def prepare(frames: Any, step: Int[Array, ""]) -> Batch:
        images, ids, epoch = frames_of_step(frames, step, batch)
        key = training_mask_key(SEED, epoch)
        return make_batch(images, ids, key, Sampling())

    return compiled(prepare, split.frames(0, 1), jnp.zeros((), jnp.int32))


def _copied(case: Case) -> TrainState:
    # A training takes over the memory of its state, and weights are kept for all rows.
    return jax.tree.map(jnp.copy, initial_state(case))


def _data_run(
    case: Case,
    program: retrain_steps.Program,
    split: Split,
    steps: int,
    count: Int[Array, ""],
) -> Callable[[], Any]:
    # Lists, because a run replaces its state and its step, and a closure cannot.
    current, taken = [_copied(case)], [0]

    def run() -> None:
        frames = split.frames(taken[0], steps)
        taken[0] += steps
        total = count * RetrainSettings().epochs
        state = program(current[0], frames, total, jnp.array(steps))
        current[0] = jax.block_until_ready(state)

    return run


def _constant_run(
    case: Case, batch: Batch, steps: int, count: Int[Array, ""]
) -> Callable[[], Any]:
    settings = RetrainSettings(batch=case.batch)
    network = network_of(case)
    optimizer = adam_with_l2(settings.weight_decay, settings.momentum)

    # The loop of the retraining, with its learning rate, but without its data.
    def steps_of(state: TrainState, batch: Batch, many: Int[Array, ""]) -> TrainState:
        def body(_: Int[Array, ""], state: TrainState) -> TrainState:
            fraction = state.step / (settings.epochs * count)
            rate = cosine(settings.learning_rate, fraction)
            return train_step(network, optimizer, state, batch, rate)

        return jax.lax.fori_loop(0, many, body, state)

    program = jit(steps_of, donate_argnums=0)
    current = [_copied(case)]

    def run() -> None:
        state = program(current[0], batch, jnp.array(steps))
        current[0] = jax.block_until_ready(state)

    return run
