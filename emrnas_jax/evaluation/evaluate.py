"""Scores of a network on test frames, one row per frame, and a few frames to look at.

Convention "paper": the magnitude clipped to [0, 1], per frame, data range 1.
"""

import csv
import io
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Bool, Float, Int, PyTree

from emrnas_jax import devices, processes
from emrnas_jax.data.dataset import ImageSet
from emrnas_jax.data.pipeline import Batch, RandomKey, make_batch
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.metrics import nmse, psnr_db, scored_magnitude, ssim
from emrnas_jax.files import write_bytes, write_text
from emrnas_jax.mri.sampling import Sampling

DATA_RANGE = 1.0
CONVENTION = "paper: magnitude clipped to [0, 1], per frame, data range 1"
COLUMNS = ("subject", "slice", "frame", "psnr_db", "ssim", "nmse")

# (variables, batch) -> reconstructions; of `devices.over_batch`, made once, so that
# folds share its program.
Network = Callable[[PyTree, Batch], Float[Array, "batch height width 2"]]


class Scores(NamedTuple):
    """One value per test frame, in the order of the image set."""

    subject: tuple[str, ...]
    slice: Int[np.ndarray, " frame"]
    frame: Int[np.ndarray, " frame"]
    psnr_db: Float[np.ndarray, " frame"]
    ssim: Float[np.ndarray, " frame"]
    nmse: Float[np.ndarray, " frame"]


class Examples(NamedTuple):
    """A few frames with their reconstructions: magnitudes clipped to [0, 1]."""

    subject: tuple[str, ...]
    slice: Int[np.ndarray, " frame"]
    frame: Int[np.ndarray, " frame"]
    target: Float[np.ndarray, "frame height width"]
    reconstruction: Float[np.ndarray, "frame height width"]
    mask: Bool[np.ndarray, "frame height width"]
    psnr_db: Float[np.ndarray, " frame"]


class Scored(NamedTuple):
    """What a batch gives."""

    reconstruction: Float[Array, "batch height width"]
    target: Float[Array, "batch height width"]
    mask: Bool[Array, "#batch #height #width"]
    psnr_db: Float[Array, " batch"]
    ssim: Float[Array, " batch"]
    nmse: Float[Array, " batch"]


def score(image: Float[Array, "batch height width 2"], batch: Batch) -> Scored:
    """Score a batch of reconstructions against their targets."""
    found, target = scored_magnitude(image), scored_magnitude(batch.target)
    return Scored(
        found,
        target,
        batch.mask,
        psnr_db(found, target, DATA_RANGE),
        ssim(found, target, DATA_RANGE),
        nmse(found, target),
    )


def padded_batches(
    count: int, batch: int
) -> Iterator[tuple[Int[np.ndarray, " batch"], int]]:
    """Yield positions 0 .. count - 1 in batches of one size, and how many are real.

    The last batch repeats its last position, so one compiled program serves all.
    """
    for first in range(0, count, batch):
        real = min(batch, count - first)
        yield np.minimum(np.arange(first, first + batch), first + real - 1), real


def prepare_batch(
    images: Array, ids: Array, mask_key: RandomKey, sampling: Sampling
) -> Batch:
    """`make_batch`, compiled, on as many devices as divide the batch."""
    return _prepared_by(sampling)(mask_key, images, ids)


@cache
def _prepared_by(sampling: Sampling) -> Callable[..., Batch]:
    return devices.over_batch(
        lambda key, images, ids: make_batch(images, ids, key, sampling)
    )


def evaluate(
    name: str,
    network: Network,
    variables: PyTree,
    image_set: ImageSet,
    indices: Int[np.ndarray, " frame"],
    sampling: Sampling,
    mask_key: RandomKey,
    batch: int,
    examples: int,
) -> tuple[Scores, Examples, float]:
    """Reconstruct and score test frames.

    Args:
        name: what the progress bar says.
        network: compiled, maps variables and a batch to reconstructions.
        variables: of the network.
        image_set: where the frames come from.
        indices: the test frames.
        sampling: how masks are drawn.
        mask_key: with a frame's number it decides the frame's mask.
        batch: frames at once, enlarged to what all devices share evenly.
        examples: how many frames to return, evenly spread.

    Returns:
        scores, examples, and the seconds per frame that the network took.
    """
    scored, seconds = [], []
    batch = devices.divisible(batch)
    mesh = devices.mesh_for(batch)
    own = devices.rows_of_process(mesh, batch)
    divided = NamedSharding(mesh, devices.DIVIDED)
    variables = devices.replicate(variables, mesh)
    ids = image_set.frame_ids[indices]
    wanted = np.linspace(0, len(indices) - 1, min(examples, len(indices))).astype(int)
    shown: list[Examples] = []
    batches = list(padded_batches(len(indices), batch))
    for positions, real in processes.progress_bar(batches, desc=name):
        chosen = positions[own]
        images = devices.put(image_set.images(indices[chosen]), divided)
        numbers = devices.put(ids[chosen], divided)
        data = prepare_batch(images, numbers, mask_key, sampling)
        if not scored:  # the first call compiles, and faults in its memory
            jax.block_until_ready(network(variables, data))
        jax.block_until_ready(data)
        start = time.perf_counter()
        image = jax.block_until_ready(network(variables, data))
        seconds.append((time.perf_counter() - start) / batch)
        whole = processes.gathered(_score((), image, data))
        found = jax.tree.map(lambda a, n=real: a[:n], whole)
        scored.append(found)
        inside = [p for p in wanted if positions[0] <= p < positions[0] + real]
        shown += [
            _example(found, int(p - positions[0]), image_set, int(indices[p]))
            for p in inside
        ]
    return (
        Scores(
            tuple(image_set.subjects[i] for i in indices),
            image_set.slices[indices],
            image_set.frames[indices],
            *(
                np.concatenate([getattr(s, name) for s in scored])
                for name in ("psnr_db", "ssim", "nmse")
            ),
        ),
        _join(shown),
        float(np.median(seconds)),
    )


_score = devices.over_batch(lambda _, image, batch: score(image, batch))


def _example(found: Scored, row: int, image_set: ImageSet, index: int) -> Examples:
    mask = np.broadcast_to(found.mask[row], found.target.shape[1:])
    return Examples(
        (image_set.subjects[index],),
        image_set.slices[index][None],
        image_set.frames[index][None],
        np.asarray(found.target[row])[None],
        np.asarray(found.reconstruction[row])[None],
        mask[None],
        np.asarray(found.psnr_db[row])[None],
    )


def _join(examples: list[Examples]) -> Examples:
    subjects = tuple(example.subject[0] for example in examples)
    arrays = zip(*(example[1:] for example in examples), strict=True)
    return Examples(subjects, *(np.concatenate(parts) for parts in arrays))


def write_scores(path: Path, scores: Scores) -> None:
    """Write one row per frame; a finished file is a finished evaluation."""
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
