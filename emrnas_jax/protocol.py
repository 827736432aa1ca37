"""The experiment of section 3, stage by stage: search, ensemble, retrain, evaluate.

Three folds by subject; one search per fold; the folds' p are summed and the largest of
each cell is the architecture; it is trained from scratch on S_train and S_val of each
fold and scored on S_test. Every stage writes files of the run's folder; what takes
long is skipped where it is there already, so the same command continues a stopped run.
"""

import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
from jaxtyping import Array, Float

from emrnas_jax.data.folds import Fold
from emrnas_jax.data.pipeline import Batch, fixed_mask_key
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.evaluate import (
    CONVENTION,
    Network,
    Scores,
    evaluate,
    write_examples,
    write_scores,
)
from emrnas_jax.evaluation.results import collect
from emrnas_jax.evaluation.roofline import roofline_figures
from emrnas_jax.experiment import Experiment
from emrnas_jax.files import write_json
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.models.networks import parameter_count
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.nas.gates import ensemble
from emrnas_jax.nas.space import read_architecture, write_architecture
from emrnas_jax.reporting.page import write_report
from emrnas_jax.run_folder import locked
from emrnas_jax.training.retrain import (
    has_trained,
    load_trained,
    make_dispatch,
    retrain_fold,
)
from emrnas_jax.training.search import make_dispatches, search_fold

LOG = logging.getLogger("emrnas_jax")


def search_stage(experiment: Experiment) -> None:
    """Search every fold; nothing to do where the config gives the architecture."""
    if "emrnas" not in experiment.networks or experiment.given_architecture:
        return
    network = SearchNetwork(**experiment.networks["emrnas"])
    settings = experiment.search
    dispatches = make_dispatches(
        network, settings, experiment.sampling, experiment.seed
    )
    for k, fold in enumerate(experiment.folds, 1):
        folder = experiment.folder(k, "search")
        if (folder / "architecture.json").exists():
            continue
        architecture, _ = search_fold(
            f"fold {k} search",
            folder,
            network,
            dispatches,
            settings,
            experiment.split("training", k, settings.batch, fold.train),
            experiment.split("validation", k, settings.batch, fold.validation),
            experiment.seed,
            k,
            experiment.loop,
        )
        LOG.info("fold %d found %s", k, architecture)


def ensemble_stage(experiment: Experiment) -> None:
    """Sum the folds' p and write the architecture that follows."""
    if "emrnas" not in experiment.networks or experiment.given_architecture:
        return
    found = []
    for k, _ in enumerate(experiment.folds, 1):
        path = experiment.folder(k, "search") / "architecture.json"
        _, p = read_architecture(path)
        if p is None:
            raise InputError(f"{path} has no probabilities; run --stage=search again")
        found.append(p)
    cells = experiment.networks["emrnas"]["cells_per_block"]
    architecture, mean = ensemble(found, cells)
    write_architecture(experiment.run / "architecture.json", architecture, mean)
    LOG.info("the ensemble of %d folds is %s", len(found), architecture)


def retrain_stage(experiment: Experiment) -> None:
    """Train every network on S_train and S_val of every fold."""
    for name in experiment.networks:
        record = experiment.record(name)
        network = record.build()
        settings = experiment.retrain
        dispatch = make_dispatch(
            network, settings, experiment.sampling, experiment.seed
        )
        for k, fold in enumerate(experiment.folds, 1):
            folder = experiment.folder(k, name)
            last = experiment.retrain_steps(fold)
            if (folder / "scores.csv").exists() or has_trained(folder, last):
                continue
            retrain_fold(
                f"fold {k} {name}",
                folder,
                record,
                network,
                dispatch,
                settings,
                experiment.split(
                    "retraining", k, settings.batch, fold.train, fold.validation
                ),
                k,
                experiment.loop,
            )


def evaluate_stage(experiment: Experiment) -> None:
    """Score every network and the zero-filled images; write `results.json`."""
    for name in ("zero_filled", *experiment.networks):
        apply = None
        for k, fold in enumerate(experiment.folds, 1):
            folder = experiment.folder(k, name)
            if (folder / "scores.csv").exists():
                continue
            if apply is None:  # folds share one compiled program
                apply = _reconstruction(experiment, name)
            scores = _evaluate_fold(experiment, fold, k, name, apply, folder)
            LOG.info("fold %d %s: %.2f dB", k, name, scores.psnr_db.mean())
    write_json(experiment.run / "results.json", collect_results(experiment))


def _reconstruction(experiment: Experiment, name: str) -> Network:
    if name == "zero_filled":
        return _zero_filled
    network = experiment.record(name).build()
    return jax.jit(lambda variables, batch: network.apply(variables, *batch[:3]))


@jax.jit
def _zero_filled(
    variables: dict,  # noqa: ARG001 - called like a network, and has no weights
    batch: Batch,
) -> Float[Array, "batch height width 2"]:
    return batch.zero_filled


def _evaluate_fold(
    experiment: Experiment, fold: Fold, k: int, name: str, apply: Network, folder: Path
) -> Scores:
    variables: dict = {"params": {}}
    cost: dict = {}
    if name != "zero_filled":
        last = experiment.retrain_steps(fold)
        if not has_trained(folder, last):
            raise InputError(
                f"{folder}: {name} is not trained to its last step, {last}; run "
                "--stage=retrain first"
            )
        record, _, variables = load_trained(folder, last)
        if record != experiment.record(name):
            raise InputError(
                f"{folder} was trained as another network ({record.settings}); use a "
                "new --workdir"
            )
        height, width = experiment.image_set.shape
        precision = experiment.networks[name].get("precision", "float32")
        cost = roofline_figures(variables["params"], height * width, precision)
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
    cost |= {
        "parameters": parameter_count(variables["params"]),
        # Zero-filling is the network's input already.
        "seconds_per_frame": 0.0 if name == "zero_filled" else seconds,
        "device": jax.devices()[0].device_kind,
    }
    write_json(folder / "cost.json", cost)
    write_examples(folder / "examples.npz", examples)
    write_scores(folder / "scores.csv", scores)
    return scores


def collect_results(experiment: Experiment) -> dict:
    """Return what `results.json` holds, from the folds' scores."""
    folds = range(1, len(experiment.folds) + 1)
    names = ("zero_filled", *experiment.networks)
    networks, comparisons = collect(
        {name: [experiment.folder(k, name) for k in folds] for name in names},
        experiment.seed,
    )
    searched = "emrnas" in experiment.networks
    achieved = achieved_rate(experiment)
    sampling = experiment.sampling
    return {
        "dataset": experiment.image_set.name,
        # Masks of a file have the rate that they have.
        "sampling_rate": achieved if sampling.kind == "file" else sampling.rate,
        "achieved_rate": achieved,
        "folds": len(folds),
        "architecture": str(experiment.architecture) if searched else None,
        "metrics": CONVENTION,
        "networks": networks,
        "comparisons": comparisons,
    }


def achieved_rate(experiment: Experiment) -> float:
    """Return the mean fraction of lines that the masks of all test frames measure."""
    key, shape = fixed_mask_key(experiment.seed), experiment.image_set.shape

    @jax.jit
    def rate(ids: Array) -> Array:
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(ids)
        masks = jax.vmap(lambda k: draw_mask(experiment.sampling, k, shape))(keys)
        return masks.mean()

    return float(rate(jnp.asarray(experiment.image_set.frame_ids)))


def report_stage(experiment: Experiment) -> None:
    """Write the report from the files of the run."""
    LOG.info("the report is %s", write_report(experiment.run))


STAGES = {
    "search": search_stage,
    "ensemble": ensemble_stage,
    "retrain": retrain_stage,
    "evaluate": evaluate_stage,
    "report": report_stage,
}


def run_protocol(
    config: ml_collections.ConfigDict, run: Path, stage: str = "all"
) -> None:
    """Run one stage of an experiment, or all of them in turn.

    Args:
        config: what a file of `configs/` returns.
        run: the folder of the run; it is made, or continued.
        stage: a name in `STAGES`, or "all".

    Raises:
        InputError: something the user gave cannot be used.
    """
    if stage != "all" and stage not in STAGES:
        raise InputError(f"no stage {stage!r}; there are all, {', '.join(STAGES)}")
    experiment = Experiment(config, run)
    with locked(run):
        for name, work in STAGES.items():
            if stage in ("all", name):
                work(experiment)
