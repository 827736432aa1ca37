"""Evaluate a network on test frames: scores, examples to look at, and its speed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from emrnas_jax.data.pipeline import Batch
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.batches import FrameBatch, MeasuredFrames, measured_batches
from emrnas_jax.evaluation.conventions import CONVENTIONS, PAPER, FrameScores, scorer
from emrnas_jax.evaluation.metrics import WINDOW, scored_magnitude
from emrnas_jax.evaluation.volumes import (
    require_volumes,
    scores_of_volumes,
    volume_peaks,
)
from emrnas_jax.machine import devices, processes
from emrnas_jax.runs.scores import Examples, Scores

# (variables, batch) -> reconstructions, compiled by `devices.over_batch`. Made once, it
# serves all folds with one program.
Network = Callable[[PyTree, Batch], Float[Array, "batch height width 2"]]


@dataclass(frozen=True)
class EvaluationSettings:
    """The config section `evaluation`.

    Attributes:
        batch: number of frames that are reconstructed at once.
        examples: number of test frames of each fold that are kept for the figures.
        convention: name of the scores' convention, a key of `CONVENTIONS`.
        crop: scores are of the middle `crop` x `crop` pixels, or fewer where an image
            is smaller; 0 for the whole image.
    """

    batch: int = 8
    examples: int = 3
    convention: str = PAPER
    crop: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        for name in ("batch", "examples"):
            if getattr(self, name) < 1:
                raise InputError(f"evaluation.{name}: must be at least 1")
        if self.convention not in CONVENTIONS:
            raise InputError(
                f"evaluation.convention: found {self.convention!r}; use "
                f"{', '.join(CONVENTIONS)}"
            )
        if self.crop and self.crop < WINDOW:
            raise InputError(
                f"evaluation.crop: found {self.crop}; give at least {WINDOW} pixels, "
                "the window of SSIM, or 0 for the whole image"
            )


class Evaluation(NamedTuple):
    """A network's results on test frames.

    Attributes:
        scores: scores of each frame, or of each volume where the convention says so.
        examples: a few frames with their reconstructions, evenly spread.
        seconds_per_frame: median over the batches of the most frequent size.
    """

    scores: Scores
    examples: Examples
    seconds_per_frame: float


def evaluate(
    name: str,
    network: Network,
    variables: PyTree,
    frames: MeasuredFrames,
    settings: EvaluationSettings,
) -> Evaluation:
    """Reconstruct and score test frames.

    Args:
        name: label of the progress bar, or of the line a minute that replaces it.
        network: compiled network.
        variables: weights of the network, and its statistics if it has any.
        frames: test frames; their order is that of the scores.
        settings: batch size, which is enlarged to what all devices share evenly,
            number of examples, convention of the scores, and their crop.

    Raises:
        InputError: volumes are scored, and slices of one have several sizes.
    """
    convention = CONVENTIONS[settings.convention]
    peaks = None
    if convention.unit == "volume":
        require_volumes(frames.image_set, frames.indices)
        peaks = volume_peaks(frames.image_set, frames.indices, settings.crop)
    shown = evenly_spread(len(frames.indices), settings.examples)
    score = scorer(convention, settings.crop)
    order: list[Int[np.ndarray, " frame"]] = []
    scored: list[FrameScores] = []
    pictures: dict[int, Pictures] = {}
    seconds: dict[tuple[int, ...], list[float]] = {}
    batch = devices.divisible(settings.batch)
    parts = measured_batches(name, frames, batch, peaks)
    for part, image, elapsed in _reconstructions(network, variables, parts, batch):
        found = processes.gathered(score((), image, part.data, part.volume_peak))
        # The padding of the last batch has scores too, which count for nothing.
        scored.append(_taken(found, slice(part.real)))
        order.append(part.positions[: part.real])
        pictures |= _pictures_shown(shown, part, image)
        seconds.setdefault(image.shape, []).append(elapsed)
    # Back from batches of one size to the order of the frames.
    found = _taken(_joined(scored), np.argsort(np.concatenate(order)))
    scores = _scores_of(frames, found)
    # Before volumes are made of them: an example is one frame with its own PSNR.
    examples = _examples_of(scores, shown, [pictures[i] for i in shown.tolist()])
    if peaks is not None:
        scores = scores_of_volumes(scores, found.squared_error, found.energy, peaks)
    of_first_size = next(iter(seconds.values()))
    return Evaluation(scores, examples, float(np.median(of_first_size)))


def evenly_spread(count: int, wanted: int) -> Int[np.ndarray, " example"]:
    """Return `wanted` of the positions 0 .. count - 1, or all if there are fewer."""
    return np.linspace(0, count - 1, min(wanted, count)).astype(int)


def _reconstructions(
    network: Network, variables: PyTree, parts: Iterator[FrameBatch], batch: int
) -> Iterator[tuple[FrameBatch, Float[Array, "batch height width 2"], float]]:
    """Yield each batch with its reconstructions and the network's seconds per frame."""
    variables = devices.replicate(variables, devices.mesh_for(batch))
    met: set[tuple[int, ...]] = set()
    for part in parts:
        shape = part.data.target.shape
        if shape not in met:  # the first call compiles, and faults in its memory
            jax.block_until_ready(network(variables, part.data))
            met.add(shape)
        # Under-sampling is no work of the network, so it is waited for before.
        jax.block_until_ready(part.data)
        start = time.perf_counter()
        image = jax.block_until_ready(network(variables, part.data))
        yield part, image, (time.perf_counter() - start) / batch


class Pictures(NamedTuple):
    """Frames as they are looked at, whatever the convention: magnitudes in [0, 1]."""

    target: Float[Array, "batch height width"]
    reconstruction: Float[Array, "batch height width"]
    mask: Bool[Array, "batch height width"]


@devices.over_batch
def _pictures(_: tuple, image: Array, batch: Batch) -> Pictures:
    target = scored_magnitude(batch.target)
    mask = jnp.broadcast_to(batch.measurement.mask, target.shape)
    return Pictures(target, scored_magnitude(image), mask)


def _pictures_shown(
    shown: Int[np.ndarray, " example"], part: FrameBatch, image: Array
) -> dict[int, Pictures]:
    """Return the pictures of the examples in a batch, by their positions."""
    inside = np.flatnonzero(np.isin(part.positions[: part.real], shown))
    if not len(inside):
        return {}  # so that the images of most batches never leave the device
    pictures = processes.gathered(_pictures((), image, part.data))
    return {
        int(part.positions[i]): _taken(pictures, slice(i, i + 1))
        for i in inside.tolist()
    }


def _scores_of(frames: MeasuredFrames, found: Any) -> Scores:
    """Return scores of all frames; `found` are `FrameScores` on the host."""
    images, indices = frames.image_set, frames.indices
    return Scores(
        tuple(images.subjects[i] for i in indices),
        images.slices[indices],
        images.frames[indices],
        found.psnr_db,
        found.ssim,
        found.nmse,
    )


def _examples_of(
    scores: Scores, shown: Int[np.ndarray, " example"], pictures: list[Pictures]
) -> Examples:
    """Return the examples with their scores and pictures, those on the host."""
    shapes = np.array([own.target.shape[1:] for own in pictures])
    filled = [
        jax.tree.map(partial(_filled_up, shape=shapes.max(0)), own) for own in pictures
    ]
    return Examples(
        tuple(scores.subject[i] for i in shown),
        scores.slice[shown],
        scores.frame[shown],
        *_joined(filled),
        psnr_db=scores.psnr_db[shown],
        shape=shapes,
    )


def _filled_up(images: np.ndarray, shape: Int[np.ndarray, "2"]) -> np.ndarray:
    """Add zeros below and at the right of images until they have this shape."""
    missing = shape - images.shape[1:]
    return np.pad(images, [(0, 0), (0, missing[0]), (0, missing[1])])


def _taken(tree: Any, index: slice | Int[np.ndarray, " taken"]) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], tree)


def _joined(parts: list[Any]) -> Any:
    """Return trees of arrays as one, joined along the first axis."""
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
