"""Scores of a network on test frames, and a few frames to look at."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import grain
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jaxtyping import Array, Bool, Float, Int, PyTree

from emrnas_jax.data.dataset import Images, ImageSet
from emrnas_jax.data.pipeline import Batch, RandomKey, make_batch
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import CONVENTIONS, PAPER
from emrnas_jax.evaluation.metrics import nmse, psnr_db, scored_magnitude, ssim
from emrnas_jax.evaluation.volumes import scores_of_volumes, volume_peaks
from emrnas_jax.machine import devices, processes
from emrnas_jax.machine.progress import counted
from emrnas_jax.mri.consistency import magnitude
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.runs.scores import Examples, Scores

READ_AHEAD = 2  # batches

# (variables, batch) -> reconstructions; of `devices.over_batch`, made once, so that
# folds share its program.
Network = Callable[[PyTree, Batch], Float[Array, "batch height width 2"]]


class Scored(NamedTuple):
    """The scores of a batch, one per frame.

    Attributes:
        psnr_db, ssim, nmse: under a convention, of each frame by itself.
        squared_error: mean over the pixels, of which volumes are scored.
        energy: likewise of the target's squared pixels.
    """

    psnr_db: Float[Array, " batch"]
    ssim: Float[Array, " batch"]
    nmse: Float[Array, " batch"]
    squared_error: Float[Array, " batch"]
    energy: Float[Array, " batch"]


def score(
    image: Float[Array, "batch height width 2"],
    batch: Batch,
    convention: str = PAPER,
    volume_peak: Float[Array, " batch"] | None = None,
) -> Scored:
    """Score a batch of reconstructions against their targets.

    Args:
        image: of a network.
        batch: holds the targets.
        convention: a key of `CONVENTIONS`.
        volume_peak: the largest value of each target's volume; needed where the
            convention scores volumes.
    """
    found, target, data_range = CONVENTIONS[convention].images(
        magnitude(to_complex(image)), magnitude(to_complex(batch.target)), volume_peak
    )
    return Scored(
        psnr_db(found, target, data_range),
        ssim(found, target, data_range),
        nmse(found, target),
        jnp.mean((found - target) ** 2, (1, 2)),
        jnp.mean(target**2, (1, 2)),
    )


@cache
def _scored_by(convention: str) -> Callable[..., Scored]:
    return devices.over_batch(
        lambda _, image, batch, peak: score(image, batch, convention, peak)
    )


class Pictures(NamedTuple):
    """A batch as it is looked at, whatever the convention."""

    target: Float[Array, "batch height width"]
    reconstruction: Float[Array, "batch height width"]
    mask: Bool[Array, "batch height width"]


@devices.over_batch
def _pictures(_: tuple, image: Array, batch: Batch) -> Pictures:
    target = scored_magnitude(batch.target)
    mask = jnp.broadcast_to(batch.measurement.mask, target.shape)
    return Pictures(target, scored_magnitude(image), mask)


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
    convention: str = PAPER,
) -> tuple[Scores, Examples, float]:
    """Reconstruct and score test frames.

    Args:
        name: what the progress bar says, or a line a minute where none is seen.
        network: compiled, maps variables and a batch to reconstructions.
        variables: of the network.
        image_set: where the frames come from.
        indices: the test frames.
        sampling: how masks are drawn.
        mask_key: with a frame's number it decides the frame's mask.
        batch: frames at once, enlarged to what all devices share evenly.
        examples: how many frames to return, evenly spread.
        convention: a key of `CONVENTIONS`.

    Returns:
        scores, examples, and the seconds per frame that the network took.
    """
    batch = devices.divisible(batch)
    mesh = devices.mesh_for(batch)
    own = devices.rows_of_process(mesh, batch)
    divided = NamedSharding(mesh, devices.DIVIDED)
    variables = devices.replicate(variables, mesh)
    ids = image_set.frame_ids[indices]
    of_volumes = CONVENTIONS[convention].unit == "volume"
    peaks = volume_peaks(image_set, indices) if of_volumes else None
    wanted = np.linspace(0, len(indices) - 1, min(examples, len(indices))).astype(int)
    scored: list[Scored] = []
    shown: list[Pictures] = []
    seconds = []
    batches = list(padded_batches(len(indices), batch))
    read = _read_ahead(image_set, [indices[positions[own]] for positions, _ in batches])
    steps = zip(batches, read, strict=True)
    for (positions, real), images in counted(
        steps, len(batches), name, "batches scored"
    ):
        chosen = positions[own]
        numbers = devices.put(ids[chosen], divided)
        images = devices.put(images, divided)
        data = prepare_batch(images, numbers, mask_key, sampling)
        if not scored:  # the first call compiles, and faults in its memory
            jax.block_until_ready(network(variables, data))
        jax.block_until_ready(data)
        start = time.perf_counter()
        image = jax.block_until_ready(network(variables, data))
        seconds.append((time.perf_counter() - start) / batch)
        peak = None if peaks is None else devices.put(peaks[chosen], divided)
        found = processes.gathered(_scored_by(convention)((), image, data, peak))
        scored.append(jax.tree.map(lambda a, n=real: a[:n], found))
        inside = wanted[(positions[0] <= wanted) & (wanted <= positions[-1])]
        if len(inside):  # the images of the others stay on the device
            pictures = processes.gathered(_pictures((), image, data))
            rows = inside - positions[0]
            shown.append(jax.tree.map(lambda a, r=rows: a[r], pictures))
    whole = jax.tree.map(lambda *parts: np.concatenate(parts), *scored)
    scores = Scores(
        tuple(image_set.subjects[i] for i in indices),
        image_set.slices[indices],
        image_set.frames[indices],
        whole.psnr_db,
        whole.ssim,
        whole.nmse,
    )
    example_frames = Examples(
        tuple(scores.subject[i] for i in wanted),
        scores.slice[wanted],
        scores.frame[wanted],
        *jax.tree.map(lambda *parts: np.concatenate(parts), *shown),
        psnr_db=scores.psnr_db[wanted],
    )
    if peaks is not None:
        scores = scores_of_volumes(scores, whole.squared_error, whole.energy, peaks)
    return scores, example_frames, float(np.median(seconds))


def _read_ahead(
    image_set: ImageSet, batches: list[Int[np.ndarray, " frame"]]
) -> Iterator[Images]:
    """Yield the images of each batch; a thread reads the next ones."""
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=READ_AHEAD)
    read = grain.MapDataset.range(len(batches)).map(
        lambda number: image_set.images(batches[number])
    )
    return iter(read.to_iter_dataset(options))


@dataclass(frozen=True)
class EvaluationSettings:
    """The config section `evaluation`.

    Attributes:
        batch: frames reconstructed at once.
        examples: test frames of each fold kept for the figures.
        convention: of the scores, a key of `conventions.CONVENTIONS`.
    """

    batch: int = 8
    examples: int = 3
    convention: str = PAPER

    def __post_init__(self) -> None:
        """Refuse what cannot work.

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
