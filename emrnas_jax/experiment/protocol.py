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

import ml_collections

from emrnas_jax.errors import InputError
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.fold_training import search_folds, trainer
from emrnas_jax.experiment.plan import plan
from emrnas_jax.experiment.results import collect_results
from emrnas_jax.experiment.scoring import scorer
from emrnas_jax.experiment.search_front import front_of
from emrnas_jax.machine.progress import duration
from emrnas_jax.models.catalogue import ZERO_FILLED
from emrnas_jax.models.search_networks import operations_of
from emrnas_jax.reporting.page import write_report
from emrnas_jax.runs.architecture import write_architecture
from emrnas_jax.runs.lock import locked
from emrnas_jax.runs.operations import refuse_other_operations
from emrnas_jax.runs.provenance import recorded
from emrnas_jax.runs.results import write_results
from emrnas_jax.training.ensemble import ensemble_of_folds

LOG = logging.getLogger("emrnas_jax")


class Outcome(NamedTuple):
    """Outcome of a stage, for the line that it ends with.

    Attributes:
        worked: False where everything was finished before.
        result: the files that it made, in words.
    """

    worked: bool
    result: str


def search_stage(experiment: Experiment) -> Outcome | None:
    """Search every fold, for each network that asks for a search of its own."""
    if not experiment.searches:
        return None
    # All folds of one search in turn, because they share compiled programs.
    worked = [search_folds(experiment, search) for search in experiment.searches]
    every_fold = f"{experiment.run.path}/fold_*"
    where = [f"{every_fold}/{search.folder_name}" for search in experiment.searches]
    return Outcome(any(worked), f"the folds' architectures are in {', '.join(where)}")


def ensemble_stage(experiment: Experiment) -> Outcome | None:
    """Find the architecture of the folds' searches together, for every search."""
    if not experiment.searches:
        return None
    paths = []
    for search in experiment.searches:
        folders = [folder.path for folder in experiment.search_folders(search)]
        cells = search.build().cells_per_block
        if search.settings.makes_front:
            architecture, p = front_of(experiment, search, folders)
        else:
            architecture, p = ensemble_of_folds(folders, search.settings, cells)
        paths.append(experiment.run.architecture(search.own_name))
        write_architecture(paths[-1], architecture, p)
        LOG.info("%s: the ensemble is %s", search.name, architecture)
    # Made anew each time: it costs nothing, and so follows the searches.
    return Outcome(True, f"written to {', '.join(map(str, paths))}")


def retrain_stage(experiment: Experiment) -> Outcome:
    """Train every network on S_train and S_val of every fold."""
    worked = False
    for name in experiment.networks:
        train = trainer(experiment, name)
        for k, fold in enumerate(experiment.folds, 1):
            if train(k, fold):
                worked = True
            else:
                LOG.info("fold %d %s: trained before", k, name)
    return Outcome(worked, f"the networks are in {experiment.run.path}/fold_*")


def evaluate_stage(experiment: Experiment) -> Outcome:
    """Score every network and the zero-filled images; write `results.json`."""
    worked = []
    # Zero-filling first: it is the baseline of every comparison, and scored at once.
    for name in (ZERO_FILLED, *experiment.networks):
        score = scorer(experiment, name)
        worked += [score(k, fold) for k, fold in enumerate(experiment.folds, 1)]
    return _results(experiment, any(worked))


def retrain_and_evaluate(experiment: Experiment) -> Outcome:
    """Train and score as the two stages do, each fold before the next is trained.

    The first score is known after the first training, not after the last.
    """
    folds = list(enumerate(experiment.folds, 1))
    score = scorer(experiment, ZERO_FILLED)
    worked = [score(k, fold) for k, fold in folds]
    for name in experiment.networks:
        train, score = trainer(experiment, name), scorer(experiment, name)
        for k, fold in folds:
            worked += [train(k, fold), score(k, fold)]
    return _results(experiment, any(worked))


def _results(experiment: Experiment, worked: bool) -> Outcome:
    path = experiment.run.results
    write_results(path, collect_results(experiment))
    return Outcome(worked, f"the results are in {path}")


def report_stage(experiment: Experiment) -> Outcome:
    """Write the report from the files of the run."""
    LOG.info("writing the report")
    page = write_report(experiment.run.path, asdict(experiment.sections.report))
    return Outcome(True, f"the report is {page}")


STAGES = {
    "search": search_stage,
    "ensemble": ensemble_stage,
    "retrain": retrain_stage,
    "evaluate": evaluate_stage,
    "report": report_stage,
}
# Stages of "all": the files are the same, but no score waits for all trainings.
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
        config: config that a file of `configs/` returns.
        run: the folder of the run; it is made, or continued.
        stage: a name in `STAGES`, or "all".
        command: command line, which the report shows.

    Raises:
        InputError: something the user gave cannot be used.
    """
    if stage != "all" and stage not in STAGES:
        raise InputError(f"no stage {stage!r}; there are all, {', '.join(STAGES)}")
    experiment = Experiment(config, run)
    tests_nothing = experiment.sections.folds.tested == ()
    if tests_nothing and stage in ("evaluate", "report"):
        raise InputError(
            f"--stage={stage}: folds.test is none, so there is nothing to score; name "
            "subjects in it, in a new --workdir"
        )
    # These two search nothing, so they may read a run of other operations.
    if stage not in ("evaluate", "report"):
        for search in experiment.searches:
            folders = experiment.search_folders(search)
            begun_with = experiment.operations_of(search.kind)
            now = operations_of(search.kind)
            refuse_other_operations(folders, experiment.run, begun_with, now)
    # Locked after the config is checked: a mistake in it creates no folder.
    with locked(experiment.run), recorded(experiment.run, command) as recording:
        # The other stages may run where the data are not.
        if stage in ("all", "search", "retrain", "evaluate"):
            for line in plan(experiment):
                LOG.info(line)
        stages = IN_TURN if stage == "all" else {stage: STAGES[stage]}
        if tests_nothing and stage == "all":
            stages = {name: STAGES[name] for name in ("search", "ensemble", "retrain")}
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
