"""A trained network, found in the folder of a run or given by its own folder."""

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
from emrnas_jax.machine.devices import divisible, mesh_for, over_batch, replicate
from emrnas_jax.models.networks import complete_settings, parameter_count
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.models.total_variation import MEASURED_ON, STRENGTH
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.runs.folder import (
    FoldFolder,
    NetworkFolder,
    RunFolder,
    is_fold,
    network_at,
)
from emrnas_jax.runs.folds import read_folds
from emrnas_jax.runs.network_files import planned_steps
from emrnas_jax.training.retrain import load_trained

LOG = logging.getLogger("emrnas_jax")

TOTAL_VARIATION = "tv"  # the model that needs no folder


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its weights.

    Attributes:
        folder: of the network, such as RUN/fold_1/emrnas; None for total variation that
            nothing was trained for.
        step: of the checkpoint; 0 without one.
        record: all that the network is, except its weights.
        variables: the weights, and statistics of batch norm.
        subjects: that it was trained on, as far as the run's folder tells.
        apply: compiled; (variables, zero-filled images, k-space, mask) to images, on as
            many devices as divide the batch.
        unfinished: a sentence if the training did not end with this checkpoint.
    """

    folder: Path | None
    step: int
    record: NetworkRecord
    variables: PyTree
    subjects: frozenset[str]
    apply: Callable[..., Float[Array, "batch height width 2"]]
    unfinished: str = ""

    def __repr__(self) -> str:
        """Return what it is in a line; the weights are thousands of numbers."""
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
        """The masks that the network was trained for."""
        return self.record.load_sampling()

    def origin(self) -> dict[str, str | int | float]:
        """Return what tells its weights from those of other networks, for JSON."""
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
        path: a run's folder, one of its networks' (RUN/fold_1/emrnas), or one of the
            checkpoints in it (RUN/fold_1/emrnas/checkpoints/1200). Or `tv`, unless a
            folder has that name: total variation, which needs no training.
        fold: of a run, whose network to take; 1 unless given.
        network: of a run or fold, the name of the network; unless given, the first
            that was trained.
        precision: a name in `kernels.precision.PRECISIONS`, in place of that in which
            it was trained; the weights are the same.
        images: of `tv`, "magnitude" (unless given) or "complex": what it returns, and
            as what complete complex images are read.

    Raises:
        InputError: there is no trained network, it cannot be read, or an argument is
            not for it.
    """
    place = Path(path).expanduser()
    if str(path) == TOTAL_VARIATION and not place.exists():
        if fold is not None or network is not None:
            raise InputError(
                f"--model={path} is not a run; leave out --fold and --network"
            )
        return _untrained(images or "magnitude", precision or "float32")
    if images is not None:
        raise InputError(
            f"--images={images} is for --model={TOTAL_VARIATION} alone; {place} gives "
            "the images that it was trained for"
        )
    folder, step = _locate(place, fold, network)
    step = _latest_step(folder) if step is None else step
    record, module, variables = load_trained(folder, step)
    if precision is not None:
        settings = record.settings | {"precision": precision}
        record = structs.replace(record, settings=settings)
        module = record.build()
    unfinished = _unfinished(folder, step)
    if unfinished:
        LOG.warning("%s: %s", folder, unfinished)
    variables = replicate(variables, mesh_for(divisible(1)))
    subjects = _training_subjects(folder)
    return TrainedNetwork(
        folder, step, record, variables, subjects, _compiled(module), unfinished
    )


def _untrained(images: str, precision: str) -> TrainedNetwork:
    """Return total variation of the strength that was measured once."""
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


def _locate(
    place: Path, fold: int | None, network: str | None
) -> tuple[Path, int | None]:
    """Return a network's folder, and the checkpoint's step if `place` names one."""
    if not place.is_dir():
        found = "a file" if place.exists() else "nothing"
        raise InputError(
            f"{place}: found {found}; --model is the folder of a run, of one of its "
            "networks (RUN/fold_1/emrnas) or of a checkpoint; or tv, which needs none"
        )
    folder, step = network_at(place)
    if folder.record.exists():
        if fold is not None or network is not None:
            raise InputError(
                f"{place} is one network; leave out --fold and --network, or give the "
                "folder of the run"
            )
        return folder.path, step
    return _network_of(_fold_of(place, fold), network), None


def _fold_of(place: Path, fold: int | None) -> FoldFolder:
    run = RunFolder(place)
    folds = run.fold_folders()
    if not folds:
        if is_fold(place) and fold is None:
            return FoldFolder(place)
        raise InputError(
            f"{place}: nothing was trained here yet; let emrnas_jax.main finish its "
            "stage retrain"
            if run.config.exists()
            else f"{place}: not a model: it holds neither network.json nor fold_1; "
            "give the folder of a run, or of one of its networks (RUN/fold_1/emrnas)"
        )
    chosen = run.fold(fold or 1)
    if chosen not in folds:
        names = ", ".join(own.path.name for own in folds)
        raise InputError(f"{place} has no {chosen.path.name}; it has {names}")
    return chosen


def _network_of(fold: FoldFolder, network: str | None) -> Path:
    trained = fold.trained()
    if not trained:
        raise InputError(
            f"{fold.path}: no network was trained here yet; let emrnas_jax.main finish "
            "its stage retrain"
        )
    if network is not None and network not in trained:
        raise InputError(
            f"{fold.path} has no trained network {network!r}; it has "
            f"{', '.join(trained)}"
        )
    first = "emrnas" if "emrnas" in trained else trained[0]
    return fold.network(network or first).path


def _latest_step(folder: Path) -> int:
    steps = NetworkFolder(folder).steps()
    if not steps:
        raise InputError(
            f"{folder} holds no checkpoint: nothing was trained here yet; let "
            "emrnas_jax.main go on with its stage retrain"
        )
    return steps[-1]


def _training_subjects(folder: Path) -> frozenset[str]:
    fold = NetworkFolder(folder).fold()
    if fold is None or not fold.run.folds.exists():
        return frozenset()  # a network's folder that was copied on its own
    of_run = read_folds(fold.run.folds)[fold.number - 1 : fold.number]
    return frozenset(s for own in of_run for s in own.train + own.validation)


def _unfinished(folder: Path, step: int) -> str:
    """Return a sentence if the training was not at its end at this step."""
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
