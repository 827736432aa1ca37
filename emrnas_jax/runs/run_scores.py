"""The scores of several finished runs, and refusals of runs that cannot be compared.

Networks that differ in nothing but the architecture that was drawn for them at random
are one group: the mean of its members' scores stands for it. PSNR is in dB, SSIM has
no unit.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from emrnas_jax.errors import InputError
from emrnas_jax.runs.begun_with import read_config, read_data
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.results import NetworkScore, read_results
from emrnas_jax.runs.scores import Scores, read_scores

MEASURES = ("psnr_db", "ssim")

WAY_OUT = "give the folder of a run that --stage=evaluate has finished"


class RunScores(NamedTuple):
    """The scores of one run's networks on the same test frames.

    Attributes:
        subjects: subject of each frame, in the order of folds.
        folds: number of each frame's fold.
        values: by network and measure, the score of each frame in that order.
        metrics: the convention of the scores, by its name and in words.
        unit: extent of one score, "frame" or "volume".
    """

    subjects: tuple[str, ...]
    folds: Int[np.ndarray, " frame"]
    values: dict[str, dict[str, Float[np.ndarray, " frame"]]]
    metrics: str
    unit: str

    def mean(self, name: str, measure: str) -> float:
        """Return the mean over folds of the folds' means, as in `results.json`."""
        values = self.values[name][measure]
        return float(np.mean([values[self.folds == k].mean() for k in set(self.folds)]))


def read_run_scores(run: Path) -> RunScores:
    """Read the scores of a run's networks and groups.

    Raises:
        InputError: a table is missing or damaged, or of other frames than another's.
    """
    folder = RunFolder(run)
    results = read_results(folder.results, WAY_OUT)
    folds = range(1, results.folds + 1)
    scored_as = results.convention, results.crop
    tables = {
        name: [
            read_scores(folder.fold(k).network(name).scores(*scored_as)) for k in folds
        ]
        for name in results.networks
    }
    # Differences are paired, so every network needs the same frames in one order.
    first = next(iter(tables.values()))
    for name, own in tables.items():
        if [_frames(part) for part in own] != [_frames(part) for part in first]:
            raise InputError(
                f"{run}: {name} was scored on other frames than {next(iter(tables))}; "
                "delete its scores and run --stage=evaluate again"
            )
    values = {
        name: {m: np.concatenate([getattr(p, m) for p in own]) for m in MEASURES}
        for name, own in tables.items()
    }
    return RunScores(
        subjects=tuple(subject for part in first for subject in part.subject),
        folds=np.repeat(list(folds), [len(part.subject) for part in first]),
        values=grouped(values, results.networks),
        metrics=results.metrics,
        unit=results.unit,
    )


def _frames(scores: Scores) -> list[tuple]:
    return list(
        zip(scores.subject, scores.slice.tolist(), scores.frame.tolist(), strict=True)
    )


def grouped(
    values: dict[str, dict], networks: Mapping[str, NetworkScore]
) -> dict[str, dict]:
    """Replace the draws of one random architecture by the mean of each frame's scores.

    A single draw stays what it is, and so do all where two groups have one name, or a
    group has that of a network.

    Args:
        values: scores of each network and measure.
        networks: what `results.json` says of each network.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for name in values:
        groups.setdefault(_group(name, networks[name]), []).append(name)
    several = [group for (group, _), names in groups.items() if len(names) > 1]
    found = {}
    for (group, _), names in groups.items():
        parts = [values[name] for name in names]
        if len(names) == 1 or group in values or several.count(group) > 1:
            found |= dict(zip(names, parts, strict=True))
        else:
            found[group] = {m: np.mean([own[m] for own in parts], 0) for m in MEASURES}
    return found


def _group(name: str, network: NetworkScore) -> tuple[str, str]:
    """Return the name of a network's group, and what its members have in common."""
    if not network.title:
        # Older runs have only names, in which the draws of one kind are numbered.
        return re.sub(r"_\d+$", "", name), ""
    if network.architecture_source != "random":
        return name, ""
    settings = {k: v for k, v in network.settings.items() if k != "architecture"}
    alike = [network.kind, network.group, settings]
    return "random", json.dumps(alike, sort_keys=True)


def refuse_repeated_paths(runs: Sequence[Path]) -> None:
    """Refuse a folder that is given twice, also under two names.

    Raises:
        InputError: two paths lead to the same folder.
    """
    given: dict[Path, Path] = {}  # from where a path leads to the path as it was given
    for run in runs:
        other = given.setdefault(run.resolve(), run)
        if other is not run:
            raise InputError(f"{other} and {run} are the same run; give each run once")


def refuse_repeated_scores(runs: Sequence[Path], scores: Sequence[RunScores]) -> None:
    """Refuse a copied folder: pooled with the original it counts every frame twice.

    A run repeated with its seed is refused too: it has the same scores, so it adds no
    frame.

    Args:
        runs: folders of the runs.
        scores: scores of each run.

    Raises:
        InputError: two runs agree in every score of every network that both have.
    """
    for later, own in enumerate(scores):
        for earlier, other in enumerate(scores[:later]):
            if _same_scores(own, other):
                raise InputError(
                    f"{runs[earlier]} and {runs[later]} have the same scores, so one "
                    "is a copy of the other or repeats its seed; give each run once"
                )


def _same_scores(first: RunScores, second: RunScores) -> bool:
    # One network with other scores is enough: zero-filled images depend on the seed
    # alone, and a copy may have got networks of its own since.
    shared = first.values.keys() & second.values.keys()
    return (
        bool(shared)
        and first.subjects == second.subjects
        and all(
            np.array_equal(first.values[name][measure], second.values[name][measure])
            for name in shared
            for measure in MEASURES
        )
    )


def refuse_other_conventions(runs: Sequence[Path]) -> None:
    """Refuse runs that differ in more than their seeds and networks.

    Raises:
        InputError: data, masks or metrics differ, or a file is missing or damaged.
    """
    first = _conventions(runs[0])
    for run in runs[1:]:
        own = _conventions(run)
        for key in first.keys() | own.keys():
            if own.get(key) != first.get(key):
                raise InputError(
                    f"{run} cannot be compared with {runs[0]}: {key} is "
                    f"{own.get(key)!r} there and {first.get(key)!r} here"
                )


def _conventions(run: Path) -> dict[str, Any]:
    """Return what two runs must have in common, by the words of a message."""
    folder = RunFolder(run)
    results = read_results(folder.results, WAY_OUT)
    data = read_data(folder.data, WAY_OUT)
    # Of the config the masks alone: what is trained, and how, is what runs compare.
    sampling = read_config(folder.config, WAY_OUT).get("sampling")
    if not isinstance(sampling, dict):
        raise InputError(f"{folder.config}: damaged (no sampling); {WAY_OUT}")
    return {
        **{f"data.{key}": value for key, value in data.items()},
        **{f"sampling.{key}": value for key, value in sampling.items()},
        "metrics": results.metrics,
        "folds": results.folds,
    }
