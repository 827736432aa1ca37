"""The slow, plain forms of Figures 1 and 2 that the networks are compared with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.pipeline import make_batch
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.operations import weight_shapes
from emrnas_jax.models.stacked_weights import STACKED, unpack
from emrnas_jax.mri.consistency import CONSISTENCY
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import OPERATIONS, sources

BETA, SLOPE = 0.2, 0.2


def convolution(x, weights, dilation):
    """The library's convolution with the library's gradient."""
    y = jax.lax.conv_general_dilated(
        x,
        weights["kernel"],
        (1, 1),
        [(dilation, dilation)] * 2,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return y + weights["bias"][None, None, None]


def batch_norm(weights, y):
    mean = jnp.mean(y, (0, 1, 2), keepdims=True)
    deviation = jnp.sqrt(jnp.mean((y - mean) ** 2, (0, 1, 2), keepdims=True) + 1e-5)
    scale = weights["norm_scale"][None, None, None]
    return (y - mean) / deviation * scale + weights["norm_bias"][None, None, None]


def operation(chosen, weights, x):
    """Figure 2 (right): concatenate the source maps, convolve, activate."""
    maps = [x]
    for j in range(4):
        stack = jnp.concatenate([maps[s] for s in sources(chosen, j)], axis=-1)
        y = convolution(stack, weights[j], chosen.dilations[j])
        if j < 3:
            y = jnp.where(y > 0, y, SLOPE * y)
            if "norm_scale" in weights[j]:
                y = batch_norm(weights[j], y)
        maps.append(y)
    return maps[4]


def search_network(params, batch, mix, cells_per_block, consistency="two_step"):
    """Figures 1 and 2 unrolled: every cell is `sum over j of mix[cell, j] · O_j`."""
    stacked, image = params["components"], batch.zero_filled
    for n in range(mix.shape[0] // cells_per_block):
        own = jax.tree.map(lambda leaf, n=n: leaf[n], stacked)
        start = h = convolution(image, own["first"], 1)
        for c in range(cells_per_block):
            cell = jax.tree.map(lambda leaf, c=c: leaf[c], own["block"]["cells"])
            change = jnp.zeros_like(h)
            for j, o in enumerate(OPERATIONS):
                weights = unpack(
                    weight_shapes(o, LayerSettings(h.shape[-1])),
                    cell["cell"][STACKED][j],
                )
                change += mix[n * cells_per_block + c, j] * operation(o, weights, h)
            h = h + BETA * change
        image = image + convolution(start + BETA * h, own["last"], 1)
        image = CONSISTENCY[consistency](image, batch.measurement)
    return image


@pytest.fixture(scope="session")
def reference_operation():
    return operation


@pytest.fixture(scope="session")
def reference_search_network():
    return search_network


@pytest.fixture(scope="session")
def operation_weights():
    """Make random weights of one operation, with those of batch norm if asked."""

    def make(chosen, width, seed, with_norm=False):
        draw = np.random.default_rng(seed).standard_normal

        def of(j):
            inputs = width * len(sources(chosen, j))
            weights = {"kernel": draw((3, 3, inputs, width)) / 6, "bias": draw(width)}
            if with_norm and j < 3:
                weights |= {"norm_scale": 1 + draw(width) / 4, "norm_bias": draw(width)}
            return {name: jnp.asarray(w, jnp.float32) for name, w in weights.items()}

        return [of(j) for j in range(4)]

    return make


@pytest.fixture(scope="session")
def small_batch():
    """Two frames of 8 x 8 with 4 of 8 lines."""
    frames = np.random.default_rng(0).random((2, 8, 8), np.float32)
    ids = jnp.arange(2, dtype=jnp.uint32)
    sampling = Sampling(rate=0.5)
    return jax.jit(lambda x: make_batch(x, ids, jax.random.key(0), sampling))(frames)
