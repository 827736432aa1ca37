"""The files of a network's scores: one row per frame or volume, and a few examples.

Each convention has its own, beside those of the others.
"""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from emrnas_jax.errors import InputError
from emrnas_jax.machine.files import write_bytes, write_text

COLUMNS = ("subject", "slice", "frame", "psnr_db", "ssim", "nmse")
PAPER = "paper"  # the convention whose files have no suffix
ALL_SLICES = -1  # the slice of a row that is of a volume


class Scores(NamedTuple):
    """One value per test frame, in the order of the image set, or per volume.

    The slice of a volume is `ALL_SLICES`.
    """

    subject: tuple[str, ...]
    slice: Int[np.ndarray, " row"]
    frame: Int[np.ndarray, " row"]
    psnr_db: Float[np.ndarray, " row"]
    ssim: Float[np.ndarray, " row"]
    nmse: Float[np.ndarray, " row"]


class Examples(NamedTuple):
    """A few frames with their reconstructions: magnitudes clipped to [0, 1].

    PSNR is the frame's own under the convention, with the data range of its volume
    where the convention scores volumes.
    """

    subject: tuple[str, ...]
    slice: Int[np.ndarray, " frame"]
    frame: Int[np.ndarray, " frame"]
    target: Float[np.ndarray, "frame height width"]
    reconstruction: Float[np.ndarray, "frame height width"]
    mask: Bool[np.ndarray, "frame height width"]
    psnr_db: Float[np.ndarray, " frame"]


def scores_path(folder: Path, convention: str) -> Path:
    """Return where a network's folder keeps its scores under a convention."""
    return folder / f"scores{_suffix(convention)}.csv"


def examples_path(folder: Path, convention: str) -> Path:
    """Return where a network's folder keeps its examples under a convention."""
    return folder / f"examples{_suffix(convention)}.npz"


def _suffix(convention: str) -> str:
    return "" if convention == PAPER else f"_{convention}"


def write_scores(path: Path, scores: Scores) -> None:
    """Write one row per frame or volume; with the file an evaluation is finished."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in zip(*scores, strict=True):
        writer.writerow([*row[:3], *(f"{value:.6f}" for value in row[3:])])
    write_text(path, text.getvalue())


def read_scores(path: Path) -> Scores:
    """Read what `write_scores` wrote.

    Raises:
        InputError: the file is missing or damaged; the message names the line.
    """
    way_out = "delete it and run --stage=evaluate again"
    rows: list[tuple] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (lines.fieldnames or ())]
            if missing:
                raise InputError(
                    f"{path}, line 1: no column {', '.join(missing)}; {way_out}"
                )
            for line in lines:
                try:
                    rows.append(_parse_row(line))
                except (TypeError, ValueError):
                    raise InputError(
                        f"{path}, line {lines.line_num}: expected the numbers of a "
                        f"frame, found {list(line.values())}; {way_out}"
                    ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: damaged or missing ({error}); {way_out}") from error
    if not rows:
        raise InputError(f"{path}: it holds no frame; {way_out}")
    subjects, *numbers = zip(*rows, strict=True)
    return Scores(subjects, *(np.array(column) for column in numbers))


def _parse_row(line: dict) -> tuple[str | int | float, ...]:
    if None in line:
        raise ValueError("longer than the header")
    scores = [float(line[name]) for name in COLUMNS[3:]]
    if np.isnan(scores).any():
        raise ValueError("not a number")
    return (line["subject"], int(line["slice"]), int(line["frame"]), *scores)


def write_examples(path: Path, examples: Examples) -> None:
    """Write the examples as one `.npz`."""
    content = io.BytesIO()
    np.savez_compressed(content, **examples._asdict())
    write_bytes(path, content.getvalue())
