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
from emrnas_jax.evaluation.evaluate import CONVENTION
from emrnas_jax.evaluation.results import collect
from emrnas_jax.experiment import Experiment
from emrnas_jax.files import write_json
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.nas.space import write_architecture
from emrnas_jax.reporting.page import write_report
from emrnas_jax.run_folder import locked
from emrnas_jax.scoring import compiled_network, score_fold
from emrnas_jax.training.ensemble import ensemble_of_folds
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
    """Search every fold; nothing to do where the config gives the architecture."""
    if "emrnas" not in experiment.networks or experiment.given_architecture:
        return
    network = SearchNetwork(**experiment.networks["emrnas"])
    settings, sampling = experiment.search, experiment.sampling
    count = experiment.folds_settings.count
    if settings.folds_in_parallel:
        meshes = meshes_apart(count, settings.batch, "search.folds_in_parallel")
    else:
        meshes = [mesh_for(settings.batch)] * count
    _tell_devices("search", settings.batch, meshes[0])
    dispatches_of = cache(
        lambda mesh: make_dispatches(network, settings, sampling, experiment.seed, mesh)
    )
    tasks = [
        partial(_search_fold, experiment, network, dispatches_of(mesh), k, fold, mesh)
        for k, (fold, mesh) in enumerate(zip(experiment.folds, meshes, strict=True), 1)
        if not _is_there(experiment.folder(k, "search") / "architecture.json")
    ]
    if settings.folds_in_parallel and tasks:
        run_side_by_side(tasks)
    else:
        for task in tasks:
            task(None)


def _search_fold(
    experiment: Experiment,
    network: SearchNetwork,
    dispatches: Dispatches,
    k: int,
    fold: Fold,
    mesh: Mesh,
    termination: TerminationRequest | None,
) -> None:
    settings = experiment.search
    batch = settings.batch
    architecture, _ = search_fold(
        f"fold {k} search",
        experiment.folder(k, "search"),
        network,
        dispatches,
        settings,
        experiment.split("training", k, batch, fold.train, mesh=mesh),
        experiment.split("validation", k, batch, fold.validation, mesh=mesh),
        experiment.seed,
        k,
        experiment.loop,
        termination,
    )
    LOG.info("fold %d found %s", k, architecture)


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
    """Sum the folds' p and write the architecture that follows."""
    if "emrnas" not in experiment.networks or experiment.given_architecture:
        return
    count = len(experiment.folds)
    folders = [experiment.folder(k, "search") for k in range(1, count + 1)]
    cells = experiment.networks["emrnas"]["cells_per_block"]
    architecture, p = ensemble_of_folds(folders, experiment.search, cells)
    write_architecture(experiment.run / "architecture.json", architecture, p)
    LOG.info("the ensemble of %d folds is %s", count, architecture)


def retrain_stage(experiment: Experiment) -> None:
    """Train every network on S_train and S_val of every fold."""
    batch = experiment.retrain.batch
    _tell_devices("retrain", batch, mesh_for(batch))
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
            if _is_there(folder / "scores.csv") or processes.as_first_sees(
                has_trained(folder, last)
            ):
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
            if _is_there(folder / "scores.csv"):
                continue
            if apply is None:  # folds share one compiled program
                apply = compiled_network(experiment, name)
            scores = score_fold(experiment, fold, k, name, apply, folder)
            LOG.info("fold %d %s: %.2f dB", k, name, scores.psnr_db.mean())
    write_json(experiment.run / "results.json", collect_results(experiment))


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
