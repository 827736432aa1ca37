"""A fold's network on its test frames: scores, examples and cost, written as files."""

from pathlib import Path

from jaxtyping import Array, Float

from emrnas_jax.data.folds import Fold
from emrnas_jax.data.pipeline import Batch, fixed_mask_key
from emrnas_jax.devices import device_name, over_batch
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.evaluate import Network, evaluate
from emrnas_jax.evaluation.roofline import roofline_figures
from emrnas_jax.evaluation.score_files import (
    Scores,
    examples_path,
    scores_path,
    write_examples,
    write_scores,
)
from emrnas_jax.experiment import Experiment
from emrnas_jax.files import write_json
from emrnas_jax.models.networks import NetworkRecord, parameter_count
from emrnas_jax.training.fit_strength import is_fitted
from emrnas_jax.training.retrain import has_trained, load_trained

ZERO_FILLED = "zero_filled"  # the images that networks start from, scored like one


def compiled_network(record: NetworkRecord | None) -> Network:
    """Return a network, compiled, or zero-filling where there is none."""
    if record is None:
        return _zero_filled
    network = record.build()
    return over_batch(lambda variables, batch: network.apply(variables, *batch[:3]))


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
    folder: Path,
) -> Scores:
    """Score a network of fold `k` on S_test; its scores are written last.

    Args:
        experiment: the run.
        fold: its subjects.
        k: its number.
        record: of the network; None for the zero-filled images.
        apply: the network, compiled.
        folder: of the network in the fold.

    Raises:
        InputError: it is not trained to the end, or was trained as another network.
    """
    name = record.name if record else ZERO_FILLED
    variables: dict = {"params": {}}
    work: dict = {}
    if record:
        last = experiment.retrain_steps(name, fold)
        if not has_trained(folder, last):
            raise InputError(
                f"{folder}: {name} is not trained to its last step, {last}; run "
                "--stage=retrain first"
            )
        found, _, variables = load_trained(folder, last)
        if found != record:
            raise InputError(
                f"{folder} was trained as another network ({found.settings}); use a "
                "new --workdir"
            )
        height, width = experiment.image_set.shape
        precision = record.settings["precision"]
        if not is_fitted(record.build()):  # it has no convolutions to count
            work = roofline_figures(variables["params"], height * width, precision)
    settings = experiment.evaluation
    scores, examples, seconds = evaluate(
        f"fold {k} {name}",
        apply,
        variables,
        experiment.image_set,
        experiment.indices(fold.test),
        experiment.sampling,
        fixed_mask_key(experiment.seed),
        settings.batch,
        settings.examples,
        settings.convention,
    )
    cost = work | {
        "parameters": parameter_count(variables["params"]),
        # Zero-filling is the network's input already.
        "seconds_per_frame": seconds if record else 0.0,
        "device": device_name(),
    }
    write_json(folder / "cost.json", cost)
    write_examples(examples_path(folder, settings.convention), examples)
    write_scores(scores_path(folder, settings.convention), scores)
    return scores
