"""An experiment: a config's settings, checked, and the folder of its run.

Data, folds and architecture are looked up when they are first needed, so a report can
be written where the data are not.
"""

import dataclasses
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import ml_collections
import numpy as np
from jaxtyping import Int

from emrnas_jax.data.dataset import DataSettings, ImageSet, open_dataset
from emrnas_jax.data.folds import Fold, make_folds, read_folds, write_folds
from emrnas_jax.data.pipeline import Split
from emrnas_jax.errors import InputError
from emrnas_jax.files import write_json
from emrnas_jax.models.networks import NetworkRecord, build_network, check_settings
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import Architecture, architecture_named, read_architecture
from emrnas_jax.randomness import key_for
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.retrain import RetrainSettings
from emrnas_jax.training.search import SearchSettings

# Sections that change how a run proceeds but none of its results.
FREE_SECTIONS = ("loop",)

Section = TypeVar("Section")


@dataclass(frozen=True)
class FoldSettings:
    """The config section `folds`.

    Attributes:
        count: folds of the cross-validation.
        validation: fraction of the training subjects that is S_val.
    """

    count: int = 3
    validation: float = 2 / 11

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        if self.count < 2:
            raise InputError(f"folds.count: found {self.count}; at least 2 are needed")
        if not 0 < self.validation < 1:
            raise InputError(
                f"folds.validation: found {self.validation}; use a fraction between "
                "0 and 1"
            )


@dataclass(frozen=True)
class EvaluationSettings:
    """The config section `evaluation`.

    Attributes:
        batch: frames reconstructed at once.
        examples: test frames of each fold kept for the figures.
    """

    batch: int = 8
    examples: int = 3

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        for name in ("batch", "examples"):
            if getattr(self, name) < 1:
                raise InputError(f"evaluation.{name}: must be at least 1")


class Experiment:
    """A config's settings, checked, and the folder of its run."""

    def __init__(self, config: ml_collections.ConfigDict, run: Path) -> None:
        """Check the config, and that the folder is of the same run or new.

        Raises:
            InputError: a setting cannot be used, or the folder is another run's.
        """
        self.run = run
        settings: dict[str, Any] = config.to_dict()
        self.seed: int = settings["seed"]
        self.data = _section(settings, "data", DataSettings)
        self.sampling = _section(settings, "sampling", Sampling)
        self.folds_settings = _section(settings, "folds", FoldSettings)
        self.search = _section(settings, "search", SearchSettings)
        self.retrain = _section(settings, "retrain", RetrainSettings)
        self.evaluation = _section(settings, "evaluation", EvaluationSettings)
        self.loop = _section(settings, "loop", LoopSettings)
        self.given_architecture: str = settings["architecture"]
        self.networks: dict[str, dict] = settings["networks"]
        for name, own in self.networks.items():
            check_settings(name, own)
            _check_consistency(name, own, self.data.images)
        if self.given_architecture and "emrnas" in self.networks:
            given = {"architecture": self.given_architecture}
            build_network("emrnas", self.networks["emrnas"] | given)
        self._config: dict = json.loads(config.to_json())
        _refuse_other_run(self._config, run)

    @cached_property
    def image_set(self) -> ImageSet:
        """The images; building their cache takes a while the first time."""
        return open_dataset(self.data)

    @cached_property
    def folds(self) -> list[Fold]:
        """The folds of the manifest, which is written the first time."""
        path = self.run / "folds.json"
        if not path.exists():
            settings = self.folds_settings
            subjects = self.image_set.subjects
            folds = make_folds(subjects, settings.count, self.seed, settings.validation)
            # Not before the data are known to be good: a failed start leaves nothing.
            write_json(self.run / "config.json", self._config)
            write_folds(path, folds)
        folds = read_folds(path)
        missing = {s for fold in folds for part in fold for s in part}
        missing -= set(self.image_set.subjects)
        if missing:
            raise InputError(
                f"{path} names subjects that {self.data.path} does not hold: "
                f"{', '.join(sorted(missing))}; use the data of this run"
            )
        return folds

    def indices(self, *subjects: tuple[str, ...]) -> Int[np.ndarray, " frame"]:
        """Return the frames of some subjects."""
        wanted = {s for part in subjects for s in part}
        return np.flatnonzero([s in wanted for s in self.image_set.subjects])

    def split(self, purpose: str, fold: int, batch: int, *subjects: tuple) -> Split:
        """Return the frames of some subjects, served in batches."""
        return Split(
            self.image_set,
            self.indices(*subjects),
            batch,
            key_for(self.seed, "order", purpose, fold),
            self.loop.steps_per_dispatch,
            self.loop.device_mib,
        )

    def folder(self, fold: int, part: str) -> Path:
        """Return where a fold keeps its search or one of its networks."""
        return self.run / f"fold_{fold}" / part

    @property
    def architecture(self) -> Architecture:
        """The architecture given in the config, or the ensemble of the searches."""
        if self.given_architecture:
            return architecture_named(self.given_architecture)
        path = self.run / "architecture.json"
        if not path.exists():
            raise InputError(
                f"{path} is missing: nothing was searched yet; run --stage=search and "
                "--stage=ensemble, or set --config.architecture"
            )
        return read_architecture(path)[0]

    def record(self, name: str) -> NetworkRecord:
        """Return all that a network of this run is, except its weights."""
        settings = dict(self.networks[name])
        if name == "emrnas":
            settings["architecture"] = str(self.architecture)
        return NetworkRecord(
            name=name,
            settings=settings,
            sampling=dataclasses.asdict(self.sampling),
            images=self.data.images,
            shape=self.image_set.shape,
            seed=self.seed,
        )


def _section(settings: dict, name: str, kind: type[Section]) -> Section:
    try:
        return kind(**settings[name])
    except KeyError as error:
        raise InputError(f"the config has no section {name!r}") from error
    except TypeError as error:
        raise InputError(f"config section {name!r}: {error}") from error


def _check_consistency(name: str, settings: dict, images: str) -> None:
    consistency = settings.get("consistency")
    if images == "complex" and consistency in ("two_step", "real"):
        raise InputError(
            f"networks.{name}.consistency={consistency} assumes magnitude images, and "
            "data.images is complex; use consistency=single"
        )


def _refuse_other_run(config: dict, run: Path) -> None:
    """Compare with the `config.json` of the run's folder, if there is one."""
    path = run / "config.json"
    if not path.exists():
        return
    try:
        old = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); use a new --workdir") from error
    differing = [
        f"{key} was {before!r}, now {now!r}"
        for key, before, now in _differences(old, config)
        if key.split(".")[0] not in FREE_SECTIONS and key != "data.cache"
    ]
    if differing:
        raise InputError(
            f"{run} is a run with other settings: {'; '.join(differing)}. Use its "
            "settings, or a new --workdir"
        )


def _differences(
    old: Any,  # noqa: ANN401 - any JSON value
    new: Any,  # noqa: ANN401
    place: str = "",
) -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            difference
            for key in sorted(old.keys() | new.keys())
            for difference in _differences(
                old.get(key), new.get(key), f"{place}.{key}" if place else key
            )
        ]
    return [] if old == new else [(place, old, new)]
