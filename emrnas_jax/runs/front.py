"""`front.json`: the best architectures for every time, and those they follow from."""

from pathlib import Path

from msgspec import Struct

from emrnas_jax.machine.json_files import read_json, write_json

WAY_OUT = "delete it and run --stage=ensemble again"


class FrontPoint(Struct, frozen=True, kw_only=True):
    """An architecture, its time and its quality.

    Attributes:
        architecture: the architecture as text.
        ms: predicted time, milliseconds per frame.
        gain_db: quality on S_val with shared weights beside that of the average
            candidate, dB.
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


def write_front(path: Path, front: Front) -> None:
    """Write a front, whole or not at all."""
    write_json(path, front)


def read_front(path: Path) -> Front:
    """Read what `write_front` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    return read_json(path, Front, WAY_OUT)
