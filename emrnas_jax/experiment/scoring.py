"""A fold's network on its test frames: scores, examples and cost, written as files."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from jaxtyping import Array, Float

from emrnas_jax.data.folds import Fold
from emrnas_jax.data.pipeline import Batch, fixed_mask_key
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.batches import MeasuredFrames
from emrnas_jax.evaluation.evaluate import Network, evaluate
from emrnas_jax.evaluation.roofline import roofline_figures
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import device_name, over_batch
from emrnas_jax.machine.progress import say_without_bars
from emrnas_jax.models.catalogue import ZERO_FILLED
from emrnas_jax.models.networks import parameter_count
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import Cost, write_cost
from emrnas_jax.runs.scores import Scores, read_scores, write_examples, write_scores
from emrnas_jax.training.fit_total_variation import is_fitted
from emrnas_jax.training.retrain import has_trained, load_trained

LOG = logging.getLogger("emrnas_jax")

Program = TypeVar("Program")


def compiled_network(record: NetworkRecord | None) -> Network:
    """Return a network, compiled, or zero-filling for no record."""
    if record is None:
        return _zero_filled
    network = record.build()
    return over_batch(
        lambda variables, batch: network.apply(
            variables, batch.zero_filled, batch.measurement
        )
    )


@over_batch
def _zero_filled(
    variables: dict,  # noqa: ARG001 - called like a network, and has no weights
    batch: Batch,
) -> Float[Array, "batch height width 2"]:
    return batch.zero_filled


def score_fold(
    experiment: Experiment,
    fold: Fold,
    k: int,
    record: NetworkRecord | None,
    apply: Network,
    files: NetworkFolder,
) -> Scores:
    """Score a network of fold `k` on S_test; its scores are written last.

    Args:
        experiment: the run.
        fold: subjects of the fold.
        k: number of the fold.
        record: record of the network; None for the zero-filled images.
        apply: the network, compiled.
        files: the folder of the network in the fold.

    Raises:
        InputError: the network is not trained to the end, or was trained as another.
    """
    name, folder = record.name if record else ZERO_FILLED, files.path
    variables: dict = {"params": {}}
    work: dict = {}
    if record:
        last = experiment.retrain_steps(name, fold)
        if last is None or not has_trained(folder, last):
            raise InputError(
                f"{folder}: {name} is not trained to its last step"
                f"{'' if last is None else f', {last}'}; run --stage=retrain first"
            )
        found, module, variables = load_trained(folder, last)
        # Checkpoints outlive a change of the config; scores must not mix the two.
        if found != record:
            raise InputError(
                f"{folder} was trained as another network ({found.settings}); use a "
                "new --workdir"
            )
        if not is_fitted(module):  # it has no convolutions to count
            shape = experiment.image_set.shape
            precision = record.settings.get("precision", "float32")
            work = roofline_figures(module, shape, precision)
    settings = experiment.evaluation
    frames = MeasuredFrames(
        experiment.image_set,
        experiment.indices(fold.test),
        experiment.sampling,
        fixed_mask_key(experiment.seed),
    )
    scores, examples, seconds = evaluate(
        f"fold {k} {name}", apply, variables, frames, settings
    )
    cost = Cost(
        parameters=parameter_count(variables["params"]),
        # Zero-filling is the network's input already.
        seconds_per_frame=seconds if record else 0.0,
        device=device_name(),
        **work,
    )
    write_cost(files.cost, cost)
    # The scores come last: a fold that has them has all else.
    scored_as = settings.convention, settings.crop
    write_examples(files.examples(*scored_as), examples)
    write_scores(files.scores(*scored_as), scores)
    return scores


def scorer(experiment: Experiment, name: str) -> Callable[[int, Fold], bool]:
    """Return a function that scores a network in a fold, unless it was scored before.

    The function returns whether it scored.
    """
    network_of = once_for_like_folds(compiled_network)

    def score(k: int, fold: Fold) -> bool:
        files, label = experiment.network_folder(k, name), f"fold {k} {name}"
        settings = experiment.evaluation
        path = files.scores(settings.convention, settings.crop)
        # One process looks, so that all of them skip the fold or none.
        if processes.as_first_sees(path.exists()):
            before = read_scores(path).psnr_db.mean()
            LOG.info("%s: finished before, %.2f dB", label, before)
            return False
        record = None if name == ZERO_FILLED else experiment.record(name, k)
        frames = len(experiment.indices(fold.test))
        say_without_bars("%s: scoring %d test frames", label, frames)
        scores = score_fold(experiment, fold, k, record, network_of(record), files)
        LOG.info("%s: %.2f dB", label, scores.psnr_db.mean())
        return True

    return score


def once_for_like_folds(make: Callable[[Any], Program]) -> Callable[[Any], Program]:
    """Return `make`, which makes anew only what differs from the fold before.

    Folds of one network share a compiled program so.
    """
    made: list[tuple[Any, Program]] = []

    def get(record: Any) -> Program:
        if not made or made[0][0] != record:
            # One program at a time: older ones would keep their memory.
            made[:] = [(record, make(record))]
        return made[0][1]

    return get
