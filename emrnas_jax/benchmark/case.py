"""The case that a benchmark measures, and its inputs: networks, weights, data, paths.

Both sides of a comparison take their inputs from here, so that they compute the same.
Weights and paths are drawn from fixed seeds: every call gives the same ones.
"""

import functools
import math
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from emrnas_jax.data.phantom import PhantomSettings, subject_images
from emrnas_jax.data.pipeline import Batch
from emrnas_jax.evaluation.batches import prepare_batch
from emrnas_jax.models.emrnas import SearchNetwork, fixed_network
from emrnas_jax.models.half_resolution import half_resolution
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.mri.measurement import undersample, zero_filled
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.training import retrain_steps
from emrnas_jax.training import search_state as searches
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import TrainState
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_state import SearchState

PATHS = 4  # different paths that a comparison's search steps take in turn


@dataclass(frozen=True)
class Case:
    """A network with the size of its work.

    Attributes:
        architecture: operations of the fixed network; a search has as many cells.
        size: height and width of the frames, pixels.
        batch: frames at once.
        width: channels of EMR-NAS.
        precision: precision of the convolutions, a key of `MATRIX_FORMS`.
        paths: paths per cell in the search's step of alphas.
        network: fixed network, "emrnas" or "half_resolution", which has its own size.
        strip: width of the strips that are cut from the frames, pixels; 0 for frames.
    """

    architecture: Architecture
    size: int
    batch: int
    width: int = 16
    precision: str = "float32"
    paths: int = 1
    network: str = "emrnas"
    strip: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of what the network sees, pixels."""
        return self.size, self.strip or self.size


def network_of(case: Case) -> nn.Module:
    """Return the fixed network."""
    if case.network == "half_resolution":
        return half_resolution(precision=case.precision)
    return fixed_network(case.architecture, LayerSettings(case.width, case.precision))


def search_network(case: Case) -> SearchNetwork:
    """Return the search network with the cells of the architecture."""
    # A search knows only the number of cells; which operations run is the path.
    blocks = case.architecture.blocks
    return SearchNetwork(
        components=len(blocks),
        cells_per_block=len(blocks[0]),
        width=case.width,
        precision=case.precision,
    )


def phantom_batch(size: int, batch: int) -> Batch:
    """Return under-sampled phantoms of `size` x `size` pixels, `batch` of them."""
    # Phantoms need no download, and their masks are those of a real test.
    settings = PhantomSettings(subjects=1, slices=1, frames=batch, size=size)
    images = [named.image for named in subject_images(settings, False, 0)]
    ids = jnp.arange(batch, dtype=jnp.uint32)
    stacked = jnp.asarray(np.stack(images[:batch]))
    return prepare_batch(stacked, ids, jax.random.key(0), Sampling())


def batch_of(case: Case) -> Batch:
    """Return the under-sampled phantoms, or strips of them, that a case computes."""
    data = phantom_batch(case.size, case.batch)
    if not case.strip:
        return data
    # Strips of a readout along the columns are measured as the frames are.
    target = data.target[:, :, : case.strip]
    measurement = undersample(to_complex(target), data.measurement.mask)
    return Batch(zero_filled(measurement), measurement, target)


# Kept, because each row of a table asks for them several times.
@functools.cache
def initial_weights(case: Case) -> PyTree:
    """Return weights of the fixed network.

    NumPy draws them: compiling the draw of each kernel takes longer than measuring. No
    bias is zero, as it would be at the start of a training, so that a comparison sees
    an implementation that forgets them.
    """
    random = np.random.default_rng(0)

    def draw(leaf: jax.ShapeDtypeStruct) -> Array:
        # Kernels of the scale that keeps activations finite; biases that matter.
        bound = 1 / math.sqrt(math.prod(leaf.shape[:-1])) if leaf.ndim == 4 else 0.1
        return jnp.asarray(random.uniform(-bound, bound, leaf.shape), leaf.dtype)

    return jax.tree.map(draw, _empty_state(case).weights)


def initial_state(case: Case) -> TrainState:
    """Return the state of the fixed network's training at step 0."""
    # Moments and counts of Adam are zero at step 0, whatever the weights.
    state = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), _empty_state(case)
    )
    return state._replace(weights=initial_weights(case))


def _empty_state(case: Case) -> TrainState:
    network, settings = network_of(case), RetrainSettings(batch=case.batch)
    return jax.eval_shape(
        lambda: retrain_steps.initial_state(network, settings, jax.random.key(0))
    )


def search_state(case: Case) -> SearchState:
    """Return the state of the search at step 0."""
    # A fixed key, so that PyTorch gets the weights that our program has.
    settings = SearchSettings(batch=case.batch)
    return searches.initial_state(search_network(case), settings, jax.random.key(0))


def sampled_paths(case: Case) -> list[Int[Array, " cell"]]:
    """Return the architecture's own path and others, drawn with a fixed seed.

    Operations differ in speed, so a comparison should not rest on one lucky path.
    """
    drawn = np.random.default_rng(0).integers(
        0, len(OPERATIONS), (PATHS - 1, len(case.architecture.cells))
    )
    own = np.asarray(case.architecture.cells)[None]
    return [jnp.array(path, jnp.int32) for path in np.concatenate([own, drawn])]
