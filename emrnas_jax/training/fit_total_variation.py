"""The strength of total variation, chosen on S_val: what stands for its training.

Every strength of a logarithmic grid is scored by its mean PSNR on frames of S_val, then
four more around the best; the best of all becomes a checkpoint like any network's. The
masks are the fixed ones of validation and test, so the choice depends on the data and
the seed alone. `strength.json` keeps every score as soon as it is known: a stopped fit
goes on where it was.
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
from emrnas_jax.machine.progress import Pace, say_without_bars
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.models.total_variation import TotalVariation
from emrnas_jax.runs.checkpoints import Checkpoints
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import (
    Fit,
    TriedWeight,
    read_tried_weights,
    write_fit,
)
from emrnas_jax.training.retrain import identity, keep_record
from emrnas_jax.training.retrain_steps import initial_state
from emrnas_jax.training.settings import RetrainSettings

LOG = logging.getLogger("emrnas_jax")

MOST_FRAMES = 100  # of S_val, evenly spread
GRID = tuple(10.0**exponent for exponent in np.arange(-4, -0.9, 0.5))
AROUND = tuple(10.0**exponent for exponent in (-1 / 3, -1 / 6, 1 / 6, 1 / 3))
STRENGTHS = len(GRID) + len(AROUND)  # that a fit tries
# A frame without content is restored exactly at every strength.
HIGHEST_DB = 100.0


def is_fitted(network: nn.Module) -> bool:
    """Return whether a network's strength is fitted instead of its weights trained."""
    return isinstance(network, TotalVariation)


def fit_strength(
    name: str,
    folder: Path,
    record: NetworkRecord,
    step: int,
    image_set: ImageSet,
    validation: Int[np.ndarray, " frame"],
    batch: int,
) -> None:
    """Choose the strength of a fold's total variation; continue if it was stopped.

    Args:
        name: what progress bars and lines say.
        folder: of the network; gets what a trained one has, and `strength.json`.
        record: of the network.
        step: the number of its checkpoint.
        image_set: where the frames come from.
        validation: the frames of S_val; at most MOST_FRAMES of them are used.
        batch: frames at once.

    Raises:
        InputError: the folder is of another network, or its `strength.json` damaged.
    """
    keep_record(folder, record)
    network = record.build()
    indices = _spread(validation)
    frames = MeasuredFrames(
        image_set, indices, record.load_sampling(), fixed_mask_key(record.seed)
    )
    settings = EvaluationSettings(batch=batch, examples=1, convention=PAPER)
    apply = over_batch(
        lambda variables, data: network.apply(
            variables, data.zero_filled, data.measurement
        )
    )

    def score(strength: float) -> float:
        variables = {"params": {"strength": jnp.float32(strength)}}
        label = f"{name}, strength {strength:.3g}"
        scores = evaluate(label, apply, variables, frames, settings).scores
        return float(np.minimum(scores.psnr_db, HIGHEST_DB).mean())

    files = NetworkFolder(folder)
    tried, pace = read_tried_weights(files.fit), Pace()
    _say_beginning(name, len(tried), len(indices))

    def tell() -> None:
        fit = Fit(
            strength=_best(tried),
            psnr_db=tuple(TriedWeight(*pair) for pair in tried.items()),
            frames=len(indices),
            subjects=tuple(sorted({image_set.subjects[i] for i in indices})),
            metrics=in_words(PAPER),
        )
        write_fit(files.fit, fit)
        if pace.is_due(urgent=len(tried) == 1):
            strength, db = list(tried.items())[-1]
            message = "%s: strength %.3g gives %.2f dB, %d of %d tried"
            say_without_bars(message, name, strength, db, len(tried), STRENGTHS)

    strength = choose_strength(score, tried, tell)
    message = "%s: strength %.3g is the best on the validation frames, %.2f dB"
    LOG.info(message, name, strength, tried[strength])
    like = jax.eval_shape(
        lambda: initial_state(network, RetrainSettings(), jax.random.key(0))
    )
    state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
    state = state._replace(
        weights={"strength": jnp.float32(strength)}, step=jnp.asarray(step, jnp.int32)
    )
    with closing(Checkpoints(files.checkpoints, identity(record))) as checkpoints:
        checkpoints.save(step, replicate(state, mesh_for(divisible(batch))))


def _say_beginning(name: str, tried: int, frames: int) -> None:
    if tried:
        LOG.info("%s: %d of %d strengths were tried before", name, tried, STRENGTHS)
    if tried < STRENGTHS:
        message = "%s: trying %d strengths on %d validation frames"
        say_without_bars(message, name, STRENGTHS - tried, frames)


def choose_strength(
    score: Callable[[float], float],
    tried: dict[float, float],
    tell: Callable[[], None],
) -> float:
    """Return the best strength: of GRID, then of four more around its best.

    Args:
        score: of a strength; the larger the better.
        tried: strengths with their scores that are known; gets those that are found.
        tell: is called after each that is found.
    """

    def best_of(strengths: tuple[float, ...]) -> float:
        for strength in strengths:
            if strength not in tried:
                tried[strength] = score(strength)
                tell()
        return _best({strength: tried[strength] for strength in strengths})

    grid = tuple(_rounded(strength) for strength in GRID)
    best = best_of(grid)
    return best_of((best, *(_rounded(best * factor) for factor in AROUND)))


def _best(tried: dict[float, float]) -> float:
    return max(tried, key=lambda strength: (tried[strength], -strength))


def _rounded(strength: float) -> float:
    return float(f"{strength:.3g}")


def _spread(frames: Int[np.ndarray, " frame"]) -> Int[np.ndarray, " chosen"]:
    count = min(MOST_FRAMES, len(frames))
    return frames[(2 * np.arange(count) + 1) * len(frames) // (2 * count)]
