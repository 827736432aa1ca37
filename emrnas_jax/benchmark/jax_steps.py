"""The programs of this package that are measured, with the settings of a training."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from emrnas_jax.benchmark.programs import Program, compiled, compiled_step
from emrnas_jax.data.phantom import PhantomSettings, subject_images
from emrnas_jax.data.pipeline import Batch
from emrnas_jax.evaluation.batches import prepare_batch
from emrnas_jax.models.emrnas import SearchNetwork, fixed_network
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.training import retrain_steps
from emrnas_jax.training.loss import path_loss
from emrnas_jax.training.optimizers import adam_with_l2, search_weight_optimizer
from emrnas_jax.training.retrain_steps import TrainState, train_step
from emrnas_jax.training.search_state import SearchState
from emrnas_jax.training.search_state import initial_state as initial_search_state
from emrnas_jax.training.search_steps import architecture_step, weight_step
from emrnas_jax.training.settings import RetrainSettings, SearchSettings

RATE = 1e-3  # of every step that is timed
PATHS = 4  # different paths that a comparison's search steps take in turn


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        architecture: of the network; a search has as many cells.
        size: pixels a side.
        batch: frames at once.
        width: channels.
        precision: the network's setting of that name.
        paths: per cell in the step of alphas.
    """

    architecture: Architecture
    size: int
    batch: int
    width: int = 16
    precision: str = "float32"
    paths: int = 1


def phantom_batch(size: int, batch: int) -> Batch:
    """Return under-sampled phantoms, `batch` of `size` x `size`."""
    settings = PhantomSettings(subjects=1, slices=1, frames=batch, size=size)
    images = [named.image for named in subject_images(settings, False, 0)]
    ids = jnp.arange(batch, dtype=jnp.uint32)
    stacked = jnp.asarray(np.stack(images[:batch]))
    return prepare_batch(stacked, ids, jax.random.key(0), Sampling())


def network_of(case: Case) -> nn.Module:
    """Return the fixed network."""
    return fixed_network(case.architecture, case.width, precision=case.precision)


@functools.cache
def initial_weights(case: Case) -> PyTree:
    """Return weights of the fixed network, biases not zero.

    Drawn by NumPy: compiling the draw of each kernel takes longer than measuring.
    """
    random = np.random.default_rng(0)

    def draw(leaf: jax.ShapeDtypeStruct) -> Array:
        bound = 1 / math.sqrt(math.prod(leaf.shape[:-1])) if leaf.ndim == 4 else 0.1
        return jnp.asarray(random.uniform(-bound, bound, leaf.shape), leaf.dtype)

    return jax.tree.map(draw, _empty_state(case).weights)


def initial_state(case: Case) -> TrainState:
    """Return the state at step 0 of the fixed network's training."""
    state = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), _empty_state(case)
    )
    return state._replace(weights=initial_weights(case))


def _empty_state(case: Case) -> TrainState:
    network, settings = network_of(case), RetrainSettings(batch=case.batch)
    return jax.eval_shape(
        lambda: retrain_steps.initial_state(network, settings, jax.random.key(0))
    )


def reconstruction(case: Case) -> Program:
    """The reconstruction of a batch; gives the images."""
    network, data = network_of(case), phantom_batch(case.size, case.batch)
    return compiled(
        lambda w, b: network.apply({"params": w}, b.zero_filled, b.measurement),
        initial_weights(case),
        data,
    )


def training_step(case: Case) -> Program:
    """A training step of the fixed network, its optimizer included."""
    network, settings = network_of(case), RetrainSettings()
    optimizer = adam_with_l2(settings.weight_decay, settings.momentum)
    return compiled_step(
        lambda s, b, r: train_step(network, optimizer, s, b, r),
        initial_state(case),
        phantom_batch(case.size, case.batch),
        jnp.array(RATE),
    )


def search_network(case: Case) -> SearchNetwork:
    """Return the search network with the cells of the architecture."""
    blocks = case.architecture.blocks
    return SearchNetwork(
        components=len(blocks),
        cells_per_block=len(blocks[0]),
        width=case.width,
        precision=case.precision,
    )


def search_state(case: Case) -> SearchState:
    """Return the search's state at step 0, the same at every call."""
    settings = SearchSettings(batch=case.batch)
    return initial_search_state(search_network(case), settings, jax.random.key(0))


def search_weight_step(case: Case) -> Program:
    """A search's step of the weights; `run` takes the path's choices."""
    network, settings = search_network(case), SearchSettings(batch=case.batch)
    optimizer = search_weight_optimizer(settings.weight_decay, settings.momentum)
    return compiled_step(
        lambda s, b, r, c: weight_step(network, optimizer, s, b, c, r),
        search_state(case),
        phantom_batch(case.size, case.batch),
        jnp.array(RATE),
        jnp.array(case.architecture.cells),
    )


def search_alpha_step(case: Case) -> Program:
    """A search's step of alphas; `run` takes the key of the gates."""
    network, settings = search_network(case), SearchSettings(batch=case.batch)
    optimizer = adam_with_l2(settings.alpha_weight_decay, settings.alpha_momentum)
    return compiled_step(
        lambda s, b, k: architecture_step(
            network, optimizer, s, b, k, RATE, case.paths, "sample"
        ),
        search_state(case),
        phantom_batch(case.size, case.batch),
        jax.random.key(1),
    )


def candidate_pass(case: Case) -> Program:
    """The loss of one candidate of a random search on a batch."""
    network = search_network(case)
    return compiled(
        lambda w, b, c: path_loss(network, w, b, c),
        search_state(case).weights,
        phantom_batch(case.size, case.batch),
        jnp.array(case.architecture.cells),
    )


def sampled_paths(case: Case) -> list[Int[Array, " cell"]]:
    """Return the architecture's own path and others, drawn by a seed.

    So that a comparison does not rest on one lucky path.
    """
    drawn = np.random.default_rng(0).integers(
        0, len(OPERATIONS), (PATHS - 1, len(case.architecture.cells))
    )
    own = np.asarray(case.architecture.cells)[None]
    return [jnp.array(path, jnp.int32) for path in np.concatenate([own, drawn])]


PROGRAMS: dict[str, Callable[[Case], Program]] = {
    "reconstruct": reconstruction,
    "train-step": training_step,
    "search-step": search_weight_step,
}
