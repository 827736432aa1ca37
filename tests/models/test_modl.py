"""MoDL against its formula with dense matrices, and what its steps share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.models.layers import EARLIER_IMAGES
from emrnas_jax.models.networks import blank_inputs, build_network, parameter_count
from emrnas_jax.mri.fourier import to_channels
from emrnas_jax.mri.measurement import undersample, zero_filled
from tests.fixtures.operator_laws import random_complex, simulated_coil_maps

SMALL = {"layers": 1, "width": 4}
SHAPE, COILS = (8, 8), 3


def scene(coils):
    mask = jnp.asarray(np.random.default_rng(1).random((2, 8, 1)) < 0.5)
    maps = simulated_coil_maps(coils, *SHAPE, frames=2) if coils else None
    measurement = undersample(random_complex(2, 2, *SHAPE), mask, maps)
    return zero_filled(measurement), measurement


def drawn(network, *inputs):
    shapes = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    draw = np.random.default_rng(0).uniform
    return jax.tree.map(
        lambda leaf: jnp.asarray(draw(-0.3, 0.4, leaf.shape), leaf.dtype), shapes
    )


def run(network, variables, *inputs) -> Any:
    return jax.jit(network.apply)(variables, *inputs)


def denoised(image, weights):
    """x + D(x) with NumPy: convolutions with ReLU but for the last, zeros outside."""
    features = np.asarray(image, float)
    *hidden, last = weights["first"], weights["block"]["conv_1"], weights["last"]
    for layer in (*hidden, last):
        kernel, bias = (np.asarray(layer[key], float) for key in ("kernel", "bias"))
        padded = np.pad(features, [(0, 0), (1, 1), (1, 1), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
        features = np.einsum("bhwiuv,uvio->bhwo", windows, kernel) + bias
        if layer is not last:
            features = np.maximum(features, 0)
    return image + features


def nearest(image, measurement, weight):
    """The least |A x - k|² + λ |x - z|² of every frame, by dense matrices."""
    found = []
    for frame in range(2):
        units = np.eye(64).reshape(64, 1, *SHAPE)
        maps = np.asarray(measurement.coil_maps[frame], complex)
        mask = np.broadcast_to(measurement.mask[frame], SHAPE)
        kspace = np.where(mask, np.fft.fft2(maps * units, norm="ortho"), 0)
        matrix = kspace.reshape(64, -1).T
        z = (image[frame, ..., 0] + 1j * image[frame, ..., 1]).ravel()
        left = matrix.conj().T @ matrix + weight * np.eye(64)
        right = matrix.conj().T @ np.ravel(measurement.kspace[frame]) + weight * z
        found.append(np.linalg.solve(left, right).reshape(SHAPE))
    return np.asarray(to_channels(jnp.asarray(found)))


def test_two_steps_are_those_of_the_paper():
    image, measurement = scene(COILS)
    network = build_network("modl", SMALL | {"components": 2})
    variables = drawn(network, image, measurement)
    weights = variables["params"]["step"]
    # λ is large enough for ten steps of conjugate gradients to end at the solution.
    weights["log_weight"] = jnp.float32(np.log(20))
    expected = np.asarray(image)
    for _ in range(2):
        expected = nearest(denoised(expected, weights), measurement, 0.05 * 20)
    found = run(network, variables, image, measurement)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert np.abs(found - image).max() > 0.1


@pytest.mark.parametrize("coils", [0, COILS])
def test_many_steps_are_one_step_many_times(coils):
    image, measurement = scene(coils)
    once, thrice = (build_network("modl", SMALL | {"components": n}) for n in (1, 3))
    variables = drawn(once, image, measurement)
    found, kept = jax.jit(
        lambda v: thrice.apply(v, image, measurement, mutable=[EARLIER_IMAGES])
    )(variables)
    images = [image]
    for _ in range(3):
        images.append(run(once, variables, images[-1], measurement))
    for own, expected in zip((*jax.tree.leaves(kept), found), images[1:], strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("components", [1, 10])
def test_its_size_does_not_depend_on_its_steps(components):
    network = build_network("modl", {"components": components})
    shapes = jax.eval_shape(network.init, jax.random.key(0), *blank_inputs())
    assert parameter_count(shapes["params"]) == 113_155
