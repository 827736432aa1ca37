"""`front.json`: the best architectures for every time, and those they follow from."""

import re
from pathlib import Path

from msgspec import Struct

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json
from emrnas_jax.nas.front import RESOLUTION_MS

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
        slowest_ms: time of the slowest architecture there is; 0 in older files.
    """

    device: str
    budget_ms: float
    chosen: str
    points: tuple[FrontPoint, ...]
    judged: tuple[FrontPoint, ...]
    error_db: float
    slowest_ms: float = 0.0


# A network may have another architecture of a front than the one within the budget:
# front_within_40_percent, the best within 40 % of the time of the slowest architecture;
# judged_within_40_percent, the best candidate within that time; candidate_2_of_5, the
# second of five candidates, from the fastest to the slowest.
PLACE = re.compile(
    r"candidate_(?P<number>[1-9]\d*)_of_(?P<count>[1-9]\d*)"
    r"|(?P<among>front|judged)_within_(?P<percent>[1-9]\d*)_percent"
)


def architecture_at(front: Front, place: str) -> str:
    """Return the architecture of a place of the front, as text.

    Args:
        front: what a search found.
        place: text that `PLACE` matches.

    Raises:
        InputError: nothing is as fast, or the file is older than such places.
    """
    match = PLACE.fullmatch(place)
    assert match  # checked with the config
    if match["number"]:
        by_time = sorted(front.judged, key=lambda own: own.ms)
        number, count = int(match["number"]), int(match["count"])
        return by_time[(2 * number - 1) * len(by_time) // (2 * count)].architecture
    if not front.slowest_ms:
        raise InputError(
            f"architecture {place}: front.json is of an older version, which did not "
            f"note the slowest time; {WAY_OUT}"
        )
    limit = int(match["percent"]) / 100 * front.slowest_ms + RESOLUTION_MS
    every = front.points if match["among"] == "front" else front.judged
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
