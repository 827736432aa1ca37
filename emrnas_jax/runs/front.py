"""`front.json`: the best architectures for every time, and those they follow from."""

import re
from pathlib import Path

import numpy as np
from msgspec import Struct

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json

WAY_OUT = "delete it and run --stage=ensemble again"


class FrontPoint(Struct, frozen=True, kw_only=True):
    """An architecture, its time and its quality.

    Attributes:
        architecture: the architecture as text.
        ms: predicted time, milliseconds per frame.
        gain_db: quality on S_val in the search beside that of the average candidate,
            dB.
    """

    architecture: str
    ms: float
    gain_db: float


class Front(Struct, frozen=True, kw_only=True):
    """What a search by the front found.

    Attributes:
        device: device that the times hold for.
        budget_ms: longest time that was allowed; 0 for any.
        chosen: the architecture that the run takes.
        points: some architectures that no other one beats in predicted quality and
            time, fastest first, the chosen one among them.
        judged: the candidates, with the quality that was measured.
        error_db: root mean square error of the prediction of a candidate that was left
            out of it, dB.
    """

    device: str
    budget_ms: float
    chosen: str
    points: tuple[FrontPoint, ...]
    judged: tuple[FrontPoint, ...]
    error_db: float


# A network may have another architecture of a front than the one within the budget:
# front_2_of_5, the second of five times; judged_2_of_5, the best candidate within that
# time; candidate_2_of_5, one of five candidates, from the fastest to the slowest;
# front_within_75_percent, the best within three quarters of the best candidate's time.
PLACE = re.compile(
    r"(front|judged|candidate)_([1-9]\d*)_of_([1-9]\d*)"
    r"|(front|judged)_within_([1-9]\d*)_percent"
)


def architecture_at(front: Front, place: str) -> str:
    """Return the architecture of a place of the front, as text.

    The times of `front` and `judged` lie evenly between those that a tenth of the
    candidates are below and above, so that both have something to choose from.

    Args:
        front: what a search found.
        place: text that `PLACE` matches.

    Raises:
        InputError: nothing is as fast.
    """
    match = PLACE.fullmatch(place)
    assert match  # checked with the config
    which, number, count, of_best, percent = match.groups()
    by_time = sorted(front.judged, key=lambda own: own.ms)
    if which == "candidate":
        position = (2 * int(number) - 1) * len(by_time) // (2 * int(count))
        return by_time[position].architecture
    if percent:
        best = max(front.judged, key=lambda own: own.gain_db)
        limit = int(percent) / 100 * best.ms
    else:
        low, high = np.quantile([own.ms for own in by_time], [0.1, 0.9])
        limit = low + (high - low) * (int(number) - 1) / max(1, int(count) - 1)
    every = front.points if "front" in (which, of_best) else front.judged
    within = [own for own in every if own.ms <= limit]
    if not within:
        fastest = min(own.ms for own in every)
        raise InputError(
            f"architecture {place}: nothing takes at most {limit:.2f} ms, and the "
            f"fastest takes {fastest:.2f} ms; allow more"
        )
    return max(within, key=lambda own: own.gain_db).architecture


def write_front(path: Path, front: Front) -> None:
    """Write a front, whole or not at all."""
    write_json(path, front)


def read_front(path: Path) -> Front:
    """Read what `write_front` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_json(path, Front, WAY_OUT)
