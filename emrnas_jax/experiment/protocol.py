"""The experiment of section 3, stage by stage: search, ensemble, retrain, evaluate.

Three folds by subject; one search per fold; the folds' p are summed and the largest of
each cell is the architecture; it is trained from scratch on S_train and S_val of each
fold and scored on S_test. Every stage writes files of the run's folder; what takes
long is skipped where it is there already, so the same command continues a stopped run.
In a run of all stages a fold is scored as soon as its network is trained.
"""

import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
from jaxtyping import Array

from emrnas_jax.data.pipeline import fixed_mask_key
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import in_words
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.fold_training import search_folds, trainer
from emrnas_jax.experiment.plan import plan
from emrnas_jax.experiment.results import collect
from emrnas_jax.experiment.scoring import ZERO_FILLED, scorer
from emrnas_jax.machine.files import write_json
from emrnas_jax.machine.progress import duration
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.reporting.page import write_report
from emrnas_jax.runs.architecture import read_architecture, write_architecture
from emrnas_jax.runs.folder import locked
from emrnas_jax.runs.operations import refuse_other_operations
from emrnas_jax.runs.provenance import Recording
from emrnas_jax.training.ensemble import ensemble_of_folds

LOG = logging.getLogger("emrnas_jax")


class Outcome(NamedTuple):
    """What a stage did, for the line that it ends with.

    Attributes:
        worked: False where everything was finished before.
        result: what it made, and where that is.
    """

    worked: bool
    result: str


def search_stage(experiment: Experiment) -> Outcome | None:
    """Search every fold, for each network that asks for a search of its own."""
    if not experiment.searches:
        return None
    worked = [search_folds(experiment, search) for search in experiment.searches]
    places = [f"{experiment.run}/fold_*/{s.place}" for s in experiment.searches]
    return Outcome(any(worked), f"the folds' architectures are in {', '.join(places)}")


def ensemble_stage(experiment: Experiment) -> Outcome | None:
    """Find the architecture of the folds' searches together, for every search."""
    if not experiment.searches:
        return None
    paths = []
    for search in experiment.searches:
        folders = experiment.search_folders(search)
        cells = search.network["cells_per_block"]
        architecture, p = ensemble_of_folds(folders, search.settings, cells)
        paths.append(experiment.run / search.architecture_file)
        write_architecture(paths[-1], architecture, p)
        LOG.info("%s: the ensemble is %s", search.name, architecture)
    return Outcome(True, f"written to {', '.join(map(str, paths))}")


def retrain_stage(experiment: Experiment) -> Outcome:
    """Train every network on S_train and S_val of every fold."""
    worked = False
    for name in experiment.systems:
        train = trainer(experiment, name)
        for k, fold in enumerate(experiment.folds, 1):
            if train(k, fold):
                worked = True
            else:
                LOG.info("fold %d %s: trained before", k, name)
    return Outcome(worked, f"the networks are in {experiment.run}/fold_*")


def evaluate_stage(experiment: Experiment) -> Outcome:
    """Score every network and the zero-filled images; write `results.json`."""
    worked = []
    for name in (ZERO_FILLED, *experiment.systems):
        score = scorer(experiment, name)
        worked += [score(k, fold) for k, fold in enumerate(experiment.folds, 1)]
    return _results(experiment, any(worked))


def retrain_and_evaluate(experiment: Experiment) -> Outcome:
    """Train and score as the two stages do, each fold before the next is trained.

    The first score is there after the first training, not after all of them.
    """
    folds = list(enumerate(experiment.folds, 1))
    score = scorer(experiment, ZERO_FILLED)
    worked = [score(k, fold) for k, fold in folds]
    for name in experiment.systems:
        train, score = trainer(experiment, name), scorer(experiment, name)
        for k, fold in folds:
            worked += [train(k, fold), score(k, fold)]
    return _results(experiment, any(worked))


def _results(experiment: Experiment, worked: bool) -> Outcome:
    path = experiment.run / "results.json"
    write_json(path, collect_results(experiment))
    return Outcome(worked, f"the results are in {path}")


def collect_results(experiment: Experiment) -> dict:
    """Return what `results.json` holds, from the folds' scores."""
    folds = range(1, len(experiment.folds) + 1)
    names = (ZERO_FILLED, *experiment.systems)
    networks, comparisons = collect(
        {name: [experiment.folder(k, name) for k in folds] for name in names},
        experiment.seed,
        experiment.evaluation.convention,
    )
    for name, system in experiment.systems.items():
        networks[name] |= {
            "kind": system.kind,
            "settings": experiment.settings(name),
            "architecture_source": system.source,
        }
    architectures = [
        str(experiment.architecture(name, 1))
        for name, system in experiment.systems.items()
        if system.source
    ]
    achieved = achieved_rate(experiment)
    sampling = experiment.sampling
    return {
        "dataset": experiment.image_set.name,
        # Masks of a file have the rate that they have.
        "sampling_rate": achieved if sampling.kind == "file" else sampling.rate,
        "achieved_rate": achieved,
        "folds": len(folds),
        "architecture": next(iter(architectures), None),
        "searches": {
            search.name: {
                "architecture": str(
                    read_architecture(experiment.run / search.architecture_file)[0]
                ),
                "networks": [n for n in search.networks if n in experiment.systems],
            }
            for search in experiment.searches
        },
        "metrics": in_words(experiment.evaluation.convention),
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


def report_stage(experiment: Experiment) -> Outcome:
    """Write the report from the files of the run."""
    LOG.info("writing the report")
    page = write_report(experiment.run, asdict(experiment.report))
    return Outcome(True, f"the report is {page}")


STAGES = {
    "search": search_stage,
    "ensemble": ensemble_stage,
    "retrain": retrain_stage,
    "evaluate": evaluate_stage,
    "report": report_stage,
}
# What "all" does: the files are the same, but no score waits for all trainings.
IN_TURN = {
    "search": search_stage,
    "ensemble": ensemble_stage,
    "retrain and evaluate": retrain_and_evaluate,
    "report": report_stage,
}


def run_protocol(
    config: ml_collections.ConfigDict,
    run: Path,
    stage: str = "all",
    command: str = "run_protocol",
) -> None:
    """Run one stage of an experiment, or all of them in turn.

    Args:
        config: what a file of `configs/` returns.
        run: the folder of the run; it is made, or continued.
        stage: a name in `STAGES`, or "all".
        command: what the report names as the command: a command line, if there is one.

    Raises:
        InputError: something the user gave cannot be used.
    """
    if stage != "all" and stage not in STAGES:
        raise InputError(f"no stage {stage!r}; there are all, {', '.join(STAGES)}")
    experiment = Experiment(config, run)
    if stage not in ("evaluate", "report"):
        for search in experiment.searches:
            folders = experiment.search_folders(search)
            refuse_other_operations(folders, run, experiment.operations)
    with locked(run), Recording(run, command) as recording:
        if stage in ("all", "search", "retrain", "evaluate"):
            for line in plan(experiment):
                LOG.info(line)
        stages = IN_TURN if stage == "all" else {stage: STAGES[stage]}
        for name, work in stages.items():
            start = time.monotonic()
            if name == "report":
                recording.update()  # the page says how long the run took
            outcome = work(experiment)
            seconds = time.monotonic() - start
            if outcome is not None:
                did = (
                    f"took {duration(seconds)}" if outcome.worked else "finished before"
                )
                LOG.info("%s: %s, %s", name, did, outcome.result)
            elif stage != "all":
                LOG.info("%s: no network of this run is searched", name)
