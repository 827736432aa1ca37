"""Training of a fixed network from scratch, on S_train and S_val together."""

import logging
from dataclasses import asdict, fields
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from emrnas_jax.data.split import Split
from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import replicate
from emrnas_jax.machine.json_files import write_json
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.randomness import key_for
from emrnas_jax.runs.checkpoints import restore_latest
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import Plan, Start, read_plan
from emrnas_jax.training.budget import steps_within
from emrnas_jax.training.loop import LoopSettings, Training, run
from emrnas_jax.training.optimizers import warmed_cosine
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import Program, TrainState, initial_state
from emrnas_jax.training.start import require_start, start_from, start_of

LOG = logging.getLogger("emrnas_jax")

MEASURED = "%s: a step takes %.3g s, so %g minutes are %d steps"


def retrain_fold(
    name: str,
    folder: Path,
    record: NetworkRecord,
    network: nn.Module,
    program: Program,
    settings: RetrainSettings,
    steps: int | None,
    split: Split,
    fold: int,
    loop: LoopSettings,
) -> None:
    """Train one fold's network, from its newest checkpoint if it was stopped.

    Writes `network.json` beside the checkpoints, which is all `reconstruct` needs.

    Args:
        name: name of the training in progress bars and lines.
        folder: folder of the network in the fold.
        record: record of the network.
        network: the network that the record describes.
        program: program of `training_program`, for the devices of the split.
        settings: settings of the training.
        steps: number of steps; None to make it from `settings.minutes`, once.
        split: S_train and S_val.
        fold: number of the fold, which decides the first weights.
        loop: number of steps of a call, and seconds between checkpoints.

    Raises:
        DivergedError: the loss or a weight is not finite.
        InputError: the folder is of another network, the time is too short, or the
            model to start from cannot be used.
        SystemExit: the training was asked to stop, and its state was saved.
    """
    # Before the first step: a folder with checkpoints always says what they are of.
    keep_record(folder, record)
    state, start = _first_state(record, network, settings, fold)
    state = replicate(state, split.mesh)
    path = NetworkFolder(folder).plan
    # All processes have looked before the first one writes.
    plan = read_plan(path) if processes.as_first_sees(path.exists()) else None
    if plan is not None and plan.start != start:
        raise InputError(
            f"{path}: began with other weights than retrain.start={settings.start} "
            "has now; use a new --workdir"
        )
    if steps is None and plan is None:
        made = steps_within(settings.minutes, program, state, split, loop)
        plan = Plan(made.steps, asdict(settings), made.seconds_per_step, start)
        LOG.info(MEASURED, name, made.seconds_per_step, settings.minutes, made.steps)
        write_json(path, plan)
    # A plan that is kept has the time of a step, which its number of steps came from.
    elif plan is None or steps not in (None, plan.steps):
        assert steps is not None
        plan = Plan(steps, asdict(settings), start=start)
        write_json(path, plan)

    def run_steps(state: TrainState, step: int, count: int) -> TrainState:
        frames = split.frames(step, count)
        return program(state, frames, jnp.array(plan.steps), jnp.array(count))

    def epoch_record(state: TrainState, epoch: int, count: int) -> dict:
        # The rate of the epoch's last step, which is what its weights ended with.
        fraction = jnp.array((int(state.step) - 1) / plan.steps)
        rate = warmed_cosine(settings.learning_rate, fraction, settings.warmup)
        return {
            "epoch": epoch,
            "phase": "retrain",
            "train_loss": float(state.train_loss) / count,
            "train_psnr_db": float(state.train_psnr_db) / count,
            "learning_rate": float(rate),
        }

    training = Training(
        name=name,
        folder=folder,
        identity=identity(record),
        steps=plan.steps,
        steps_per_epoch=split.steps_per_epoch,
        run_steps=run_steps,
        sums=("train_loss", "train_psnr_db"),
        epoch_record=epoch_record,
        at_once=split.at_once,
    )
    run(training, state, loop)


def _first_state(
    record: NetworkRecord, network: nn.Module, settings: RetrainSettings, fold: int
) -> tuple[TrainState, Start | None]:
    """Return the state at step 0, and the model that its weights are of, if any."""
    # The key is of the kind: networks that differ in a setting alone begin alike.
    key = key_for(record.seed, "weights", record.kind, fold)
    state = initial_state(network, settings, key)
    if not settings.start:
        return state, None
    model = require_start(settings.start, record.kind, record.settings)
    return start_from(model, state), start_of(model)


def keep_record(folder: Path, record: NetworkRecord) -> None:
    """Write `network.json` of a network that is to be trained in a folder.

    Raises:
        InputError: the folder is of another network.
    """
    path = NetworkFolder(folder).record
    if path.exists() and NetworkRecord.read(path) != record:
        raise InputError(
            f"{path} is of another network than the one to train: "
            f"{NetworkRecord.read(path).settings}; use a new --workdir"
        )
    record.write(path)


def has_trained(folder: Path, last: int) -> bool:
    """Return whether a network's folder holds the checkpoint of its last step."""
    return NetworkFolder(folder).checkpoint(last).is_dir()


def identity(record: NetworkRecord) -> dict:
    """Return the settings that a checkpoint must have to belong to this record."""
    return {"network": record.name, **record.settings}


def load_trained(
    folder: Path, step: int | None = None
) -> tuple[NetworkRecord, nn.Module, PyTree]:
    """Return a trained network from its folder: record, module, variables.

    Args:
        folder: folder of a network, such as RUN/fold_1/emrnas.
        step: step of the checkpoint; None for the newest.

    Raises:
        InputError: the folder holds no trained network, or a damaged one.
    """
    files = NetworkFolder(folder)
    record = NetworkRecord.read(files.record)
    network = record.build()
    # Shapes alone; no weights are drawn that the checkpoint would replace.
    settings = settings_of(files)
    like = jax.eval_shape(lambda: initial_state(network, settings, jax.random.key(0)))
    state = restore_latest(files.checkpoints, identity(record), like, step)
    return record, network, state.variables


def settings_of(files: NetworkFolder) -> RetrainSettings:
    """Return the settings with which a network was trained, for its state's shapes.

    Those of older versions and of imported weights are the defaults, as far as they
    change the state.
    """
    plan = read_plan(files.plan)
    known = {field.name for field in fields(RetrainSettings)}
    given = plan.settings if plan else {}
    return RetrainSettings(**{k: v for k, v in given.items() if k in known})
