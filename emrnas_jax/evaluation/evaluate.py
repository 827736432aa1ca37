"""Scores of a network on test frames, one row per frame, and a few frames to look at.

Convention "paper": the magnitude clipped to [0, 1], per frame, data range 1.
"""

import csv
import io
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree, UInt32
from tqdm import tqdm

from emrnas_jax.data.dataset import ImageSet
from emrnas_jax.data.pipeline import Batch, RandomKey, Stored, make_batch
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.metrics import nmse, psnr_db, scored_magnitude, ssim
from emrnas_jax.files import write_bytes, write_text
from emrnas_jax.mri.sampling import Sampling

DATA_RANGE = 1.0
CONVENTION = "paper: magnitude clipped to [0, 1], per frame, data range 1"
COLUMNS = ("subject", "slice", "frame", "psnr_db", "ssim", "nmse")

# (variables, batch) -> reconstructions; jitted once, so that folds share its program.
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


@partial(jax.jit, static_argnames="sampling")
def _prepare(
    images: Stored,
    ids: UInt32[Array, " frame"],
    mask_key: RandomKey,
    sampling: Sampling,
) -> Batch:
    return make_batch(images, ids, mask_key, sampling)


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
        network: jitted, maps variables and a batch to reconstructions.
        variables: of the network.
        image_set: where the frames come from.
        indices: the test frames.
        sampling: how masks are drawn.
        mask_key: with a frame's number it decides the frame's mask.
        batch: frames at once.
        examples: how many frames to return, evenly spread.

    Returns:
        scores, examples, and the seconds per frame that the network took.
    """
    scored, seconds = [], []
    ids = image_set.frame_ids[indices]
    wanted = np.linspace(0, len(indices) - 1, min(examples, len(indices))).astype(int)
    shown: list[Examples] = []
    batches = list(padded_batches(len(indices), batch))
    for positions, real in tqdm(batches, desc=name, disable=None):
        images = jnp.asarray(image_set.images(indices[positions]))
        data = _prepare(images, jnp.asarray(ids[positions]), mask_key, sampling)
        if not scored:  # the first call compiles, and faults in its memory
            jax.block_until_ready(network(variables, data))
        jax.block_until_ready(data)
        start = time.perf_counter()
        image = jax.block_until_ready(network(variables, data))
        seconds.append((time.perf_counter() - start) / batch)
        found = jax.tree.map(lambda a, n=real: np.asarray(a)[:n], _score(image, data))
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


_score = jax.jit(score)


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
        InputError: the file is missing or damaged.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or any(None in row for row in rows):
            raise ValueError("no rows, or one longer than the header")
        scores = Scores(
            tuple(row["subject"] for row in rows),
            np.array([int(row["slice"]) for row in rows]),
            np.array([int(row["frame"]) for row in rows]),
            *(
                np.array([float(row[name]) for row in rows])
                for name in ("psnr_db", "ssim", "nmse")
            ),
        )
        if np.isnan(scores[3:]).any():
            raise ValueError("a score is not a number")
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: not a table of scores ({error}); delete it and run "
            "--stage=evaluate again"
        ) from error
    return scores


def write_examples(path: Path, examples: Examples) -> None:
    """Write the examples as one `.npz`."""
    content = io.BytesIO()
    np.savez_compressed(content, **examples._asdict())
    write_bytes(path, content.getvalue())
