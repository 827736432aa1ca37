"""A run's folder belongs to one config, one set of data and one process at a time."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes

# Settings that change how a run proceeds, or where its data lie, but no trained weight.
FREE = (
    "loop",
    "evaluation",
    "report",
    "search.folds_in_parallel",
    "data.path",
    "data.cache",
)

# Settings that runs begun before them lack, with the value that all of those had.
EARLIER = {
    "alpha_epsilon": 1e-8,
    "folds_in_parallel": False,
    "precision": "float32",
    "kspace_convention": "",
    "fully_sampled": False,
    "architecture": "ensemble",
    "kind": "emrnas",
    "retrain": {},
    "search": {},
}


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run's folder, which is made if it is not there.

    The lock ends with the process, however it ends. Of the processes of one run the
    first holds it for all.

    Raises:
        InputError: another run works in the folder.
    """
    with contextlib.ExitStack() as stack:
        held = True
        if processes.is_first():
            held = stack.enter_context(_lock(run))
        if not processes.everywhere(held):
            raise InputError(
                f"{run}: another process works in this folder; wait for it, or use "
                "another --workdir"
            )
        yield


@contextlib.contextmanager
def _lock(run: Path) -> Iterator[bool]:
    """Hold the lock, and tell whether it could be had."""
    made = not run.exists()
    run.mkdir(parents=True, exist_ok=True)
    path = run / ".lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            if made and list(run.iterdir()) == [path]:
                path.unlink()
                run.rmdir()  # a start that was refused leaves nothing


def refuse_other_config(path: Path, config: dict) -> dict[str, dict]:
    """Compare a config with that of the run, where the run has begun.

    Networks may come and go: each is trained and scored for itself, on the same folds
    and masks.

    Args:
        path: `config.json` of the run.
        config: the settings now, as JSON holds them.

    Returns:
        the settings of the networks that the run has already.

    Raises:
        InputError: settings differ that decide the results, or the file is damaged.
    """
    if not path.exists():
        return {}
    try:
        old = json.loads(path.read_text())
        networks = dict(old["networks"])
        given = old.pop("architecture", "")  # of all networks, in older runs
        for name, own in networks.items():
            networks[name] = {"architecture": given} | own if given else own
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); use a new --workdir") from error
    changed = config | {"networks": networks | config["networks"]}
    old["networks"] = {
        name: networks.get(name, own) for name, own in changed["networks"].items()
    }
    differing = [
        f"{key} was {before!r}, now {now!r}"
        for key, before, now in _differences(old, changed)
        if not any(key == free or key.startswith(f"{free}.") for free in FREE)
    ]
    if differing:
        raise InputError(
            f"{path.parent} is a run with other settings: {'; '.join(differing)}. Use "
            "its settings, or a new --workdir"
        )
    return networks


def with_earlier_values(old: dict, new: dict) -> dict:
    """Return the settings of an older run, completed by what is only in the new."""
    return {key: EARLIER[key] for key in new.keys() & EARLIER.keys()} | old


def _differences(
    old: Any,
    new: Any,
    place: str = "",
) -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        old = with_earlier_values(old, new)
        return [
            difference
            for key in sorted(old.keys() | new.keys())
            for difference in _differences(
                old.get(key), new.get(key), f"{place}.{key}" if place else key
            )
        ]
    return [] if old == new else [(place, old, new)]


def refuse_other_data(path: Path, data: dict) -> None:
    """Compare the data with those that the run began with.

    Args:
        path: `data.json` of the run.
        data: what `ImageSet.summary` says now.

    Raises:
        InputError: they differ, or the file is damaged.
    """
    try:
        old = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); use a new --workdir") from error
    differing = [key for key in data if old.get(key) != data[key]]
    if differing:
        changes = "; ".join(f"{k} was {old.get(k)}, now {data[k]}" for k in differing)
        raise InputError(
            f"{path.parent} was begun with other data: {changes}. Use those data, or a "
            "new --workdir"
        )
