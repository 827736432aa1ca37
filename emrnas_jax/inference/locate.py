"""The folder and the checkpoint of a network, from any path that a user may name."""

from pathlib import Path

from emrnas_jax.errors import InputError
from emrnas_jax.models.included import included_models
from emrnas_jax.runs.folder import (
    FoldFolder,
    NetworkFolder,
    RunFolder,
    is_fold,
    network_at,
)
from emrnas_jax.runs.folds import read_folds


def locate(
    where: Path, fold: int | None, network: str | None
) -> tuple[Path, int | None]:
    """Return a network's folder, and the checkpoint's step if `where` names one.

    Args:
        where: folder of a run, of a fold, of a network or of a checkpoint.
        fold: fold of the run, the first if None.
        network: name of the network, EMR-NAS or else the first if None.

    Raises:
        InputError: nothing was trained there, or fold and network do not fit.
    """
    if not where.is_dir():
        found = "a file" if where.exists() else "nothing"
        raise InputError(
            f"{where}: found {found}; --model is the folder of a run, of one of its "
            "networks (RUN/fold_1/emrnas) or of a checkpoint, or a model folder; or "
            f"one of {', '.join((*included_models(), 'tv', 'sense'))}, which need none"
        )
    folder, step = network_at(where)
    if folder.record.exists():
        if fold is not None or network is not None:
            raise InputError(
                f"{where} is one network; leave out --fold and --network, or give the "
                "folder of the run"
            )
        return folder.path, step
    # A run or a fold, never a checkpoint, so the step is that of its latest.
    return _network_of(_fold_of(where, fold), network), None


def _fold_of(where: Path, fold: int | None) -> FoldFolder:
    run = RunFolder(where)
    folds = run.fold_folders()
    if not folds:
        if is_fold(where) and fold is None:
            return FoldFolder(where)
        raise InputError(
            f"{where}: nothing was trained here yet; let emrnas_jax.main finish its "
            "stage retrain"
            if run.config.exists()
            else f"{where}: not a model: it holds neither network.json nor fold_1; "
            "give the folder of a run, or of one of its networks (RUN/fold_1/emrnas)"
        )
    # The first fold, because no fold is better than another.
    chosen = run.fold(fold or 1)
    if chosen not in folds:
        names = ", ".join(own.path.name for own in folds)
        raise InputError(f"{where} has no {chosen.path.name}; it has {names}")
    return chosen


def _network_of(fold: FoldFolder, network: str | None) -> Path:
    trained = fold.trained()
    if not trained:
        raise InputError(
            f"{fold.path}: no network was trained here yet; let emrnas_jax.main finish "
            "its stage retrain"
        )
    if network is not None and network not in trained:
        raise InputError(
            f"{fold.path} has no trained network {network!r}; it has "
            f"{', '.join(trained)}"
        )
    # A run of several networks is most likely about the searched one.
    first = "emrnas" if "emrnas" in trained else trained[0]
    return fold.network(network or first).path


def latest_step(folder: Path) -> int:
    """Return the step of the latest checkpoint of a network.

    Raises:
        InputError: the network has no checkpoint.
    """
    steps = NetworkFolder(folder).steps()
    if not steps:
        raise InputError(
            f"{folder} holds no checkpoint: nothing was trained here yet; let "
            "emrnas_jax.main go on with its stage retrain"
        )
    return steps[-1]


def training_subjects(folder: Path) -> frozenset[str]:
    """Return the subjects of a network's training, and of its search's validation.

    They stand in the run's manifest of folds, so they are not known of a network whose
    folder was copied on its own.

    Args:
        folder: folder of the network, such as RUN/fold_1/emrnas.
    """
    fold = NetworkFolder(folder).fold()
    if fold is None or not fold.run.folds.exists():
        return frozenset()
    of_run = read_folds(fold.run.folds)[fold.number - 1 : fold.number]
    return frozenset(s for own in of_run for s in own.train + own.validation)
