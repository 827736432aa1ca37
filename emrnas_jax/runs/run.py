"""A finished run, read from its folder: all that the tables and figures are made of.

Only `results.json` must be there. Parts that a run does not have (a search, a
baseline's examples) are read as empty, and the report leaves them out. A file that is
there but damaged is an `InputError` naming the file and, where it has one, the line.

Folds are numbered from 1, PSNR is in dB, SSIM has no unit.
"""

import re
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from emrnas_jax.data.folds import Fold, read_folds
from emrnas_jax.errors import InputError
from emrnas_jax.nas.operation_tables import with_newer
from emrnas_jax.nas.space import Architecture
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.history import Retraining, Search
from emrnas_jax.runs.operations import operations_of_run
from emrnas_jax.runs.provenance import Command, read_commands
from emrnas_jax.runs.results import Results, read_json, read_results
from emrnas_jax.runs.scores import (
    Scores,
    examples_path,
    read_scores,
    scores_path,
)


@dataclass(frozen=True)
class Searched:
    """An architecture and, when a search found it, the p of its cells."""

    architecture: Architecture
    probabilities: Float[np.ndarray, "cell operation"] | None


@dataclass(frozen=True)
class FoldSearch:
    """A search of one fold: its curves and what it found, as far as they are there."""

    curves: Search | None
    searched: Searched | None


@dataclass(frozen=True)
class Examples:
    """`examples.npz`: magnitudes in [0, 1]; masks have the zero frequency first."""

    frames: tuple[tuple[str, int, int], ...]
    target: Float[np.ndarray, "example height width"]
    reconstruction: Float[np.ndarray, "example height width"]
    mask: Bool[np.ndarray, "example height width"]
    psnr_db: Float[np.ndarray, " example"]


@dataclass(frozen=True)
class FoldRun:
    """The files of one fold; the dictionaries go from a network's name to its part.

    `search` and `searched` are of the run's first search, `other_searches` the rest.
    """

    number: int
    search: Search | None = None
    searched: Searched | None = None
    scores: dict[str, Scores] = field(default_factory=dict)
    retraining: dict[str, Retraining] = field(default_factory=dict)
    examples: dict[str, Examples] = field(default_factory=dict)
    other_searches: dict[str, FoldSearch] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run's folder as read; `splits` are the subjects of each fold, in order.

    `searched` is what the run's first search found, `other_searched` by name the rest.
    `commands` are those that worked on it, oldest first.
    """

    path: Path
    config: dict[str, Any]
    results: Results
    searched: Searched | None
    splits: list[Fold]
    folds: tuple[FoldRun, ...]
    other_searched: dict[str, Searched | None] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()

    def of_search(self, name: str) -> "Run":
        """The run as if its search `name`, not the first one, were its only search."""
        none = FoldSearch(None, None)
        own = [(fold, fold.other_searches.get(name, none)) for fold in self.folds]
        return replace(
            self,
            searched=self.other_searched[name],
            folds=tuple(
                replace(fold, search=search.curves, searched=search.searched)
                for fold, search in own
            ),
            other_searched={},
        )


def read_run(path: Path) -> Run:
    """Read everything of the run in folder `path` that a report shows.

    Raises:
        InputError: there is no `results.json` yet, or a file of the run is damaged.
    """
    if not (path / "results.json").is_file():
        raise InputError(
            f"{path}: no results.json, so nothing to report; run --stage=evaluate first"
        )
    results = read_results(path / "results.json")
    config, folds = path / "config.json", path / "folds.json"
    others = tuple(
        name
        for name in results.searches
        if (path / f"architecture_{name}.json").is_file()
    )
    # The run's first search may be of a network that was given up.
    first = not results.searches or len(others) < len(results.searches)
    return Run(
        path=path,
        config=read_json(config) if config.is_file() else {},
        results=results,
        searched=(_read_searched(path / "architecture.json") if first else None)
        or _given_architecture(results, path),
        splits=list(read_folds(folds)) if folds.is_file() else [],
        folds=tuple(
            _read_fold(folder, number, results, first, others)
            for number, folder in _fold_folders(path)
        ),
        other_searched={
            name: _read_searched(path / f"architecture_{name}.json") for name in others
        },
        commands=read_commands(path),
    )


def _fold_folders(path: Path) -> list[tuple[int, Path]]:
    numbered = []
    for folder in path.glob("fold_*"):
        match = re.fullmatch(r"fold_(\d+)", folder.name)
        if match and folder.is_dir():
            numbered.append((int(match[1]), folder))
    return sorted(numbered)


def _read_fold(
    folder: Path, number: int, results: Results, first: bool, others: tuple[str, ...]
) -> FoldRun:
    found = _read_search(folder / "search") if first else FoldSearch(None, None)
    fold = FoldRun(number=number, search=found.curves, searched=found.searched)
    for name in others:
        fold.other_searches[name] = _read_search(folder / f"search_{name}")
    for name in results.networks:
        scores = scores_path(folder / name, results.convention)
        metrics = folder / name / "metrics.jsonl"
        examples = examples_path(folder / name, results.convention)
        if scores.is_file():
            fold.scores[name] = read_scores(scores)
        if metrics.is_file():
            fold.retraining[name] = Retraining.from_rows(_read_rows(metrics), metrics)
        if examples.is_file():
            fold.examples[name] = read_examples(examples)
    return fold


def _read_search(folder: Path) -> FoldSearch:
    metrics = folder / "metrics.jsonl"
    return FoldSearch(
        Search.from_rows(_read_rows(metrics), metrics) if metrics.is_file() else None,
        _read_searched(folder / "architecture.json"),
    )


def read_examples(path: Path) -> Examples:
    """Read one `examples.npz`.

    Raises:
        InputError: the archive is damaged, or its arrays do not fit each other.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        images = {
            name: np.asarray(arrays[name], np.float32)
            for name in ("target", "reconstruction")
        }
        mask = np.asarray(arrays["mask"], bool)
        psnr_db = np.asarray(arrays["psnr_db"], np.float32)
        frames = tuple(
            (str(subject), int(position), int(frame))
            for subject, position, frame in zip(
                arrays["subject"], arrays["slice"], arrays["frame"], strict=True
            )
        )
        shapes = {image.shape for image in images.values()} | {mask.shape}
        if len(shapes) != 1 or mask.ndim != 3:
            raise ValueError(f"shapes {sorted(shapes)} differ")
        if psnr_db.shape != mask.shape[:1] or len(frames) != len(mask):
            raise ValueError("not one name and PSNR per image")
    except (
        OSError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(
            f"{path}: damaged ({error}); delete it and run --stage=evaluate again"
        ) from error
    return Examples(frames, images["target"], images["reconstruction"], mask, psnr_db)


def _read_searched(path: Path) -> Searched | None:
    if not path.is_file():
        return None
    architecture, p = read_architecture(path)
    cells = len(architecture.cells)
    if p is not None and (p.ndim != 2 or len(p) != cells):
        raise InputError(
            f"{path}: probabilities must be one row for each of {cells} cells, found "
            f"shape {p.shape}; delete it and run --stage=search again"
        )
    return Searched(architecture, p)


def _read_rows(path: Path) -> list[dict[str, Any]]:
    try:
        return metrics_log.read(path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: damaged ({error}); delete it") from error


def _given_architecture(results: Results, run: Path) -> Searched | None:
    if not results.architecture:
        return None
    begun_with = operations_of_run(run)
    known = with_newer(begun_with)
    try:
        given = Architecture.parse(results.architecture, known)
    except InputError as error:
        raise InputError(f"{run / 'results.json'}: {error}") from error
    # The run could not choose from newer ones, but may have been given one.
    end = max(len(begun_with), 1 + max(given.cells))
    return Searched(Architecture(given.blocks, known[:end]), None)
