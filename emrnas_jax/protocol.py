"""The experiment of section 3, stage by stage: search, ensemble, retrain, evaluate.

Three folds by subject; one search per fold; the folds' p are summed and the largest of
each cell is the architecture; it is trained from scratch on S_train and S_val of each
fold and scored on S_test. Every stage writes files of the run's folder; what takes
long is skipped where it is there already, so the same command continues a stopped run.
"""

import logging
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_collections
from jax.sharding import Mesh
from jaxtyping import Array

from emrnas_jax import processes
from emrnas_jax.data.folds import Fold
from emrnas_jax.data.pipeline import fixed_mask_key
from emrnas_jax.devices import mesh_for
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import in_words
from emrnas_jax.evaluation.results import collect
from emrnas_jax.evaluation.score_files import scores_path
from emrnas_jax.experiment import Experiment
from emrnas_jax.files import write_json
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.nas.space import read_architecture, write_architecture
from emrnas_jax.provenance import Recording
from emrnas_jax.reporting.page import write_report
from emrnas_jax.run_folder import locked
from emrnas_jax.scoring import ZERO_FILLED, compiled_network, score_fold
from emrnas_jax.systems import Search
from emrnas_jax.training.ensemble import ensemble_of_folds
from emrnas_jax.training.fit_strength import fit_strength, is_fitted
from emrnas_jax.training.loop import TerminationRequest
from emrnas_jax.training.retrain import (
    has_trained,
    make_dispatch,
    retrain_fold,
)
from emrnas_jax.training.search import Dispatches, make_dispatches, search_fold
from emrnas_jax.training.side_by_side import meshes_apart, run_side_by_side

LOG = logging.getLogger("emrnas_jax")


def search_stage(experiment: Experiment) -> None:
    """Search every fold, for each network that asks for a search of its own."""
    for search in experiment.searches:
        _search_folds(experiment, search)


def _search_folds(experiment: Experiment, search: Search) -> None:
    network, settings = SearchNetwork(**search.network), search.settings
    count = experiment.folds_settings.count
    if settings.folds_in_parallel:
        meshes = meshes_apart(count, settings.batch, "search.folds_in_parallel")
    else:
        meshes = [mesh_for(settings.batch)] * count
    _tell_devices(search.place, settings.batch, meshes[0])
    dispatches_of = cache(
        lambda mesh: make_dispatches(
            network, settings, experiment.sampling, experiment.seed, mesh
        )
    )
    tasks = [
        partial(_search_fold, experiment, search, dispatches_of(mesh), k, fold, mesh)
        for k, (fold, mesh) in enumerate(zip(experiment.folds, meshes, strict=True), 1)
        if not _is_there(experiment.folder(k, search.place) / "architecture.json")
    ]
    if settings.folds_in_parallel and tasks:
        run_side_by_side(tasks)
    else:
        for task in tasks:
            task(None)


def _search_fold(
    experiment: Experiment,
    search: Search,
    dispatches: Dispatches,
    k: int,
    fold: Fold,
    mesh: Mesh,
    termination: TerminationRequest | None,
) -> None:
    batch = search.settings.batch
    name = f"fold {k} search" + ("" if search.place == "search" else f" {search.name}")
    architecture, _ = search_fold(
        name,
        experiment.folder(k, search.place),
        SearchNetwork(**search.network),
        dispatches,
        search.settings,
        experiment.split("training", k, batch, fold.train, mesh=mesh),
        experiment.split("validation", k, batch, fold.validation, mesh=mesh),
        experiment.seed,
        k,
        experiment.loop,
        termination,
    )
    LOG.info("%s found %s", name, architecture)


def _tell_devices(stage: str, batch: int, mesh: Mesh) -> None:
    if jax.device_count() > 1:
        LOG.info(
            "%s: a batch of %d frames on %d of %d devices",
            stage,
            batch,
            mesh.size,
            jax.device_count(),
        )


def _is_there(path: Path) -> bool:
    return processes.as_first_sees(path.exists())


def ensemble_stage(experiment: Experiment) -> None:
    """Find the architecture of the folds' searches together, for every search."""
    for search in experiment.searches:
        count = len(experiment.folds)
        folders = [experiment.folder(k, search.place) for k in range(1, count + 1)]
        cells = search.network["cells_per_block"]
        architecture, p = ensemble_of_folds(folders, search.settings, cells)
        write_architecture(experiment.run / search.architecture_file, architecture, p)
        LOG.info("%s: the ensemble is %s", search.name, architecture)


def retrain_stage(experiment: Experiment) -> None:
    """Train every network on S_train and S_val of every fold."""
    for name, system in experiment.systems.items():
        batch = system.training.batch
        _tell_devices(f"retrain {name}", batch, mesh_for(batch))
        trained, dispatch = None, None
        for k, fold in enumerate(experiment.folds, 1):
            folder = experiment.folder(k, name)
            last = experiment.retrain_steps(name, fold)
            scores = scores_path(folder, experiment.evaluation.convention)
            if _is_there(scores) or processes.as_first_sees(has_trained(folder, last)):
                continue
            record = experiment.record(name, k)
            if is_fitted(record.build()):
                fit_strength(
                    f"fold {k} {name}",
                    folder,
                    record,
                    last,
                    experiment.image_set,
                    experiment.indices(fold.validation),
                    experiment.evaluation.batch,
                )
                continue
            if dispatch is None or record != trained:  # like folds share one program
                trained = record
                dispatch = make_dispatch(
                    record.build(),
                    system.training,
                    experiment.sampling,
                    experiment.seed,
                )
            retrain_fold(
                f"fold {k} {name}",
                folder,
                record,
                record.build(),
                dispatch,
                system.training,
                experiment.split("retraining", k, batch, fold.train, fold.validation),
                k,
                experiment.loop,
            )


def evaluate_stage(experiment: Experiment) -> None:
    """Score every network and the zero-filled images; write `results.json`."""
    for name in (ZERO_FILLED, *experiment.systems):
        apply, scored = None, None
        for k, fold in enumerate(experiment.folds, 1):
            folder = experiment.folder(k, name)
            if _is_there(scores_path(folder, experiment.evaluation.convention)):
                continue
            record = None if name == ZERO_FILLED else experiment.record(name, k)
            if apply is None or record != scored:
                apply, scored = compiled_network(record), record
            scores = score_fold(experiment, fold, k, record, apply, folder)
            LOG.info("fold %d %s: %.2f dB", k, name, scores.psnr_db.mean())
    write_json(experiment.run / "results.json", collect_results(experiment))


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


def report_stage(experiment: Experiment) -> None:
    """Write the report from the files of the run."""
    LOG.info("the report is %s", write_report(experiment.run, experiment.report))


STAGES = {
    "search": search_stage,
    "ensemble": ensemble_stage,
    "retrain": retrain_stage,
    "evaluate": evaluate_stage,
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
    with locked(run), Recording(run, command) as recording:
        for name, work in STAGES.items():
            if stage in ("all", name):
                if name == "report":
                    recording.update()  # the page says how long the run took
                work(experiment)
