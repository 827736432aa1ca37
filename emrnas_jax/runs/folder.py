"""The files of a run by name: every path below a run's folder is made here.

    RUN/                        RunFolder
        fold_1/                 FoldFolder
            search/             SearchFolder, of the run's first search
            search_NAME/        SearchFolder, of the search for network NAME
            emrnas/             NetworkFolder, of the network `emrnas`

A search and the training of a network keep their log and checkpoints alike
(`TrainingFolder`). Nothing here opens a file: modules beside this one read and write.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAPER = "paper"  # the convention whose files have no suffix
WHOLE = 0  # the crop whose files have no suffix
FIRST = ""  # the name of the run's first search, whose files have no suffix

# Folds count from 1 and without zeros in front, so a folder has one fold's name.
_FOLD = re.compile(r"fold_([1-9]\d*)")


@dataclass(frozen=True)
class TrainingFolder:
    """The folder of a search or of a network, which is trained step by step."""

    path: Path

    @property
    def metrics(self) -> Path:
        """The log of the training: `runs.metrics_log`."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """The folder of the log's TensorBoard files."""
        return self.path / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints: `runs.checkpoints`."""
        return self.path / "checkpoints"

    def checkpoint(self, step: int) -> Path:
        """Return the folder of one checkpoint."""
        return self.checkpoints / str(step)

    def steps(self) -> list[int]:
        """Return the steps of the checkpoints that are there, in order."""
        # Orbax gives a checkpoint its number as a name when it is whole.
        names = [path.name for path in self.checkpoints.glob("*")]
        return sorted(int(name) for name in names if name.isdecimal())


@dataclass(frozen=True)
class SearchFolder(TrainingFolder):
    """The folder of the search of one fold."""

    @property
    def architecture(self) -> Path:
        """The architecture that was found, with which a search is finished."""
        return self.path / "architecture.json"

    @property
    def candidates(self) -> Path:
        """The architectures that a search has judged, with their losses."""
        return self.path / "candidates.jsonl"


@dataclass(frozen=True)
class NetworkFolder(TrainingFolder):
    """The folder of one network of a fold, trained or of the zero-filled images."""

    @property
    def record(self) -> Path:
        """The record from which the network is built again: `models.record`."""
        return self.path / "network.json"

    @property
    def plan(self) -> Path:
        """The number of steps of the training: `runs.network_files`."""
        return self.path / "training.json"

    @property
    def fit(self) -> Path:
        """The weights that total variation has tried: `runs.network_files`."""
        return self.path / "strength.json"

    @property
    def cost(self) -> Path:
        """The network's parameters, time and work: `runs.network_files`."""
        return self.path / "cost.json"

    def scores(self, convention: str, crop: int = WHOLE) -> Path:
        """Return the scores under a convention, of a crop: `runs.scores`."""
        return self.path / f"scores{_scored(convention, crop)}.csv"

    def examples(self, convention: str, crop: int = WHOLE) -> Path:
        """Return the example frames under a convention, of a crop: `runs.scores`."""
        return self.path / f"examples{_scored(convention, crop)}.npz"

    def is_scored(self) -> bool:
        """Return whether the network was scored, under whichever convention."""
        return any(self.path.glob("scores*.csv"))

    def fold(self) -> "FoldFolder | None":
        """Return the fold of the network; None for a folder that was copied alone."""
        # Resolved: "." and a link lead to a fold that their own path does not name.
        parent = self.path.resolve().parent
        return FoldFolder(parent) if _FOLD.fullmatch(parent.name) else None


@dataclass(frozen=True)
class FoldFolder:
    """The folder of one fold."""

    path: Path

    @property
    def number(self) -> int:
        """The fold's number, from 1."""
        match = _FOLD.fullmatch(self.path.name)
        assert match is not None, self.path
        return int(match[1])

    @property
    def run(self) -> "RunFolder":
        """The run that the fold belongs to."""
        return RunFolder(self.path.parent)

    def search(self, name: str = FIRST) -> SearchFolder:
        """Return the folder of a search, named as in `search_folder_name`."""
        return SearchFolder(self.path / search_folder_name(name))

    def network(self, name: str) -> NetworkFolder:
        """Return the folder of a network."""
        return NetworkFolder(self.path / name)

    def trained(self) -> list[str]:
        """Return the names of the networks whose training has begun, sorted."""
        # The zero-filled images have scores and no record: nothing is trained.
        records = self.path.glob(f"*/{NetworkFolder(Path()).record}")
        return sorted(path.parent.name for path in records)


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run."""

    path: Path

    @property
    def config(self) -> Path:
        """The config that the run was begun with: `runs.begun_with`."""
        return self.path / "config.json"

    @property
    def data(self) -> Path:
        """The fingerprint of the run's data: `runs.begun_with`."""
        return self.path / "data.json"

    @property
    def folds(self) -> Path:
        """The manifest of the folds: `runs.folds`."""
        return self.path / "folds.json"

    @property
    def operations(self) -> Path:
        """The candidate operations that the run was begun with: `runs.operations`."""
        return self.path / "operations.json"

    @property
    def provenance(self) -> Path:
        """The commands that worked on the run: `runs.provenance`."""
        return self.path / "provenance.json"

    @property
    def results(self) -> Path:
        """The results: `runs.results`."""
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.path / "report"

    @property
    def page(self) -> Path:
        """The page of the report, which is written last."""
        return self.report / "index.html"

    @property
    def lock(self) -> Path:
        """The file that a process holds while it works on the run."""
        return self.path / ".lock"

    def architecture(self, search: str = FIRST) -> Path:
        """Return the ensemble of a search, named as in `search_folder_name`."""
        return self.path / f"architecture{_suffix(search, FIRST)}.json"

    def front(self, search: str = FIRST) -> Path:
        """Return the front of a search: `runs.front`."""
        return self.path / f"front{_suffix(search, FIRST)}.json"

    def latency(self, search: str = FIRST) -> Path:
        """Return the latency table that a search has measured: `nas.latency_table`."""
        return self.path / f"latency{_suffix(search, FIRST)}.json"

    def fold(self, number: int) -> FoldFolder:
        """Return the folder of a fold, counted from 1."""
        return FoldFolder(self.path / f"fold_{number}")

    def fold_folders(self) -> list[FoldFolder]:
        """Return the folds whose folders are there, in the order of their numbers."""
        folders = [path for path in self.path.glob("fold_*") if path.is_dir()]
        numbered = [path for path in folders if _FOLD.fullmatch(path.name)]
        # By number: by name, fold_10 stands before fold_2.
        return sorted(map(FoldFolder, numbered), key=lambda fold: fold.number)

    def search_logs(self) -> Iterator[Path]:
        """Yield the logs of all searches of all folds, sorted."""
        # No network's folder matches: names that begin with "search" are refused.
        yield from sorted(self.path.glob("fold_*/search*/metrics.jsonl"))


def search_folder_name(name: str = FIRST) -> str:
    """Return the name of a search's folder in each fold.

    Args:
        name: "" for the run's first search, which keeps the name that it had when runs
            had one search; else the first network that takes its architecture from it.
    """
    return f"search{_suffix(name, FIRST)}"


def is_fold(path: Path) -> bool:
    """Return whether a folder is named as a fold's."""
    return _FOLD.fullmatch(path.name) is not None


def network_at(path: Path) -> tuple[NetworkFolder, int | None]:
    """Return the folder of a network, and the checkpoint's step if the path names one.

    Args:
        path: the network's folder, its checkpoints or one of them, such as
            RUN/fold_1/emrnas/checkpoints/1200.
    """
    # By names alone: the path of a checkpoint that is gone is still that of a network.
    for network in map(NetworkFolder, (path.parent, path.parent.parent)):
        if path == network.checkpoints:
            return network, None
        if path.parent == network.checkpoints and path.name.isdecimal():
            return network, int(path.name)
    return NetworkFolder(path), None


def _scored(convention: str, crop: int) -> str:
    part = "" if crop == WHOLE else f"_crop_{crop}"
    return f"{_suffix(convention, PAPER)}{part}"


def _suffix(name: str, without: str) -> str:
    return "" if name == without else f"_{name}"
