"""The small files of a network's folder: how far it is trained, fitted, and its cost.

`training.json` holds the plan of the training, `strength.json` the regularisation
weights that were tried for total variation, `cost.json` what the network costs.
"""

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json

NotNegative = Annotated[float, Meta(ge=0)]


class Start(Struct, frozen=True):
    """The model from whose weights a training started.

    Attributes:
        sha256: checksum of its weights.
        subjects: names of the subjects that it was trained on.
    """

    sha256: str
    subjects: tuple[str, ...] = ()


class Plan(Struct, frozen=True, omit_defaults=True):
    """How a network is trained.

    Attributes:
        steps: number of steps of the training.
        settings: the config section `retrain` of the training. Older files lack it.
        seconds_per_step: time of a step from which the number of steps was made; 0
            where the config gives the number.
        start: model that it started from; None for fresh weights.
    """

    steps: Annotated[int, Meta(ge=0)]
    settings: dict[str, Any] = {}
    seconds_per_step: NotNegative = 0.0
    start: Start | None = None


def read_plan(path: Path) -> Plan | None:
    """Return how a network is trained.

    None where the folder does not say: it was copied, imported or is of a run that was
    begun before this was written.
    """
    try:
        return read_json(path, Plan, "")
    except InputError:
        # A guess would warn falsely of an unfinished training.
        return None


class TriedWeight(Struct, frozen=True):
    """One regularisation weight of total variation with its score.

    Attributes:
        strength: the weight.
        mean: PSNR on the validation frames in dB, their mean.
    """

    strength: NotNegative
    mean: float


class Fit(Struct, frozen=True, kw_only=True):
    """The regularisation weights that were tried for one fold.

    Attributes:
        strength: the best weight of those tried.
        psnr_db: every weight that was tried, in the order in which they were.
        frames: number of validation frames.
        subjects: names of their subjects.
        metrics: the convention of the scores in words.
    """

    strength: NotNegative
    psnr_db: tuple[TriedWeight, ...]
    frames: int
    subjects: tuple[str, ...]
    metrics: str


def write_fit(path: Path, fit: Fit) -> None:
    """Write the weights that were tried so far."""
    write_json(path, fit)


def read_tried_weights(path: Path) -> dict[float, float]:
    """Return the score of every weight that was tried; empty if none was.

    Raises:
        InputError: the file is damaged.
    """
    # A weight may take minutes, so a stopped fit goes on with those that it has.
    if not path.exists():
        return {}
    fit = read_json(path, Fit, "delete it to choose the strength again")
    return {tried.strength: tried.mean for tried in fit.psnr_db}


# Without its defaults, so that a file holds what was measured and nothing else.
class Cost(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one network costs.

    Attributes:
        parameters: number of trained weights.
        seconds_per_frame: median; 0 for the zero-filled images.
        device: name of the device on which the time was measured.
        gflop_per_frame: arithmetic of one frame, 10^9 floating-point operations. This
            and what follows is None where it was not measured: for the zero-filled
            images, for total variation, or by an older version.
        mbytes_per_frame: traffic to memory of one frame, 10^6 bytes.
        gflops_ceiling: the most that the device can compute in a second.
        gbytes_per_second_ceiling: the most that the device can move in a second.
    """

    parameters: Annotated[int, Meta(ge=0)]
    seconds_per_frame: NotNegative
    device: str
    gflop_per_frame: NotNegative | None = None
    mbytes_per_frame: NotNegative | None = None
    gflops_ceiling: NotNegative | None = None
    gbytes_per_second_ceiling: NotNegative | None = None


def write_cost(path: Path, cost: Cost) -> None:
    """Write the cost of a network."""
    write_json(path, cost)


def read_cost(path: Path) -> Cost:
    """Read the cost of a network.

    Raises:
        InputError: the file is missing or damaged.
    """
    way_out = "delete scores.csv beside it and run --stage=evaluate again"
    return read_json(path, Cost, way_out)
