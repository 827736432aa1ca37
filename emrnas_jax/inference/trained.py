"""Trained networks with their weights, ready to be applied."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.data.targets import TargetKind, as_compared
from emrnas_jax.errors import InputError
from emrnas_jax.inference.first_components import first_components
from emrnas_jax.inference.flips import mean_over_flips
from emrnas_jax.inference.locate import latest_step, locate, training_subjects
from emrnas_jax.machine.devices import divisible, mesh_for, over_batch, replicate
from emrnas_jax.models.included import model_at
from emrnas_jax.models.model_folder import is_model_folder, read_model
from emrnas_jax.models.networks import complete_settings, parameter_count
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.models.sense import Sense
from emrnas_jax.models.total_variation import MEASURED_ON, STRENGTH
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.runs.folder import (
    NetworkFolder,
)
from emrnas_jax.runs.network_files import read_plan
from emrnas_jax.training.retrain import load_trained

LOG = logging.getLogger("emrnas_jax")

TOTAL_VARIATION, SENSE = "tv", "sense"  # the models that need no folder
# SENSE takes complete k-space as fastMRI measures brains: with 8 % of the lines in the
# centre, from which its coil maps are estimated.
FASTMRI = SamplingSettings("equispaced", 0.25, 0.08, "columns")


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with its weights.

    Attributes:
        folder: folder of the network, such as RUN/fold_1/emrnas; None for total
            variation and SENSE, without a training.
        step: step of the checkpoint; 0 without one.
        record: everything about the network except its weights.
        variables: weights, and statistics of batch norm.
        subjects: subjects that it was trained on, and the model that its training
            started from; empty outside the folder of its run.
        apply: compiled function of variables, zero-filled images and measurement that
            returns images; it runs on as many devices as divide the batch.
        unfinished: a warning if the training did not end with this checkpoint.
        sha256: checksum of the weights of a model folder; empty for those of a run.
        flips: whether `apply` is the mean over mirrored frames.
        components: number of first components that are used; None for all of them.
        training: settings of the training, where they are known.
    """

    folder: Path | None
    step: int
    record: NetworkRecord
    variables: PyTree
    subjects: frozenset[str]
    apply: Callable[..., Float[Array, "batch height width 2"]]
    unfinished: str = ""
    sha256: str = ""
    flips: bool = False
    components: int | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return its kind and size; the weights are thousands of numbers."""
        record = self.record
        text = [f"{record.kind} {record.settings.get('architecture', '')}".strip()]
        count = parameter_count(self.variables.get("params", {}))
        text.append(f"{count:,} parameter{'s' * (count != 1)}")
        text.append(f"{record.images} images of {record.shapes_in_words}")
        if self.folder is not None:
            text.append(f"step {self.step}{' (unfinished)' * bool(self.unfinished)}")
            text.append(str(self.folder))
        return f"TrainedNetwork({', '.join(text)})"

    @property
    def sampling(self) -> Sampling:
        """The masks that the network was trained for, read from their file.

        Without the noise of its training: scans have their own.
        """
        return replace(self.record.load_sampling(), noise=0.0)

    def origin(self) -> dict[str, str | int | float]:
        """Return a description that no other network's results have, for JSON."""
        flips = {"test_time_flips": True} if self.flips else {}
        first = {} if self.components is None else {"components": self.components}
        return self._weights() | first | flips

    def _weights(self) -> dict[str, str | int | float]:
        if self.folder is None and self.record.name == SENSE:
            return {"checkpoint": SENSE}
        if self.folder is None:
            return {
                "checkpoint": TOTAL_VARIATION,
                "strength": float(self.variables["params"]["strength"]),
                "iterations": self.record.settings["iterations"],
            }
        if self.sha256:
            return {"checkpoint": str(self.folder.resolve()), "sha256": self.sha256}
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
    test_time_flips: bool = False,
    components: int | None = None,
) -> TrainedNetwork:
    """Load a trained network.

    Args:
        path: folder of a run, of one of its networks (RUN/fold_1/emrnas), or of a
            checkpoint in it (RUN/fold_1/emrnas/checkpoints/1200); or a model folder, as
            `emrnas_jax.export` writes it. Or, unless a folder has that name, the name
            of a model that comes with the package, or `tv`, total variation, or
            `sense`, for several coils; these two need no training.
        fold: fold of a run; 1 unless given.
        network: name of the network in a run or fold; the first that was trained unless
            given.
        precision: name in `kernels.precision.PRECISIONS`, in place of that of the
            training; the weights are the same.
        images: "magnitude" (unless given) or "complex", the images that `tv` and
            `sense` return, and as which they read complete complex images.
        test_time_flips: whether to take the mean over four mirrored frames, which costs
            four times as much: `inference.flips`.
        components: number of first components that are used, of a cascade that was
            trained with deep supervision: `inference.first_components`. All unless
            given.

    Raises:
        InputError: there is no trained network, it cannot be read, or an argument does
            not apply to it.
    """
    model = _load(path, fold, network, precision, images)
    if model.record.name == SENSE and (components is not None or test_time_flips):
        raise InputError(
            f"--model={SENSE} has no components, and mirrored frames give it the same "
            "image; leave out --components and --test_time_flips"
        )
    if components is not None:
        record, variables = first_components(
            model.record, model.variables, model.training, components
        )
        model = replace(
            model, record=record, variables=variables, components=components
        )
    if components is None and not test_time_flips:
        return model
    apply = _compiled(model.record.build(), model.record.target, test_time_flips)
    return replace(model, apply=apply, flips=test_time_flips)


def _load(
    path: str | Path,
    fold: int | None,
    network: str | None,
    precision: str | None,
    images: str | None,
) -> TrainedNetwork:
    where = Path(path).expanduser()
    if str(path) in (TOTAL_VARIATION, SENSE) and not where.exists():
        if fold is not None or network is not None:
            raise InputError(
                f"--model={path} is not a run; leave out --fold and --network"
            )
        untrained = _sense if str(path) == SENSE else _total_variation
        return untrained(images or "magnitude", precision or "float32")
    if images is not None:
        raise InputError(
            f"--images={images} is for --model={TOTAL_VARIATION} and --model={SENSE} "
            f"alone; {where} gives the images that it was trained for"
        )
    where = model_at(path)
    if is_model_folder(where):
        if fold is not None or network is not None:
            raise InputError(f"{where} is one network; leave out --fold and --network")
        return _exported(where, precision)
    folder, step = locate(where, fold, network)
    step = latest_step(folder) if step is None else step
    record, module, variables = load_trained(folder, step)
    # Weights are float32 in every precision, so only the module changes.
    if precision is not None:
        record = record.in_precision(precision)
        module = record.build()
    # A result of half a training is worth having, with a word about it.
    unfinished = _unfinished(folder, step)
    if unfinished:
        LOG.warning("%s: %s", folder, unfinished)
    # On every device once, not with each batch.
    variables = replicate(variables, mesh_for(divisible(1)))
    plan = read_plan(NetworkFolder(folder).plan)
    before = plan.start.subjects if plan and plan.start else ()
    return TrainedNetwork(
        folder,
        step,
        record,
        variables,
        training_subjects(folder).union(before),
        _compiled(module, record.target),
        unfinished,
        training=plan.settings if plan else {},
    )


def _exported(folder: Path, precision: str | None) -> TrainedNetwork:
    """Return the network of a model folder."""
    config, module, variables = read_model(folder, precision)
    record = config.network
    return TrainedNetwork(
        folder,
        config.steps,
        record if precision is None else record.in_precision(precision),
        replicate(variables, mesh_for(divisible(1))),
        frozenset(config.subjects),
        _compiled(module, record.target),
        sha256=config.sha256,
        training=config.training,
    )


def _require_kind(images: str) -> None:
    if images not in ("magnitude", "complex"):
        raise InputError(f"--images: found {images!r}; use magnitude or complex")


def _sense(images: str, precision: str) -> TrainedNetwork:
    """Return SENSE, which has no weights."""
    _require_kind(images)
    if precision != "float32":
        raise InputError(
            f"--precision={precision}: {SENSE} has no convolutions and computes in "
            "float32 alone"
        )
    sampling = dataclasses.asdict(FASTMRI)
    record = NetworkRecord(SENSE, {}, sampling, images, MEASURED_ON, seed=0)
    return TrainedNetwork(None, 0, record, {}, frozenset(), _compiled(Sense()))


def _total_variation(images: str, precision: str) -> TrainedNetwork:
    """Return total variation with the regularisation weight that was measured once."""
    _require_kind(images)
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


def _compiled(
    module: nn.Module,
    target: TargetKind = TargetKind.COMBINED,
    test_time_flips: bool = False,
) -> Callable[..., Float[Array, "batch h w 2"]]:

    def apply(
        variables: PyTree,
        zero_filled: Float[Array, "batch height width 2"],
        measurement: Measurement,
    ) -> Float[Array, "batch height width 2"]:
        image: Any = module.apply(variables, zero_filled, measurement)
        # Before a mean over flips: a phase that was not learned would cancel in it.
        return as_compared(image, target)

    return over_batch(mean_over_flips(apply) if test_time_flips else apply)


def _unfinished(folder: Path, step: int) -> str:
    """Return a warning if the training was not at its end at this step."""
    files = NetworkFolder(folder)
    if files.fit.exists():
        return ""  # has a checkpoint only when it is finished
    plan = read_plan(files.plan)
    if plan is None or step >= plan.steps:
        return ""
    return (
        f"the network's training is unfinished, step {step} of {plan.steps}; "
        "emrnas_jax.main continues it"
    )
