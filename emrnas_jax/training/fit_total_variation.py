"""The regularisation weight of TV and SENSE, fitted on S_val instead of trained.

Every weight λ of a logarithmic grid is scored by its mean PSNR on frames of S_val, then
four more around the best; the best of all becomes a checkpoint like any network's. The
masks are the fixed ones of validation and test, so the choice depends on the data and
the seed alone. Files, lines and the network's parameter call λ its strength.
`strength.json` keeps every score as soon as it is known, so a stopped fit continues.
"""

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from emrnas_jax.data.image_set import ImageSet
from emrnas_jax.data.pipeline import fixed_mask_key
from emrnas_jax.evaluation.batches import MeasuredFrames
from emrnas_jax.evaluation.conventions import PAPER, in_words
from emrnas_jax.evaluation.evaluate import EvaluationSettings, evaluate
from emrnas_jax.machine.devices import divisible, mesh_for, over_batch, replicate
from emrnas_jax.machine.json_files import write_json
from emrnas_jax.machine.progress import Pace, say_without_bars
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.models.sense import FittedSense
from emrnas_jax.models.total_variation import TotalVariation
from emrnas_jax.runs.checkpoints import Checkpoints
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import (
    Fit,
    Plan,
    TriedWeight,
    read_tried_weights,
    write_fit,
)
from emrnas_jax.training.retrain import identity, keep_record
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import initial_state

LOG = logging.getLogger("emrnas_jax")

MOST_FRAMES = 100  # of S_val, evenly spread
# Two values a decade; AROUND takes four more between the best one's neighbours.
GRID = tuple(10.0**exponent for exponent in np.arange(-4, -0.9, 0.5))
AROUND = tuple(10.0**exponent for exponent in (-1 / 3, -1 / 6, 1 / 6, 1 / 3))
TRIES = len(GRID) + len(AROUND)
# A frame without content is restored exactly at every strength.
HIGHEST_DB = 100.0


def is_fitted(network: nn.Module) -> bool:
    """Return whether a network has one weight that is fitted instead of trained."""
    return isinstance(network, TotalVariation | FittedSense)


def fit_weight(
    name: str,
    folder: Path,
    record: NetworkRecord,
    step: int,
    image_set: ImageSet,
    validation: Int[np.ndarray, " frame"],
    batch: int,
) -> None:
    """Fit the regularisation weight of a fold; continue if it was stopped.

    Args:
        name: name of the fit in progress bars and lines.
        folder: folder of the network; gets the files of a trained one, `strength.json`.
        record: record of the network.
        step: number of the checkpoint.
        image_set: images of the run.
        validation: frames of S_val, MOST_FRAMES of which are used if there are more.
        batch: number of frames that are reconstructed at once.

    Raises:
        InputError: the folder is of another network, or its `strength.json` damaged.
    """
    keep_record(folder, record)
    network = record.build()
    indices = _spread(validation)
    # Fixed masks: two scores differ by the weight alone.
    frames = MeasuredFrames(
        image_set, indices, record.load_sampling(), fixed_mask_key(record.seed)
    )
    settings = EvaluationSettings(batch=batch, examples=1, convention=PAPER)
    apply = over_batch(
        lambda variables, data: network.apply(
            variables, data.zero_filled, data.measurement
        )
    )

    def score(weight: float) -> float:
        variables = {"params": {"strength": jnp.float32(weight)}}
        label = f"{name}, strength {weight:.3g}"
        scores = evaluate(label, apply, variables, frames, settings).scores
        return float(np.minimum(scores.psnr_db, HIGHEST_DB).mean())

    files = NetworkFolder(folder)
    tried, pace = read_tried_weights(files.fit), Pace()
    _say_beginning(name, len(tried), len(indices))

    def keep() -> None:
        fit = Fit(
            strength=_best(tried),
            psnr_db=tuple(TriedWeight(*pair) for pair in tried.items()),
            frames=len(indices),
            subjects=tuple(sorted({image_set.subjects[i] for i in indices})),
            metrics=in_words(PAPER),
        )
        write_fit(files.fit, fit)
        if pace.is_due(urgent=len(tried) == 1):
            weight, db = list(tried.items())[-1]
            message = "%s: strength %.3g gives %.2f dB, %d of %d tried"
            say_without_bars(message, name, weight, db, len(tried), TRIES)

    weight = choose_weight(score, tried, keep)
    message = "%s: strength %.3g is the best on the validation frames, %.2f dB"
    LOG.info(message, name, weight, tried[weight])
    write_json(files.plan, Plan(step))
    # Shapes alone: no weights are drawn that the fitted one would replace.
    like = jax.eval_shape(
        lambda: initial_state(network, RetrainSettings(), jax.random.key(0))
    )
    # The optimizer's state is never used: it makes the checkpoint one of any network.
    state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
    # The step with which a training would end: `has_trained` looks for it.
    state = state._replace(
        weights={"strength": jnp.float32(weight)}, step=jnp.asarray(step, jnp.int32)
    )
    with closing(Checkpoints(files.checkpoints, identity(record))) as checkpoints:
        checkpoints.save(step, replicate(state, mesh_for(divisible(batch))))


def _say_beginning(name: str, tried: int, frames: int) -> None:
    if tried:
        LOG.info("%s: %d of %d strengths were tried before", name, tried, TRIES)
    if tried < TRIES:
        message = "%s: trying %d strengths on %d validation frames"
        say_without_bars(message, name, TRIES - tried, frames)


def choose_weight(
    score: Callable[[float], float],
    tried: dict[float, float],
    keep: Callable[[], None],
) -> float:
    """Return the best weight: of GRID, then of four more around its best.

    Args:
        score: score of a weight; the larger the better.
        tried: known scores by weight; gets those that are found.
        keep: function to call after each score that is found.
    """

    def best_of(weights: tuple[float, ...]) -> float:
        for weight in weights:
            if weight not in tried:
                tried[weight] = score(weight)
                keep()
        return _best({weight: tried[weight] for weight in weights})

    # The weights are keys of a file, so they have few digits and are found again.
    grid = tuple(_rounded(weight) for weight in GRID)
    best = best_of(grid)
    return best_of((best, *(_rounded(best * factor) for factor in AROUND)))


def _best(tried: dict[float, float]) -> float:
    # A tie goes to the smaller weight, which changes the image less.
    return max(tried, key=lambda weight: (tried[weight], -weight))


def _rounded(weight: float) -> float:
    return float(f"{weight:.3g}")


def _spread(frames: Int[np.ndarray, " frame"]) -> Int[np.ndarray, " chosen"]:
    # The middle frame of each of `count` equal parts.
    count = min(MOST_FRAMES, len(frames))
    return frames[(2 * np.arange(count) + 1) * len(frames) // (2 * count)]
