"""Training of a fixed network from scratch, on S_train and S_val together."""

from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from emrnas_jax.data.pipeline import Split
from emrnas_jax.errors import InputError
from emrnas_jax.machine.devices import replicate
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.randomness import key_for
from emrnas_jax.runs.checkpoints import restore_latest
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import write_planned_steps
from emrnas_jax.training.loop import LoopSettings, Training, run
from emrnas_jax.training.optimizers import cosine
from emrnas_jax.training.retrain_steps import Program, TrainState, initial_state
from emrnas_jax.training.settings import RetrainSettings


def retrain_fold(
    name: str,
    folder: Path,
    record: NetworkRecord,
    network: nn.Module,
    program: Program,
    settings: RetrainSettings,
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
        split: S_train and S_val.
        fold: number of the fold, which decides the first weights.
        loop: number of steps of a call, and seconds between checkpoints.

    Raises:
        DivergedError: the loss or a weight is not finite.
        InputError: the folder is of another network.
        SystemExit: the training was asked to stop, and its state was saved.
    """
    steps_per_epoch = jnp.array(split.steps_per_epoch)

    def run_steps(state: TrainState, step: int, count: int) -> TrainState:
        frames = split.frames(step, count)
        return program(state, frames, steps_per_epoch, jnp.array(count))

    def epoch_record(state: TrainState, epoch: int) -> dict:
        # The rate of the epoch's last step, which is what its weights ended with.
        fraction = (epoch * split.steps_per_epoch - 1) / (
            settings.epochs * split.steps_per_epoch
        )
        return {
            "epoch": epoch,
            "phase": "retrain",
            "train_loss": float(state.train_loss) / split.steps_per_epoch,
            "train_psnr_db": float(state.train_psnr_db) / split.steps_per_epoch,
            "learning_rate": float(cosine(settings.learning_rate, jnp.array(fraction))),
        }

    # Before the first step: a folder with checkpoints always says what they are of.
    keep_record(folder, record)
    steps = settings.epochs * split.steps_per_epoch
    write_planned_steps(NetworkFolder(folder).plan, steps)
    training = Training(
        name=name,
        folder=folder,
        identity=identity(record),
        steps=steps,
        steps_per_epoch=split.steps_per_epoch,
        run_steps=run_steps,
        sums=("train_loss", "train_psnr_db"),
        epoch_record=epoch_record,
    )
    # The key is of the kind: networks that differ in a setting alone begin alike.
    key = key_for(record.seed, "weights", record.kind, fold)
    state = initial_state(network, settings, key)
    run(training, replicate(state, split.mesh), loop)


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
    # Shapes alone; no weights are drawn that the checkpoint would replace. Settings of
    # the optimizer change no shape.
    like = jax.eval_shape(
        lambda: initial_state(network, RetrainSettings(), jax.random.key(0))
    )
    state = restore_latest(files.checkpoints, identity(record), like, step)
    return record, network, {"params": state.weights, "batch_stats": state.statistics}
