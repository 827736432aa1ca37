"""The scores of a network, one table row per frame or volume, and a few examples.

Each convention has files of its own, beside those of the others.
"""

import csv
import io
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from emrnas_jax.errors import InputError
from emrnas_jax.machine.files import write_bytes, write_text

WAY_OUT = "delete it and run --stage=evaluate again"

COLUMNS = ("subject", "slice", "frame", "psnr_db", "ssim", "nmse")
ALL_SLICES = -1  # in place of the slice, in the row of a volume


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

    Frames smaller than the largest are filled up with zeros, below and at the right;
    `shape` is the height and width of each without them. PSNR is the frame's own under
    the convention, with the data range of its volume where the convention scores
    volumes.
    """

    subject: tuple[str, ...]
    slice: Int[np.ndarray, " frame"]
    frame: Int[np.ndarray, " frame"]
    target: Float[np.ndarray, "frame height width"]
    reconstruction: Float[np.ndarray, "frame height width"]
    mask: Bool[np.ndarray, "frame height width"]
    psnr_db: Float[np.ndarray, " frame"]
    shape: Int[np.ndarray, "frame 2"]

    def images(
        self, index: int
    ) -> tuple[
        Float[np.ndarray, "height width"],
        Float[np.ndarray, "height width"],
        Bool[np.ndarray, "height width"],
    ]:
        """Return the target, the reconstruction and the mask of one frame."""
        height, width = self.shape[index]
        images = self.target[index], self.reconstruction[index], self.mask[index]
        target, reconstruction, mask = (own[:height, :width] for own in images)
        return target, reconstruction, mask

    @property
    def frames(self) -> tuple[tuple[str, int, int], ...]:
        """The subject, slice and frame of each, as in a table of scores."""
        numbers = self.slice.tolist(), self.frame.tolist()
        return tuple(zip(self.subject, *numbers, strict=True))


def write_scores(path: Path, scores: Scores) -> None:
    """Write one row per frame or volume; with the file, an evaluation is finished."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in zip(*scores, strict=True):
        # A millionth of a decibel is far below what float32 images determine.
        writer.writerow([*row[:3], *(f"{value:.6f}" for value in row[3:])])
    write_text(path, text.getvalue())


def read_scores(path: Path) -> Scores:
    """Read what `write_scores` wrote.

    Raises:
        InputError: the file is missing or damaged; the message names the line.
    """
    rows: list[tuple] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (lines.fieldnames or ())]
            if missing:
                raise InputError(
                    f"{path}, line 1: no column {', '.join(missing)}; {WAY_OUT}"
                )
            for line in lines:
                try:
                    rows.append(_parse_row(line))
                except (TypeError, ValueError):
                    raise InputError(
                        f"{path}, line {lines.line_num}: expected the numbers of a "
                        f"frame, found {list(line.values())}; {WAY_OUT}"
                    ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: damaged or missing ({error}); {WAY_OUT}") from error
    if not rows:
        raise InputError(f"{path}: it holds no frame; {WAY_OUT}")
    subjects, *numbers = zip(*rows, strict=True)
    return Scores(subjects, *(np.array(column) for column in numbers))


def _parse_row(line: dict) -> tuple[str | int | float, ...]:
    if None in line:
        raise ValueError("longer than the header")
    scores = [float(line[name]) for name in COLUMNS[3:]]
    # A mean over frames would be NaN without saying which frame it was.
    if np.isnan(scores).any():
        raise ValueError("not a number")
    return (line["subject"], int(line["slice"]), int(line["frame"]), *scores)


def write_examples(path: Path, examples: Examples) -> None:
    """Write the examples as one `.npz`."""
    content = io.BytesIO()
    np.savez_compressed(content, **examples._asdict())
    write_bytes(path, content.getvalue())


def read_examples(path: Path) -> Examples:
    """Read what `write_examples` wrote.

    Raises:
        InputError: the archive is missing or damaged, or its arrays do not fit each
            other.
    """
    try:
        # Opened here: NumPy leaves what it cannot read open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in Examples._fields[:-1]}
            mask = arrays["mask"]
            # Frames had one size before their sizes were written.
            alike = np.full((len(mask), 2), mask.shape[1:3])
            arrays["shape"] = archive.get("shape", alike)
        subjects = tuple(arrays.pop("subject").tolist())
        examples = Examples(subjects, **arrays)
        _refuse_misfits(examples)
    # NumPy has no type of its own for damage: it raises what zip and zlib raise.
    except (
        OSError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"{path}: damaged ({error}); {WAY_OUT}") from error
    return examples


def _refuse_misfits(examples: Examples) -> None:
    images = (examples.target, examples.reconstruction, examples.mask)
    shapes = {image.shape for image in images}
    if len(shapes) != 1 or examples.mask.ndim != 3:
        raise ValueError(f"shapes {sorted(shapes)} differ")
    if (examples.shape > examples.mask.shape[1:]).any() or (examples.shape < 1).any():
        raise ValueError(f"frames of {examples.shape.tolist()} do not fit into them")
    named = (
        examples.subject,
        examples.slice,
        examples.frame,
        examples.psnr_db,
        examples.shape,
    )
    if {len(values) for values in named} != {len(examples.mask)}:
        raise ValueError("not one name and PSNR per image")
