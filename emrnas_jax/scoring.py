"""A fold's network on its test frames: scores, examples and cost, written as files."""

from pathlib import Path

from jaxtyping import Array, Float

from emrnas_jax.data.folds import Fold
from emrnas_jax.data.pipeline import Batch, fixed_mask_key
from emrnas_jax.devices import device_name, over_batch
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.evaluate import (
    Network,
    Scores,
    evaluate,
    write_examples,
    write_scores,
)
from emrnas_jax.evaluation.roofline import roofline_figures
from emrnas_jax.experiment import Experiment
from emrnas_jax.files import write_json
from emrnas_jax.models.networks import parameter_count
from emrnas_jax.training.retrain import has_trained, load_trained


def compiled_network(experiment: Experiment, name: str) -> Network:
    """Return a network of the run, or "zero_filled", for all its folds."""
    if name == "zero_filled":
        return _zero_filled
    network = experiment.record(name).build()
    return over_batch(lambda variables, batch: network.apply(variables, *batch[:3]))


@over_batch
def _zero_filled(
    variables: dict,  # noqa: ARG001 - called like a network, and has no weights
    batch: Batch,
) -> Float[Array, "batch height width 2"]:
    return batch.zero_filled


def score_fold(
    experiment: Experiment, fold: Fold, k: int, name: str, apply: Network, folder: Path
) -> Scores:
    """Score a network of fold `k` on S_test; `scores.csv` is written last.

    Raises:
        InputError: it is not trained to the end, or was trained as another network.
    """
    variables: dict = {"params": {}}
    work: dict = {}
    if name != "zero_filled":
        last = experiment.retrain_steps(fold)
        if not has_trained(folder, last):
            raise InputError(
                f"{folder}: {name} is not trained to its last step, {last}; run "
                "--stage=retrain first"
            )
        record, module, variables = load_trained(folder, last)
        if record != experiment.record(name):
            raise InputError(
                f"{folder} was trained as another network ({record.settings}); use a "
                "new --workdir"
            )
        precision = experiment.networks[name]["precision"]
        work = roofline_figures(module, experiment.image_set.shape, precision)
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
    )
    cost = work | {
        "parameters": parameter_count(variables["params"]),
        # Zero-filling is the network's input already.
        "seconds_per_frame": 0.0 if name == "zero_filled" else seconds,
        "device": device_name(),
    }
    write_json(folder / "cost.json", cost)
    write_examples(folder / "examples.npz", examples)
    write_scores(folder / "scores.csv", scores)
    return scores
