"""The experiment of section 3, stage by stage: search, ensemble, retrain, evaluate.

Three folds by subject; one search per fold; the folds' p are summed and the largest of
each cell is the architecture; it is trained from scratch on S_train and S_val of each
fold and scored on S_test. Every stage writes files of the run's folder and skips what
is already there, so a stopped run is continued by the same command.
"""

import dataclasses
import json
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import jax
import ml_collections
import numpy as np
from jaxtyping import Array, Float, Int

from emrnas_jax.data.dataset import DataSettings, ImageSet, open_dataset
from emrnas_jax.data.folds import Fold, make_folds, read_folds, write_folds
from emrnas_jax.data.pipeline import Batch, Split, fixed_mask_key
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.comparison import fold_statistics, paired_difference
from emrnas_jax.evaluation.evaluate import (
    CONVENTION,
    Network,
    Scores,
    evaluate,
    read_scores,
    write_examples,
    write_scores,
)
from emrnas_jax.files import write_json
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.models.networks import (
    NetworkRecord,
    build_network,
    check_settings,
    parameter_count,
)
from emrnas_jax.mri.sampling import Sampling, draw_mask
from emrnas_jax.nas.gates import ensemble
from emrnas_jax.nas.space import (
    Architecture,
    architecture_named,
    read_architecture,
    write_architecture,
)
from emrnas_jax.randomness import key_for
from emrnas_jax.reporting.page import write_report
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.retrain import (
    RetrainSettings,
    load_trained,
    make_dispatch,
    retrain_fold,
)
from emrnas_jax.training.search import SearchSettings, make_dispatches, search_fold

LOG = logging.getLogger("emrnas_jax")

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
    settings = experiment.retrain
    for name in experiment.networks:
        record = experiment.record(name)
        network = record.build()
        dispatch = make_dispatch(
            network, settings, experiment.sampling, experiment.seed
        )
        for k, fold in enumerate(experiment.folds, 1):
            folder = experiment.folder(k, name)
            if (folder / "scores.csv").exists():
                continue
            split = experiment.split(
                "retraining", k, settings.batch, fold.train, fold.validation
            )
            last = settings.epochs * split.steps_per_epoch
            if (folder / "checkpoints" / str(last)).is_dir():
                continue
            retrain_fold(
                f"fold {k} {name}",
                folder,
                record,
                network,
                dispatch,
                settings,
                split,
                k,
                experiment.loop,
            )


def evaluate_stage(experiment: Experiment) -> None:
    """Score every network and the zero-filled images; write `results.json`."""
    for name in ("zero_filled", *experiment.networks):
        apply = _zero_filled
        if name != "zero_filled":
            network = experiment.record(name).build()
            apply = jax.jit(lambda v, batch, n=network: n.apply(v, *batch[:3]))
        for k, fold in enumerate(experiment.folds, 1):
            folder = experiment.folder(k, name)
            if not (folder / "scores.csv").exists():
                _evaluate_fold(experiment, fold, name, apply, folder)
    write_json(experiment.run / "results.json", collect_results(experiment))


@jax.jit
def _zero_filled(
    variables: dict,  # noqa: ARG001 - called like a network, and has no weights
    batch: Batch,
) -> Float[Array, "batch height width 2"]:
    return batch.zero_filled


def _evaluate_fold(
    experiment: Experiment, fold: Fold, name: str, apply: Network, folder: Path
) -> None:
    variables: dict = {"params": {}}
    if name != "zero_filled":
        record, _, variables = load_trained(folder)
        if record != experiment.record(name):
            raise InputError(
                f"{folder} was trained as another network ({record.settings}); use a "
                "new --workdir"
            )
    settings = experiment.evaluation
    scores, examples, seconds = evaluate(
        apply,
        variables,
        experiment.image_set,
        experiment.indices(fold.test),
        experiment.sampling,
        fixed_mask_key(experiment.seed),
        settings.batch,
        settings.examples,
    )
    cost = {
        "parameters": parameter_count(variables["params"]),
        "seconds_per_frame": seconds,
        "device": jax.devices()[0].device_kind,
    }
    write_json(folder / "cost.json", cost)
    write_examples(folder / "examples.npz", examples)
    write_scores(folder / "scores.csv", scores)


def collect_results(experiment: Experiment) -> dict:
    """Return what `results.json` holds, from the folds' scores."""
    names = ("zero_filled", *experiment.networks)
    folds = range(1, len(experiment.folds) + 1)
    scores = {
        name: [read_scores(experiment.folder(k, name) / "scores.csv") for k in folds]
        for name in names
    }
    networks = {}
    for name in names:
        costs = [
            json.loads((experiment.folder(k, name) / "cost.json").read_text())
            for k in folds
        ]
        networks[name] = {
            **_fold_means(scores[name]),
            "parameters": costs[0]["parameters"],
            "seconds_per_frame": float(
                np.median([cost["seconds_per_frame"] for cost in costs])
            ),
            "device": costs[0]["device"],
            "frames": sum(len(s.subject) for s in scores[name]),
        }
    searched = "emrnas" in experiment.networks
    return {
        "dataset": experiment.image_set.name,
        "sampling_rate": experiment.sampling.rate,
        "achieved_rate": achieved_rate(experiment),
        "folds": len(experiment.folds),
        "architecture": str(experiment.architecture) if searched else None,
        "metrics": CONVENTION,
        "networks": networks,
        "comparisons": _comparisons(scores, experiment.seed),
    }


def _fold_means(scores: list[Scores]) -> dict[str, float]:
    values = {}
    for measure in ("psnr_db", "ssim", "nmse"):
        means = [float(getattr(s, measure).mean()) for s in scores]
        values[f"{measure}_mean"], values[f"{measure}_std"] = fold_statistics(means)
    return values


def _comparisons(scores: dict[str, list[Scores]], seed: int) -> list[dict]:
    """Compare every network with every one before it, frame by frame."""
    names = list(scores)
    rows = []
    for i, name in enumerate(names):
        for reference in names[:i]:
            subjects = [s for part in scores[name] for s in part.subject]
            for measure in ("psnr_db", "ssim"):
                difference = paired_difference(
                    _joined(scores[name], measure),
                    _joined(scores[reference], measure),
                    seed,
                    subjects,
                )
                rows.append(
                    {
                        "network": name,
                        "reference": reference,
                        "measure": measure,
                        "mean_difference": difference.mean,
                        "low": difference.low,
                        "high": difference.high,
                        "frames": difference.frames,
                    }
                )
    return rows


def _joined(scores: list[Scores], measure: str) -> Float[np.ndarray, " frame"]:
    return np.concatenate([getattr(part, measure) for part in scores])


def achieved_rate(experiment: Experiment, draws: int = 256) -> float:
    """Return the mean fraction of lines that the run's masks measure."""
    keys = jax.random.split(key_for(experiment.seed, "achieved rate"), draws)
    shape = experiment.image_set.shape
    draw = jax.jit(jax.vmap(lambda key: draw_mask(experiment.sampling, key, shape)))
    return float(np.mean(np.asarray(draw(keys))))


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
    for name, work in STAGES.items():
        if stage in ("all", name):
            work(experiment)
