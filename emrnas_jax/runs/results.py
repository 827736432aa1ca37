"""`results.json`: the scores of every network and their paired comparisons, checked.

PSNR is in dB, SSIM has no unit; rates are fractions of the phase-encode lines.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emrnas_jax.errors import InputError
from emrnas_jax.runs.scores import PAPER

# What one score of each convention is of.
UNITS = {PAPER: "frame", "fastmri": "volume", "calgary": "frame"}

# Fields of a network that hold its work per frame and what the device can do.
ROOFLINE = (
    "gflop_per_frame",
    "mbytes_per_frame",
    "gflops_ceiling",
    "gbytes_per_second_ceiling",
)


@dataclass(frozen=True)
class NetworkScore:
    """One network's line of `results.json`; mean and std are over the folds' means.

    `frames` counts what was scored, which `Results.unit` names. Older runs lack what
    has a default. `gflop_per_frame` to `gbytes_per_second_ceiling` are a frame's work
    and what the device can do per second; `settings` are the arguments of the network's
    constructor.
    """

    psnr_db_mean: float
    psnr_db_std: float
    ssim_mean: float
    ssim_std: float
    frames: int
    parameters: int | None
    seconds_per_frame: float | None
    device: str
    gflop_per_frame: float | None = None
    mbytes_per_frame: float | None = None
    gflops_ceiling: float | None = None
    gbytes_per_second_ceiling: float | None = None
    kind: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    seconds_per_epoch: float | None = None
    architecture_source: str = ""  # ensemble, fold, random or given
    # How a report shows the network: its name in words, the table that it belongs to
    # and the network of that table that it is compared with. Older runs have neither.
    title: str = ""
    group: str = ""
    reference: str = ""


@dataclass(frozen=True)
class Comparison:
    """The mean per-frame difference, network minus reference, and its 95 % interval."""

    network: str
    reference: str
    measure: str
    mean_difference: float
    low: float
    high: float
    frames: int


@dataclass(frozen=True)
class SearchLine:
    """One search of all folds: its ensemble, and the networks that are made from it."""

    architecture: str
    networks: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """`results.json`; rates are fractions of the phase-encode lines.

    `searches` go by the name of the first network that is made from each.
    """

    dataset: str
    sampling_rate: float
    achieved_rate: float | None
    folds: int
    architecture: str
    metrics: str
    networks: dict[str, NetworkScore]
    comparisons: tuple[Comparison, ...]
    searches: dict[str, SearchLine] = field(default_factory=dict)

    @property
    def convention(self) -> str:
        """The convention of the scores; older runs name none."""
        return self.metrics.partition(":")[0] or PAPER

    @property
    def label(self) -> str:
        """The data set and the name of the metrics, with which a caption begins."""
        return f"{self.dataset}, {self.convention} metrics"

    @property
    def unit(self) -> str:
        """What one score is of: "frame" or "volume"."""
        return UNITS[self.convention]


def metrics_sentence(metrics: str) -> str:
    """The convention of the metrics, as a sentence; empty when none is recorded."""
    name, _, rule = metrics.strip().rstrip(".").partition(": ")
    return f"Metrics ({name}): {rule}." if rule else f"Metrics: {name}." if name else ""


def read_results(path: Path) -> Results:
    """Read and check `results.json`.

    Raises:
        InputError: not JSON, or a value is missing or of the wrong kind.
    """
    record = read_json(path)
    networks = _field(record, "networks", dict, path)
    if not networks:
        raise InputError(f"{path}: it holds no network; run --stage=evaluate again")
    metrics = _optional(record, "metrics", str, path) or ""
    if (name := metrics.partition(":")[0] or PAPER) not in UNITS:
        raise InputError(
            f"{path}: metrics names the convention {name!r}, known are "
            f"{', '.join(UNITS)}; run --stage=evaluate again"
        )
    return Results(
        dataset=_field(record, "dataset", str, path),
        sampling_rate=_field(record, "sampling_rate", float, path),
        achieved_rate=_optional(record, "achieved_rate", float, path),
        folds=_field(record, "folds", int, path),
        architecture=_optional(record, "architecture", str, path) or "",
        metrics=metrics,
        networks={
            name: _network_score(line, f"{path}, networks, {name}")
            for name, line in networks.items()
        },
        comparisons=tuple(
            _comparison(line, f"{path}, comparisons, number {number}")
            for number, line in enumerate(
                _optional(record, "comparisons", list, path) or (), start=1
            )
        ),
        searches={
            name: SearchLine(
                architecture=_field(line, "architecture", str, f"{path}, {name}"),
                networks=tuple(_field(line, "networks", list, f"{path}, {name}")),
            )
            for name, line in (_optional(record, "searches", dict, path) or {}).items()
        },
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises:
        InputError: it does not.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}: not JSON ({error.msg}); delete the file "
            "and run the stage that writes it again"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error})") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}, line 1: expected a JSON object")
    return record


def _network_score(line: object, place: str) -> NetworkScore:
    return NetworkScore(
        psnr_db_mean=_field(line, "psnr_db_mean", float, place),
        psnr_db_std=_field(line, "psnr_db_std", float, place),
        ssim_mean=_field(line, "ssim_mean", float, place),
        ssim_std=_field(line, "ssim_std", float, place),
        frames=_field(line, "frames", int, place),
        parameters=_optional(line, "parameters", int, place),
        seconds_per_frame=_optional(line, "seconds_per_frame", float, place),
        device=_optional(line, "device", str, place) or "",
        **{name: _optional(line, name, float, place) for name in ROOFLINE},
        kind=_optional(line, "kind", str, place) or "",
        settings=_optional(line, "settings", dict, place) or {},
        seconds_per_epoch=_optional(line, "seconds_per_epoch", float, place),
        architecture_source=_optional(line, "architecture_source", str, place) or "",
        title=_optional(line, "title", str, place) or "",
        group=_optional(line, "group", str, place) or "",
        reference=_optional(line, "reference", str, place) or "",
    )


def _comparison(line: object, place: str) -> Comparison:
    return Comparison(
        network=_field(line, "network", str, place),
        reference=_field(line, "reference", str, place),
        measure=_field(line, "measure", str, place),
        mean_difference=_field(line, "mean_difference", float, place),
        low=_field(line, "low", float, place),
        high=_field(line, "high", float, place),
        frames=_field(line, "frames", int, place),
    )


def _optional(record: object, name: str, kind: type, place: str | Path) -> Any:
    if isinstance(record, dict) and record.get(name) is None:
        return None
    return _field(record, name, kind, place)


def _field(record: object, name: str, kind: type, place: str | Path) -> Any:
    """Return record[name], an int also where a float is expected."""
    way_out = "delete the file and run --stage=evaluate again"
    if not isinstance(record, dict):
        raise InputError(f"{place}: expected an object, found {record!r}; {way_out}")
    value = record.get(name)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(
            f"{place}: {name} is {value!r}, expected {kind.__name__}; {way_out}"
        )
    return value
