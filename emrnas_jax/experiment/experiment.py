"""An experiment: a config's settings, checked, and the folder of its run.

Data, folds and architecture are looked up when they are first needed, so a report can
be written where the data are not.
"""

import dataclasses
import json
import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int
from ml_collections import ConfigDict

from emrnas_jax.data.dataset import DataSettings, ImageSet, open_dataset
from emrnas_jax.data.folds import Fold, FoldSettings, make_folds
from emrnas_jax.data.pipeline import Split
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.evaluate import EvaluationSettings
from emrnas_jax.evaluation.metrics import WINDOW
from emrnas_jax.experiment.networks import (
    FOLD,
    RANDOM,
    SEARCHED,
    Search,
    System,
    random_architecture,
    read_systems,
    searches_of,
)
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import mesh_for
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.mri.consistency import require_suitable
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.nas.operation_tables import changes, in_words, with_newer
from emrnas_jax.nas.space import (
    OPERATIONS,
    Architecture,
    Operation,
    architecture_named,
)
from emrnas_jax.randomness import key_for
from emrnas_jax.reporting.figures.zoom import ReportSettings
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.begun_with import (
    refuse_other_config,
    refuse_other_data,
    write_config,
    write_data,
)
from emrnas_jax.runs.folder import NetworkFolder, RunFolder, SearchFolder
from emrnas_jax.runs.folds import read_folds, write_folds
from emrnas_jax.runs.operations import operations_of_run, write_operations
from emrnas_jax.setting_types import read_section, require_types, section_of
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.settings import (
    RetrainSettings,
    SearchSettings,
    require_paths,
)
from emrnas_jax.training.side_by_side import meshes_apart

LOG = logging.getLogger("emrnas_jax")

# What the config has beside the sections that are dataclasses.
TYPES = {"seed": int, "reduced": bool, "networks": Mapping, "report": Mapping}


class Experiment:
    """A config's settings, checked, and the folder of its run."""

    def __init__(self, config: ml_collections.ConfigDict, run: Path) -> None:
        """Check the config, and that the folder is of the same run or new.

        Raises:
            InputError: a setting cannot be used, or the folder is another run's.
        """
        self.run = RunFolder(run)
        self.operations = operations_of_run(self.run)
        if self.operations != OPERATIONS:
            _tell_operations(run, self.operations)
            config = with_every_path(config, len(self.operations))
        settings: dict[str, Any] = config.to_dict()
        self._read_sections(settings)
        self._config: dict = json.loads(config.to_json())
        self._begun_with = refuse_other_config(self.run, self._config)
        self._config["networks"] = self._begun_with | self._config["networks"]
        # The order of all that the run ever had: a search keeps its place in the run.
        ever = self._read_networks(self._config["networks"], settings)
        # Networks that the run has already tested stay in its results.
        self.systems = {
            name: system
            for name, system in ever.items()
            if name in settings["networks"] or self._is_tested(name)
        }
        self.searches = [
            search
            for search in searches_of(ever)
            if self.systems.keys() & set(search.networks)
        ]
        for system in self.systems.values():
            _check_consistency(system, self.data.images)

    def _read_sections(self, settings: dict[str, Any]) -> None:
        """Read all that a config holds, and refuse what cannot be used."""
        for key in ("seed", "networks"):
            if key not in settings:
                raise InputError(f"the config has no {key!r}")
        require_types("", TYPES, settings)
        self.seed: int = settings["seed"]
        if self.seed < 0:
            raise InputError(f"seed: found {self.seed}; use 0 or a larger number")
        self.data = read_section(settings, "data", DataSettings)
        self.sampling_settings = read_section(settings, "sampling", SamplingSettings)
        self.sampling = self.sampling_settings.load()
        self.folds_settings = read_section(settings, "folds", FoldSettings)
        search = read_section(settings, "search", SearchSettings)
        require_paths(search, len(self.operations))
        read_section(settings, "retrain", RetrainSettings)
        self.evaluation = read_section(settings, "evaluation", EvaluationSettings)
        self.loop = read_section(settings, "loop", LoopSettings)
        # Configs of older versions have no such section.
        report = settings.get("report", {})
        self.report = section_of(report, "report", ReportSettings)
        self._read_networks(settings["networks"], settings)

    def _read_networks(
        self, networks: dict[str, Any], settings: dict[str, Any]
    ) -> dict[str, System]:
        training, search = settings["retrain"], settings["search"]
        return read_systems(networks, training, search, self.operations)

    def _is_tested(self, name: str) -> bool:
        folds = range(1, self.folds_settings.count + 1)
        return all(self.network_folder(k, name).is_scored() for k in folds)

    @cached_property
    def image_set(self) -> ImageSet:
        """The images; building their cache takes a while the first time."""
        return open_dataset(self.data)

    @cached_property
    def folds(self) -> list[Fold]:
        """The folds of the manifest, which is written the first time."""
        path = self.run.folds
        begun = processes.as_first_sees(path.exists())
        if begun:
            folds = read_folds(path)
        else:
            settings = self.folds_settings
            subjects = self.image_set.subjects
            folds = make_folds(subjects, settings.count, self.seed, settings.validation)
        if not begun or self._begun_with.keys() != self._config["networks"].keys():
            self._refuse_what_cannot_run(folds)
            # Not before all is known to be good: a failed start leaves nothing.
            write_config(self.run.config, self._config)
        if not begun:
            write_data(self.run.data, self.image_set.summary())
            write_operations(self.run.operations)
            write_folds(path, folds)
        refuse_other_data(self.run, self.image_set.summary())
        return read_folds(path)

    def _refuse_what_cannot_run(self, folds: list[Fold]) -> None:
        """Find now what would else end the run after hours.

        Raises:
            InputError: a batch larger than its split, images too small to score, masks
                that cannot be drawn, or too few devices for folds side by side.
        """
        height, width = self.image_set.shape
        if min(height, width) < WINDOW:
            raise InputError(
                f"{self.data.path}: images of {height} x {width} are smaller than the "
                f"{WINDOW} x {WINDOW} window of SSIM; raise data.height and data.width "
                "or lower data.downsample"
            )
        jax.eval_shape(
            lambda: draw_mask(self.sampling, jax.random.key(0), (height, width))
        )
        for search in self.searches:
            if search.settings.folds_in_parallel:
                meshes_apart(
                    len(folds), search.settings.batch, "search.folds_in_parallel"
                )
        for k, fold in enumerate(folds, 1):
            both = (*fold.train, *fold.validation)
            splits = [
                ("retrain", s.training.batch, both) for s in self.systems.values()
            ]
            for search in self.searches:
                batch = search.settings.batch
                splits += [("search", batch, fold.train)]
                splits += [("search", batch, fold.validation)]
            for section, batch, subjects in splits:
                try:
                    mesh_for(batch)
                except InputError as error:
                    raise InputError(f"{section}.batch: {error}") from error
                found = len(self.indices(subjects))
                if found < batch:
                    raise InputError(
                        f"{section}.batch: a batch of {batch} frames was asked of the "
                        f"{found} frames that fold {k} has for it; lower it or use "
                        "more subjects"
                    )

    def indices(self, *subjects: tuple[str, ...]) -> Int[np.ndarray, " frame"]:
        """Return the frames of some subjects."""
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
            key_for(self.seed, "order", purpose, fold),
            self.loop.steps_per_dispatch,
            self.loop.device_mib,
            mesh,
        )

    def retrain_steps(self, name: str, fold: Fold) -> int:
        """Return how many steps the training of a fold's network has."""
        frames = len(self.indices(fold.train, fold.validation))
        training = self.systems[name].training
        return training.epochs * (frames // training.batch)

    def network_folder(self, fold: int, name: str) -> NetworkFolder:
        """Return the folder of a network in a fold."""
        return self.run.fold(fold).network(name)

    def search_folders(self, search: Search) -> list[SearchFolder]:
        """Return the folder of a search in each fold."""
        folds = range(1, self.folds_settings.count + 1)
        return [self.run.fold(k).search(search.own_name) for k in folds]

    def architecture(self, name: str, fold: int) -> Architecture:
        """Return the architecture of a network that has one, in a fold.

        Raises:
            InputError: it was not searched yet.
        """
        system = self.systems[name]
        if system.source == RANDOM:
            return random_architecture(system, self.seed, self.operations)
        if system.source not in SEARCHED:
            known = with_newer(self.operations)
            return architecture_named(system.settings["architecture"], known)
        search = next(s for s in self.searches if name in s.networks)
        if system.source == FOLD:
            path = self.run.fold(fold).search(search.own_name).architecture
        else:
            path = self.run.architecture(search.own_name)
        if not path.exists():
            raise InputError(
                f"{path} is missing: nothing was searched yet; run --stage=search and "
                f"--stage=ensemble, or set --config.networks.{name}.architecture"
            )
        return read_architecture(path)[0]

    def settings(self, name: str) -> dict[str, Any]:
        """Return all settings of a network; architectures of folds may differ."""
        system = self.systems[name]
        if system.source in ("", FOLD):
            return system.settings
        return system.settings | {"architecture": str(self.architecture(name, 1))}

    def record(self, name: str, fold: int) -> NetworkRecord:
        """Return all that a network of a fold is, except its weights."""
        system = self.systems[name]
        settings, operations = dict(system.settings), ()
        if system.source:
            architecture = self.architecture(name, fold)
            settings["architecture"] = str(architecture)
            operations = architecture.used
        return NetworkRecord(
            name=name,
            kind=system.kind,
            settings=settings,
            sampling=dataclasses.asdict(self.sampling_settings),
            images=self.data.images,
            shape=self.image_set.shape,
            seed=self.seed,
            operations=operations,
        )


def _tell_operations(run: Path, operations: tuple[Operation, ...]) -> None:
    LOG.info(
        "%s keeps the %s that it was begun with; there are %d now: %s",
        run,
        in_words(operations),
        len(OPERATIONS),
        changes(operations, OPERATIONS),
    )


def _check_consistency(system: System, images: str) -> None:
    consistency = system.settings.get("consistency", "single")
    require_suitable(consistency, images, f"networks.{system.name}.consistency")


def with_every_path(config: ConfigDict, operations: int) -> ConfigDict:
    """Return a config in which a path for every operation has those of a run.

    Args:
        config: as a file of `configs/` returns it, whose `paths_per_cell` may be the
            number of operations that there are now.
        operations: how many the run was begun with.
    """
    config = config.copy_and_resolve_references()
    networks: Any = config.get("networks")
    # What is no section is refused later, with its key.
    own = networks.values() if isinstance(networks, ConfigDict) else ()
    for section in (config, *own):
        search = section.get("search") if isinstance(section, ConfigDict) else None
        if not isinstance(search, ConfigDict):
            continue
        if search.get("paths_per_cell") == len(OPERATIONS):
            search.paths_per_cell = operations
    return config
