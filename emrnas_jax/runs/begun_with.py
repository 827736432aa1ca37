"""`config.json` and `data.json`: the settings and the data that a run was begun with.

A run is continued with the same settings and data only. Networks may come and go.
"""

from pathlib import Path
from typing import Any

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json
from emrnas_jax.runs.folder import RunFolder

# Settings that change how a run proceeds, or where its data lie, but no trained weight.
FREE = (
    "loop",
    "evaluation",
    "report",
    "search.folds_in_parallel",
    "data.path",
    "data.cache",
)

# Settings that runs begun before them lack, with the value that all of those had. A new
# setting of a network or a search belongs here, or no older run can be continued.
EARLIER = {
    "alpha_epsilon": 1e-8,
    "folds_in_parallel": False,
    "precision": "float32",
    "kspace_convention": "",
    "fully_sampled": False,
    "architecture": "ensemble",
    "kind": "emrnas",
    "test": "",
    # Both `search` and `retrain` have the first two.
    "strip": 0,
    "flips": False,
    "steps": 0,
    "minutes": 0.0,
    "warmup": 0.0,
    "optimizer": "adam",
    "beta2": 0.999,
    "clip_norm": 0.0,
    "loss": "mse",
    "deep_supervision": 0.0,
    "average": 0.0,
    "start": "",
    "other_rates": "",
    "other_center_fractions": "",
    "noise": 0.0,
    "coils": 0,
    "sizes": 4,  # any number: the images of those had one size
    "simulated_coils": 0,
    "method": "proxyless",
    "architectures_per_step": 2,
    "time_weight": 0.0,
    "candidates": 0,
    "rounds": 1,
    "budget_ms": 0.0,
    "budget_share": 0.0,
    "latency": "",
    "target": "combined",
    "crop": 0,
    "retrain": {},
    "search": {},
}

WAY_OUT = "use a new --workdir"


def write_config(path: Path, config: dict) -> None:
    """Write the settings of a run, as JSON holds them."""
    write_json(path, config)


def read_config(path: Path, way_out: str = WAY_OUT) -> dict[str, Any]:
    """Read the settings of a run.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_json(path, dict, way_out)


def write_data(path: Path, fingerprint: dict[str, str | int]) -> None:
    """Write the fingerprint of a run's data, as `ImageSet.summary` returns it."""
    write_json(path, fingerprint)


def read_data(path: Path, way_out: str = WAY_OUT) -> dict[str, str | int]:
    """Read the fingerprint of a run's data.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_json(path, dict, way_out)


def refuse_other_config(run: RunFolder, config: dict) -> dict[str, dict]:
    """Compare a config with that of the run, where the run has begun.

    Networks may come and go: each is trained and scored for itself, on the same folds
    and masks.

    Args:
        run: the run's folder.
        config: the settings now, as JSON holds them.

    Returns:
        the settings of the networks that the run has already, by name.

    Raises:
        InputError: settings differ that decide the results, or the file is damaged.
    """
    if not run.config.exists():
        return {}
    old = read_config(run.config)
    networks = _networks(run, old)
    # A network that the config does not name any more is still that of the run.
    changed = config | {"networks": networks | config["networks"]}
    # A network that the run does not have yet is no difference.
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
            f"{run.path} is a run with other settings: {'; '.join(differing)}. Use "
            "its settings, or a new --workdir"
        )
    return networks


def _networks(run: RunFolder, old: dict[str, Any]) -> dict[str, dict]:
    """Return the networks of a run's config, completed by what older runs had."""
    networks = old.get("networks")
    if not isinstance(networks, dict):
        raise InputError(
            f"{run.config}: damaged (networks is {networks!r}, expected an object); "
            f"{WAY_OUT}"
        )
    # Older runs have one architecture for all networks, beside the networks.
    given = old.pop("architecture", "")
    return {
        name: {"architecture": given} | own if given else own
        for name, own in networks.items()
    }


def with_earlier_values(old: dict, new: dict) -> dict:
    """Return the settings of an older run, completed by what is only in the new."""
    # Random search was a rule of gates before it was a method.
    if old.get("gate_rule") == "uniform":
        old = old | {"gate_rule": "sample", "method": "random"}
    return {key: EARLIER[key] for key in new.keys() & EARLIER.keys()} | old


def _differences(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    """Return what differs, each as (dotted key, old value, new value)."""
    if isinstance(old, dict) and isinstance(new, dict):
        old = with_earlier_values(old, new)
        return [
            difference
            for name in sorted(old.keys() | new.keys())
            for difference in _differences(
                old.get(name), new.get(name), f"{key}.{name}" if key else name
            )
        ]
    # Equality of numbers, not of text: JSON may write 1e-8 in two ways.
    return [] if old == new else [(key, old, new)]


def refuse_other_data(run: RunFolder, fingerprint: dict[str, str | int]) -> None:
    """Compare the data with those that the run began with.

    Args:
        run: the run's folder.
        fingerprint: fingerprint of the data now.

    Raises:
        InputError: the data differ, or the file is missing or damaged.
    """
    old = read_data(run.data)
    # What only the file has is no difference: a newer version may have written it.
    changes = "; ".join(
        f"{key} was {old.get(key)}, now {value}"
        for key, value in fingerprint.items()
        if old.get(key) != value
    )
    if changes:
        raise InputError(
            f"{run.path} was begun with other data: {changes}. Use those data, or a "
            "new --workdir"
        )
