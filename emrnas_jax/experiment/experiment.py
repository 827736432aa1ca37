"""An experiment: a config's settings, checked, and the folder of its run.

Data, folds and architectures are looked up when they are first needed, so a report can
be written where the data are not.
"""

import dataclasses
import json
import logging
from functools import cached_property
from pathlib import Path
from typing import Any

import ml_collections
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from emrnas_jax.data.dataset import ImageSet, open_dataset
from emrnas_jax.data.folds import Fold, make_folds
from emrnas_jax.data.split import Split, steps_in_epoch
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import CONVENTIONS
from emrnas_jax.evaluation.volumes import require_volumes
from emrnas_jax.experiment.feasibility import (
    require_batches,
    require_images,
    require_starts,
    require_strips,
)
from emrnas_jax.experiment.networks import (
    FOLD,
    FRONT,
    RANDOM,
    SEARCHED,
    RunNetwork,
    RunSearch,
    random_architecture,
    read_networks,
    searches_of,
)
from emrnas_jax.experiment.sections import read_sections, with_every_path
from emrnas_jax.machine import processes
from emrnas_jax.models.networks import require_kind_of_images
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.models.search_networks import operations_of
from emrnas_jax.nas.operation_tables import changes, in_words, with_newer
from emrnas_jax.nas.space import (
    OPERATIONS,
    Architecture,
    Operation,
    architecture_named,
)
from emrnas_jax.randomness import key_for
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.begun_with import (
    refuse_other_config,
    refuse_other_data,
    write_config,
    write_data,
)
from emrnas_jax.runs.folder import NetworkFolder, RunFolder, SearchFolder
from emrnas_jax.runs.folds import read_folds, write_folds
from emrnas_jax.runs.front import architecture_at, read_front
from emrnas_jax.runs.network_files import read_plan
from emrnas_jax.runs.operations import operations_of_run, write_operations

LOG = logging.getLogger("emrnas_jax")


class Experiment:
    """A config's settings, checked, and the folder of its run.

    Attributes:
        run: folder of the run.
        operations: candidate operations of the paper's space that the run was begun
            with.
        sections: settings of the config's sections.
        sampling: pattern from which masks are drawn.
        networks: networks of the run by name, those of earlier commands included.
        searches: searches that these networks need.
    """

    def __init__(self, config: ml_collections.ConfigDict, run: Path) -> None:
        """Check the config, and that the folder is of the same run or new.

        Raises:
            InputError: a setting cannot be used, or the folder is another run's.
        """
        self.run = RunFolder(run)
        self.operations = operations_of_run(self.run)
        if self.operations != OPERATIONS:
            _say_operations(run, self.operations)
            config = with_every_path(config, len(self.operations))
        settings: dict[str, Any] = config.to_dict()
        self.sections = read_sections(settings, len(self.operations))
        self.seed, self.evaluation = self.sections.seed, self.sections.evaluation
        self.sampling = self.sections.sampling.load()
        # Before the run's own networks, so that a mistake is named as it was made.
        self._read_networks(settings["networks"], settings)
        self._config: dict = json.loads(config.to_json())
        self._begun_with = refuse_other_config(self.run, self._config)
        self._config["networks"] = self._begun_with | self._config["networks"]
        # The order of all that the run ever had: a search keeps its name and files.
        ever = self._read_networks(self._config["networks"], settings)
        # Networks that the run has already tested stay in its results.
        self.networks = {
            name: network
            for name, network in ever.items()
            if name in settings["networks"] or self._is_tested(name)
        }
        self.searches = [
            search
            for search in searches_of(ever)
            if self.networks.keys() & set(search.networks)
        ]
        for name, network in self.networks.items():
            data = self.sections.data
            coils = data.coils or data.simulated_coils
            kind = TargetKind(data.target)
            require_kind_of_images(
                name, network.kind, network.settings, data.images, coils, kind
            )

    def _read_networks(
        self, networks: dict[str, Any], settings: dict[str, Any]
    ) -> dict[str, RunNetwork]:
        training, search = settings["retrain"], settings["search"]
        return read_networks(networks, training, search, self.operations_of)

    def operations_of(self, kind: str) -> tuple[Operation, ...]:
        """Return the candidates that the run has for a kind of network."""
        now = operations_of(kind)
        return self.operations if now is OPERATIONS else now

    def _is_tested(self, name: str) -> bool:
        folds = range(1, self.sections.folds.number + 1)
        return all(self.network_folder(k, name).is_scored() for k in folds)

    @cached_property
    def image_set(self) -> ImageSet:
        """The images; building their cache takes a while the first time."""
        return open_dataset(self.sections.data)

    @cached_property
    def folds(self) -> list[Fold]:
        """The folds of the manifest, which is written the first time."""
        path = self.run.folds
        begun = processes.as_first_sees(path.exists())  # a shared disk may lag
        if begun:
            folds = read_folds(path)
        else:
            own, subjects = self.sections.folds, self.image_set.subjects
            folds = make_folds(
                subjects, own.count, self.seed, own.validation, own.tested
            )
        if not begun or self._begun_with.keys() != self._config["networks"].keys():
            for shape in self.image_set.shapes:
                require_images(self.sections.data.path, self.sampling, shape)
                require_strips(self.networks, self.searches, self.sampling, shape)
            if CONVENTIONS[self.evaluation.convention].unit == "volume":
                require_volumes(self.image_set, np.arange(len(self.image_set)))
            require_starts(self.networks, folds)
            require_batches(self.networks, self.searches, folds, self._most_alike)
            # Not before all is known to be good: a failed start leaves nothing.
            write_config(self.run.config, self._config)
        if not begun:
            write_data(self.run.data, self.image_set.summary())
            write_operations(self.run.operations)
            write_folds(path, folds)
        refuse_other_data(self.run, self.image_set.summary())
        return read_folds(path)  # the first process's, in all of them

    def _most_alike(self, subjects: tuple[str, ...]) -> int:
        """Return the number of frames of some subjects that have one size."""
        alike = self.image_set.of_each_shape(self.indices(subjects)).values()
        return max(map(len, alike), default=0)

    def indices(self, *subjects: tuple[str, ...]) -> Int[np.ndarray, " frame"]:
        """Return the frames of some subjects."""
        # A set: the test of each frame would else search a list of all subjects.
        wanted = {s for part in subjects for s in part}
        return np.flatnonzero([s in wanted for s in self.image_set.subjects])

    def split(
        self,
        purpose: str,
        fold: int,
        batch: int,
        *subjects: tuple,
        mesh: Mesh | None = None,
    ) -> Split:
        """Return the frames of some subjects, served in batches to the devices."""
        return Split(
            self.image_set,
            self.indices(*subjects),
            batch,
            # A purpose has its own order, so that S_train is not visited alike twice.
            key_for(self.seed, "order", purpose, fold),
            self.sections.loop.steps_per_dispatch,
            self.sections.loop.device_mib,
            mesh,
        )

    def retrain_steps(self, name: str, fold: Fold) -> int | None:
        """Return how many steps the training of a fold's network has.

        None where a budget of time decides, and the first fold has not measured yet how
        many steps it is. All folds then have as many.
        """
        training = self.networks[name].training
        if training.minutes:
            folds = range(1, self.sections.folds.number + 1)
            plans = (read_plan(self.network_folder(k, name).plan) for k in folds)
            seen = next((plan.steps for plan in plans if plan is not None), 0)
            # A shared disk may show the file to one process later than to another.
            return int(processes.largest(seen)[0]) or None
        frames = self.indices(fold.train, fold.validation)
        per_epoch = steps_in_epoch(self.image_set, frames, training.batch)
        return training.steps or training.epochs * per_epoch

    def network_folder(self, fold: int, name: str) -> NetworkFolder:
        """Return the folder of a network in a fold."""
        return self.run.fold(fold).network(name)

    def search_folders(self, search: RunSearch) -> list[SearchFolder]:
        """Return the folder of a search in each fold."""
        folds = range(1, self.sections.folds.number + 1)
        return [self.run.fold(k).search(search.own_name) for k in folds]

    def architecture(self, name: str, fold: int) -> Architecture:
        """Return the architecture of a network that has one, in a fold.

        Raises:
            InputError: the architecture was not searched yet.
        """
        network = self.networks[name]
        if network.source == RANDOM:
            among = self.operations_of(network.kind)
            return random_architecture(network, self.seed, among)
        if network.source not in SEARCHED:
            # A given one may be newer than the run.
            begun_with = self.operations_of(network.kind)
            known = with_newer(begun_with, operations_of(network.kind))
            return architecture_named(network.settings["architecture"], known)
        search = next(s for s in self.searches if name in s.networks)
        if network.source == FRONT:
            path = self.run.front(search.own_name)
        elif network.source == FOLD:
            path = self.run.fold(fold).search(search.own_name).architecture
        else:
            path = self.run.architecture(search.own_name)
        if not path.exists():
            raise InputError(
                f"{path} is missing: nothing was searched yet; run --stage=search and "
                f"--stage=ensemble, or set --config.networks.{name}.architecture"
            )
        if network.source == FRONT:
            place = network.settings["architecture"]
            text = architecture_at(read_front(path), place)
            return Architecture.parse(text, self.operations_of(network.kind))
        return read_architecture(path)[0]

    def settings(self, name: str) -> dict[str, Any]:
        """Return all settings of a network; architectures of folds may differ."""
        network = self.networks[name]
        # Each fold has its own architecture, so "fold" is all that holds for all.
        if network.source in ("", FOLD):
            return network.settings
        return network.settings | {"architecture": str(self.architecture(name, 1))}

    def record(self, name: str, fold: int) -> NetworkRecord:
        """Return all that a network of a fold is, except its weights."""
        network = self.networks[name]
        # The record holds the architecture itself: a trained network must not depend on
        # files of the search.
        settings, operations = dict(network.settings), ()
        if network.source:
            architecture = self.architecture(name, fold)
            settings["architecture"] = str(architecture)
            operations = architecture.used
        return NetworkRecord(
            name=name,
            kind=network.kind,
            settings=settings,
            sampling=dataclasses.asdict(self.sections.sampling),
            images=self.sections.data.images,
            shape=self.image_set.shape,
            seed=self.seed,
            operations=operations,
            coils=self.image_set.coils,
            target=self.image_set.target_kind,
            other_shapes=self.image_set.shapes[1:],
        )


def _say_operations(run: Path, operations: tuple[Operation, ...]) -> None:
    LOG.info(
        "%s keeps the %s that it was begun with; there are %d now: %s",
        run,
        in_words(operations),
        len(OPERATIONS),
        changes(operations, OPERATIONS),
    )
