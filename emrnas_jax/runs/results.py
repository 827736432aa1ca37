"""`results.json`: the scores of every network of a run and their paired comparisons.

PSNR is in dB, SSIM has no unit; rates are fractions of the phase-encode lines.
"""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json
from emrnas_jax.runs.folder import PAPER, WHOLE

# What one score of each convention covers. Files of older versions do not say it.
UNITS = {PAPER: "frame", "fastmri": "volume", "calgary": "frame"}

# Fields of a network that hold its work per frame and what the device can do.
ROOFLINE = (
    "gflop_per_frame",
    "mbytes_per_frame",
    "gflops_ceiling",
    "gbytes_per_second_ceiling",
)

WAY_OUT = "delete the file and run --stage=evaluate again"

Count = Annotated[int, Meta(ge=0)]
NotNegative = Annotated[float, Meta(ge=0)]


class NetworkScore(Struct, frozen=True, kw_only=True):
    """One network's scores and cost; mean and std are over the folds' means.

    Fields with a default are missing in files of older versions.

    Attributes:
        frames: number of scored frames or volumes, as `Results.unit` says.
        parameters: number of trained weights; None where it was not counted.
        seconds_per_frame: median over the folds.
        device: name of the device on which the time was measured.
        gflop_per_frame: arithmetic of one frame, 10^9 floating-point operations.
        mbytes_per_frame: traffic to memory of one frame, 10^6 bytes.
        gflops_ceiling: the most that the device can compute in a second.
        gbytes_per_second_ceiling: the most that the device can move in a second.
        kind: key of `models.networks.NETWORKS`.
        settings: arguments of the network's constructor.
        seconds_per_epoch: time of a training epoch; None where nothing was trained.
        architecture_source: "ensemble", "fold", "random", "given", or "" without one.
        title: its name in words; "" where the name itself is shown.
        group: the table of a report that it belongs to; "" for the main one.
        reference: the network of its group that it is compared with; "" without one.
    """

    psnr_db_mean: float
    psnr_db_std: float
    ssim_mean: float
    ssim_std: float
    nmse_mean: float | None = None
    nmse_std: float | None = None
    frames: Count
    # Null in a file means that it was not measured, which 0 would not say.
    parameters: Count | None = None
    seconds_per_frame: NotNegative | None = None
    device: str = ""
    gflop_per_frame: float | None = None
    mbytes_per_frame: float | None = None
    gflops_ceiling: float | None = None
    gbytes_per_second_ceiling: float | None = None
    kind: str = ""
    settings: dict[str, Any] = {}
    seconds_per_epoch: float | None = None
    architecture_source: str = ""
    title: str = ""
    group: str = ""
    reference: str = ""


class Comparison(Struct, frozen=True, kw_only=True):
    """The mean per-frame difference of two networks and its 95 % interval.

    Attributes:
        network: the network that is compared.
        reference: the network whose score is subtracted.
        measure: "psnr_db" or "ssim".
        mean_difference: network minus reference.
        low: lower end of the interval.
        high: upper end of the interval.
        frames: number of frames or volumes that both were scored on.
    """

    network: str
    reference: str
    measure: str
    mean_difference: float
    low: float
    high: float
    frames: Count


class SearchLine(Struct, frozen=True, kw_only=True):
    """One search of all folds: its ensemble, and the networks that are made from it."""

    architecture: str
    networks: tuple[str, ...]


class Results(Struct, frozen=True, kw_only=True):
    """The content of `results.json`.

    Attributes:
        dataset: name of the data set.
        sampling_rate: the rate that was asked for.
        achieved_rate: the rate that the masks of the test frames have in the mean.
        folds: number of folds.
        architecture: architecture of the first network that has one.
        searches: by the name of the first network that is made from each.
        convention: name of the convention of the scores.
        unit: extent of one score, "frame" or "volume".
        metrics: the convention's name and rule in words.
        crop: pixels on a side of the middle that was scored; 0 for whole images.
        networks: by name, the zero-filled images first.
        comparisons: every network with every one before it.
    """

    dataset: str
    sampling_rate: float
    # Masks of few lines cannot have every rate, so the two differ.
    achieved_rate: float | None = None
    folds: Annotated[int, Meta(ge=1)]
    architecture: str | None = None
    searches: dict[str, SearchLine] = {}
    convention: str = ""
    unit: str = ""
    metrics: str = ""
    crop: Count = WHOLE
    # A report without one network has no table and no reference.
    networks: Annotated[dict[str, NetworkScore], Meta(min_length=1)]
    comparisons: tuple[Comparison, ...] = ()

    @property
    def label(self) -> str:
        """The data set and the name of the metrics, with which a caption begins."""
        part = f" of the middle {self.crop} x {self.crop}" if self.crop else ""
        return f"{self.dataset}, {self.convention} metrics{part}"


def metrics_sentence(metrics: str) -> str:
    """Return the convention of the metrics as a sentence, or "" if none is recorded."""
    name, _, rule = metrics.strip().rstrip(".").partition(": ")
    return f"Metrics ({name}): {rule}." if rule else f"Metrics: {name}." if name else ""


def write_results(path: Path, results: Results) -> None:
    """Write `results.json`, whole or not at all."""
    write_json(path, results)


def read_results(path: Path, way_out: str = WAY_OUT) -> Results:
    """Read and check `results.json`.

    Args:
        path: the file.
        way_out: advice to the user where it cannot be used.

    Raises:
        InputError: the file is missing or damaged, or its convention is not known.
    """
    results = read_json(path, Results, way_out)
    if not results.convention:
        # Files of older versions name it in the sentence alone, the oldest nowhere.
        convention = results.metrics.partition(":")[0] or PAPER
        unit = UNITS.get(convention, "")
        results = msgspec.structs.replace(results, convention=convention, unit=unit)
    # Its files cannot be named then, and its scores must not stand beside others.
    if results.convention not in UNITS:
        raise InputError(
            f"{path}: metrics names the convention {results.convention!r}, known are "
            f"{', '.join(UNITS)}; {way_out}"
        )
    return results
