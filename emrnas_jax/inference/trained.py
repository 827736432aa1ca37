"""Trained networks with their weights, ready to be applied."""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from msgspec import structs

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.inference.locate import latest_step, locate, training_subjects
from emrnas_jax.machine.devices import divisible, mesh_for, over_batch, replicate
from emrnas_jax.models.networks import complete_settings, parameter_count
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.models.total_variation import MEASURED_ON, STRENGTH
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.runs.folder import (
    NetworkFolder,
)
from emrnas_jax.runs.network_files import planned_steps
from emrnas_jax.training.retrain import load_trained

LOG = logging.getLogger("emrnas_jax")

TOTAL_VARIATION = "tv"  # the model that needs no folder


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its weights.

    Attributes:
        folder: folder of the network, such as RUN/fold_1/emrnas; None for total
            variation without a training.
        step: step of the checkpoint; 0 without one.
        record: everything about the network except its weights.
        variables: weights, and statistics of batch norm.
        subjects: subjects that it was trained on; empty outside the folder of its run.
        apply: compiled function of variables, zero-filled images and measurement that
            returns images; it runs on as many devices as divide the batch.
        unfinished: a warning if the training did not end with this checkpoint.
    """

    folder: Path | None
    step: int
    record: NetworkRecord
    variables: PyTree
    subjects: frozenset[str]
    apply: Callable[..., Float[Array, "batch height width 2"]]
    unfinished: str = ""

    def __repr__(self) -> str:
        """Return its kind and size; the weights are thousands of numbers."""
        record = self.record
        text = [f"{record.kind} {record.settings.get('architecture', '')}".strip()]
        count = parameter_count(self.variables.get("params", {}))
        text.append(f"{count:,} parameter{'s' * (count != 1)}")
        text.append(f"{record.images} images of {record.shape[0]} x {record.shape[1]}")
        if self.folder is not None:
            text.append(f"step {self.step}{' (unfinished)' * bool(self.unfinished)}")
            text.append(str(self.folder))
        return f"TrainedNetwork({', '.join(text)})"

    @property
    def sampling(self) -> Sampling:
        """The masks that the network was trained for, read from their file."""
        return self.record.load_sampling()

    def origin(self) -> dict[str, str | int | float]:
        """Return a description of the weights that no other network has, for JSON."""
        if self.folder is None:
            return {
                "checkpoint": TOTAL_VARIATION,
                "strength": float(self.variables["params"]["strength"]),
                "iterations": self.record.settings["iterations"],
            }
        checkpoint = NetworkFolder(self.folder.resolve()).checkpoint(self.step)
        return {
            "checkpoint": str(checkpoint),
            "trained": checkpoint.stat().st_mtime_ns,
        }


def load_model(
    path: str | Path,
    fold: int | None = None,
    network: str | None = None,
    precision: str | None = None,
    images: str | None = None,
) -> TrainedNetwork:
    """Load a trained network.

    Args:
        path: folder of a run, of one of its networks (RUN/fold_1/emrnas), or of a
            checkpoint in it (RUN/fold_1/emrnas/checkpoints/1200). Or `tv`, unless a
            folder has that name: total variation, which needs no training.
        fold: fold of a run; 1 unless given.
        network: name of the network in a run or fold; the first that was trained unless
            given.
        precision: name in `kernels.precision.PRECISIONS`, in place of that of the
            training; the weights are the same.
        images: "magnitude" (unless given) or "complex", the images that `tv` returns,
            and as which it reads complete complex images.

    Raises:
        InputError: there is no trained network, it cannot be read, or an argument does
            not apply to it.
    """
    where = Path(path).expanduser()
    if str(path) == TOTAL_VARIATION and not where.exists():
        if fold is not None or network is not None:
            raise InputError(
                f"--model={path} is not a run; leave out --fold and --network"
            )
        return _untrained(images or "magnitude", precision or "float32")
    if images is not None:
        raise InputError(
            f"--images={images} is for --model={TOTAL_VARIATION} alone; {where} gives "
            "the images that it was trained for"
        )
    folder, step = locate(where, fold, network)
    step = latest_step(folder) if step is None else step
    record, module, variables = load_trained(folder, step)
    # Weights are float32 in every precision, so only the module changes.
    if precision is not None:
        settings = record.settings | {"precision": precision}
        record = structs.replace(record, settings=settings)
        module = record.build()
    # A result of half a training is worth having, with a word about it.
    unfinished = _unfinished(folder, step)
    if unfinished:
        LOG.warning("%s: %s", folder, unfinished)
    # On every device once, not with each batch.
    variables = replicate(variables, mesh_for(divisible(1)))
    subjects = training_subjects(folder)
    return TrainedNetwork(
        folder, step, record, variables, subjects, _compiled(module), unfinished
    )


def _untrained(images: str, precision: str) -> TrainedNetwork:
    """Return total variation with the regularisation weight that was measured once."""
    if images not in ("magnitude", "complex"):
        raise InputError(f"--images: found {images!r}; use magnitude or complex")
    record = NetworkRecord(
        name=TOTAL_VARIATION,
        settings=complete_settings(TOTAL_VARIATION, {"precision": precision}),
        sampling=dataclasses.asdict(SamplingSettings()),
        images=images,
        shape=MEASURED_ON,
        seed=0,
    )
    module = record.build()
    variables = replicate(
        {"params": {"strength": jnp.float32(STRENGTH)}}, mesh_for(divisible(1))
    )
    return TrainedNetwork(None, 0, record, variables, frozenset(), _compiled(module))


def _compiled(module: nn.Module) -> Callable[..., Float[Array, "batch h w 2"]]:
    def apply(
        variables: PyTree,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
    ) -> Float[Array, "batch height width 2"]:
        return module.apply(variables, zero_filled, measurement)  # pyright: ignore

    return over_batch(apply)


def _unfinished(folder: Path, step: int) -> str:
    """Return a warning if the training was not at its end at this step."""
    files = NetworkFolder(folder)
    if files.fit.exists():
        return ""  # has a checkpoint only when it is finished
    last = planned_steps(files.plan)
    if last is None or step >= last:
        return ""
    return (
        f"the network's training is unfinished, step {step} of {last}; "
        "emrnas_jax.main continues it"
    )
