"""A finished run, read from its folder: everything that tables and figures show.

Only `results.json` is needed. Parts that a run lacks (a search, a baseline's examples)
are read as empty, and the report leaves them out. A damaged file is an `InputError`
that names the file and, where it has one, the line.

Folds are numbered from 1, PSNR is in dB, SSIM has no unit.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from emrnas_jax.data.folds import Fold
from emrnas_jax.errors import InputError
from emrnas_jax.nas.operation_tables import with_newer
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.nas.wide_space import WIDE
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.begun_with import read_config
from emrnas_jax.runs.folder import FoldFolder, RunFolder, SearchFolder
from emrnas_jax.runs.folds import read_folds
from emrnas_jax.runs.history import Retraining, Search, read_retraining, read_search
from emrnas_jax.runs.operations import operations_of_run
from emrnas_jax.runs.provenance import Command, read_commands
from emrnas_jax.runs.results import Results, read_results
from emrnas_jax.runs.scores import Examples, Scores, read_examples, read_scores


@dataclass(frozen=True)
class Searched:
    """An architecture and, if a search found it, the p of its cells.

    Attributes:
        architecture: the choice of every cell.
        probabilities: p of every candidate, in [0, 1] with sum 1 in each cell.
    """

    architecture: Architecture
    probabilities: Float[np.ndarray, "cell operation"] | None


@dataclass(frozen=True)
class FoldSearch:
    """A search of one fold; None for what is not there (yet).

    Attributes:
        curves: losses and p of each epoch.
        searched: the architecture that was found.
    """

    curves: Search | None
    searched: Searched | None


@dataclass(frozen=True)
class FoldRun:
    """The files of one fold.

    Attributes:
        number: the fold, from 1.
        search: curves of the run's first search.
        searched: the architecture that the run's first search found in this fold.
        scores: scores of each network, by its name.
        retraining: training curves of each network, by its name.
        examples: example frames of each network, by its name.
        other_searches: the other searches, by their names.
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
    """A run as its folder holds it.

    Attributes:
        path: folder of the run.
        config: its settings; empty where the file is missing.
        results: its scores and comparisons.
        searched: the ensemble of the run's first search, or a given architecture.
        splits: subjects of each fold, in order; empty where the file is missing.
        folds: files of each fold, in order.
        other_searched: the ensembles of the other searches, by their names.
        commands: commands that worked on the run, oldest first.
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
        """Return the run as if its search `name` were its first and only search."""
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
    run = RunFolder(path)
    # Asked first: whoever reports too early needs the next command, not a file's name.
    if not run.results.is_file():
        raise InputError(
            f"{path}: no results.json, so nothing to report; run --stage=evaluate first"
        )
    results = read_results(run.results)
    others = tuple(
        name for name in results.searches if run.architecture(name).is_file()
    )
    # The run's first search may be of a network that was given up.
    first = not results.searches or len(others) < len(results.searches)
    found = _read_searched(run.architecture()) if first else None
    return Run(
        path=path,
        # A report does without these: it leaves out the facts that they would give.
        config=read_config(run.config) if run.config.is_file() else {},
        results=results,
        searched=found or _given_architecture(results, run),
        splits=read_folds(run.folds) if run.folds.is_file() else [],
        folds=tuple(
            _read_fold(fold, results, first, others) for fold in run.fold_folders()
        ),
        other_searched={
            name: _read_searched(run.architecture(name)) for name in others
        },
        commands=read_commands(run.provenance),
    )


def _read_fold(
    folder: FoldFolder, results: Results, first: bool, others: tuple[str, ...]
) -> FoldRun:
    found = _read_search(folder.search()) if first else FoldSearch(None, None)
    fold = FoldRun(number=folder.number, search=found.curves, searched=found.searched)
    for name in others:
        fold.other_searches[name] = _read_search(folder.search(name))
    for name in results.networks:
        network = folder.network(name)
        scores = network.scores(results.convention, results.crop)
        examples = network.examples(results.convention, results.crop)
        # Copies of a run often leave out what is large: each file is there or not.
        if scores.is_file():
            fold.scores[name] = read_scores(scores)
        if network.metrics.is_file():
            fold.retraining[name] = read_retraining(network.metrics)
        if examples.is_file():
            fold.examples[name] = read_examples(examples)
    return fold


def _read_search(folder: SearchFolder) -> FoldSearch:
    # A search that was stopped has curves and no architecture.
    return FoldSearch(
        read_search(folder.metrics) if folder.metrics.is_file() else None,
        _read_searched(folder.architecture),
    )


def _read_searched(path: Path) -> Searched | None:
    return Searched(*read_architecture(path)) if path.is_file() else None


def _given_architecture(results: Results, run: RunFolder) -> Searched | None:
    if not results.architecture:
        return None
    # Names alone stand in results.json; what they mean depends on the run.
    begun_with, text = operations_of_run(run), results.architecture
    known = with_newer(begun_with, OPERATIONS)
    if any(body.name in text for body in WIDE):  # no other space has such names
        begun_with = known = WIDE
    try:
        given = Architecture.parse(text, known)
    except InputError as error:
        raise InputError(f"{run.results}: {error}") from error
    # The run could not choose from newer ones, but may have been given one.
    end = max(len(begun_with), 1 + max(given.cells))
    return Searched(Architecture(given.blocks, known[:end]), None)
