"""The searches and trainings of a run's folds that are not finished yet.

What was finished before is left as it is. Folds share the compiled programs.
"""

import logging
import time
from collections.abc import Callable
from functools import cache, partial
from typing import TypeVar

import jax
from jax.sharding import Mesh

from emrnas_jax.data.folds import Fold
from emrnas_jax.data.sizes import in_words
from emrnas_jax.data.split import Split
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.networks import RunSearch
from emrnas_jax.experiment.scoring import once_for_like_folds
from emrnas_jax.experiment.search_front import table_of
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import mesh_for
from emrnas_jax.machine.progress import duration, said_at_first_call, say_without_bars
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.nas.latency_table import LatencyTable, times_by_group
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.training.fit_total_variation import fit_weight, is_fitted
from emrnas_jax.training.loop import TerminationRequest
from emrnas_jax.training.retrain import has_trained, retrain_fold
from emrnas_jax.training.retrain_steps import Program, training_program
from emrnas_jax.training.search import search_fold
from emrnas_jax.training.search_programs import SearchPrograms, search_programs
from emrnas_jax.training.side_by_side import meshes_apart, run_side_by_side

LOG = logging.getLogger("emrnas_jax")

COMPILING = "%s: compiling %s, which can take minutes"

Result = TypeVar("Result")


def search_folds(experiment: Experiment, search: RunSearch) -> bool:
    """Search the folds that were not searched before; return whether there were any."""
    settings = search.settings
    count = experiment.sections.folds.number
    if settings.folds_in_parallel:
        meshes = meshes_apart(count, settings.batch, "search.folds_in_parallel")
    else:
        meshes = [mesh_for(settings.batch)] * count
    _say_devices(search.folder_name, settings.batch, meshes[0])
    table = table_of(experiment, search)
    # One compilation for all folds that use the same devices.
    programs_on = cache(partial(_programs, experiment, search, table))
    tasks = []
    for k, (fold, mesh) in enumerate(zip(experiment.folds, meshes, strict=True), 1):
        path = experiment.run.fold(k).search(search.own_name).architecture
        # The file is written last, so a fold that has it is finished. One process
        # looks: a shared disk may show the file to the others later.
        if processes.as_first_sees(path.exists()):
            found, _ = read_architecture(path)
            LOG.info("%s: finished before, %s", _name_of(search, k), found)
            continue
        programs = programs_on(mesh)
        own = programs, table, k, fold, mesh
        tasks.append(partial(_search_fold, experiment, search, *own))
    if settings.folds_in_parallel and tasks:
        run_side_by_side(tasks)
    else:
        for task in tasks:
            task(None)  # the loop itself listens for signals
    return bool(tasks)


def _programs(
    experiment: Experiment, search: RunSearch, table: LatencyTable | None, mesh: Mesh
) -> SearchPrograms:
    network, settings = search.build(), search.settings
    kind, times = experiment.image_set.target_kind, None
    if table is not None:
        times = times_by_group(table, network.cell_groups, network.operations)
    programs = search_programs(
        network, settings, experiment.sampling, experiment.seed, mesh, kind, times
    )
    name = search.folder_name
    return SearchPrograms(
        warm_up=_compiled(name, "the steps of the warm-up", programs.warm_up),
        search=_compiled(name, "the steps of the search", programs.search),
        validate=_compiled(name, "the loss of a candidate", programs.validate),
        alone=_compiled(name, "the training of a candidate", programs.alone),
    )


def _compiled(
    stage: str, what: str, program: Callable[..., Result]
) -> Callable[..., Result]:
    return said_at_first_call(COMPILING % (stage, what), program)


def _name_of(search: RunSearch, k: int) -> str:
    name = f"fold {k} search"
    return name if search.is_first else f"{name} {search.name}"


def _search_fold(
    experiment: Experiment,
    search: RunSearch,
    programs: SearchPrograms,
    table: LatencyTable | None,
    k: int,
    fold: Fold,
    mesh: Mesh,
    termination: TerminationRequest | None,
) -> None:
    settings, name = search.settings, _name_of(search, k)
    batch = settings.batch
    train = experiment.split("training", k, batch, fold.train, mesh=mesh)
    validation = experiment.split("validation", k, batch, fold.validation, mesh=mesh)
    say_without_bars(
        "%s: searching with %d training and %d validation frames, %d epochs of %d "
        "steps",
        name,
        len(experiment.indices(fold.train)),
        len(experiment.indices(fold.validation)),
        settings.warmup_epochs + settings.search_epochs,
        train.steps_per_epoch,
    )
    for split in (train, validation):
        _say_left_out(name, split)
    architecture, _ = search_fold(
        name,
        experiment.run.fold(k).search(search.own_name).path,
        search.build(),
        programs,
        settings,
        train,
        validation,
        experiment.seed,
        k,
        experiment.sections.loop,
        termination,
        table,
    )
    LOG.info("%s found %s", name, architecture)


def _say_devices(stage: str, batch: int, mesh: Mesh) -> None:
    # On one device there is nothing to say.
    if jax.device_count() > 1:
        LOG.info(
            "%s: a batch of %d frames on %d of %d devices",
            stage,
            batch,
            mesh.size,
            jax.device_count(),
        )


def _say_left_out(name: str, split: Split) -> None:
    for shape, frames in split.left_out.items():
        LOG.warning(
            "%s: %d frames of %s pixels are fewer than a batch of %d, so none of them "
            "is used",
            name,
            frames,
            in_words(shape),
            split.batch,
        )


def trainer(experiment: Experiment, name: str) -> Callable[[int, Fold], bool]:
    """Return a function that trains a network in a fold, unless it was trained before.

    The function returns whether it trained.
    """
    settings = experiment.networks[name].training
    batch = settings.batch
    _say_devices(f"retrain {name}", batch, mesh_for(batch))

    @once_for_like_folds
    def program_of(record: NetworkRecord) -> Program:
        say_without_bars(COMPILING, f"retrain {name}", "the training")
        return training_program(
            record.build(),
            settings,
            experiment.sampling,
            experiment.seed,
            target_kind=record.target,
        )

    def train(k: int, fold: Fold) -> bool:
        files, label = experiment.network_folder(k, name), f"fold {k} {name}"
        folder = files.path
        last = experiment.retrain_steps(name, fold)
        scored_as = experiment.evaluation.convention, experiment.evaluation.crop
        scores = files.scores(*scored_as)
        # A scored network may have lost its checkpoints to save space.
        is_over = last is not None and has_trained(folder, last)
        if processes.as_first_sees(scores.exists() or is_over):
            return False
        # The record needs the architecture, so a search has to be over by now.
        record, start = experiment.record(name, k), time.monotonic()
        network = record.build()
        if is_fitted(network):
            validation = experiment.indices(fold.validation)
            images, frames = experiment.image_set, experiment.evaluation.batch
            fit_weight(label, folder, record, last or 1, images, validation, frames)
        else:
            both = fold.train, fold.validation
            split = experiment.split("retraining", k, batch, *both)
            say_without_bars(
                "%s: training on %d frames, %s, %d steps per epoch",
                label,
                len(experiment.indices(*both)),
                settings.length,
                split.steps_per_epoch,
            )
            _say_left_out(label, split)
            retrain_fold(
                label,
                folder,
                record,
                network,
                program_of(record),
                settings,
                last,
                split,
                k,
                experiment.sections.loop,
            )
            seconds = time.monotonic() - start
            say_without_bars("%s: trained in %s", label, duration(seconds))
        return True

    return train
