"""The cascade: any block in it leaves the measured samples as they are."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.models.cascade import Cascade
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.networks import blank_inputs
from emrnas_jax.mri.fourier import fft2, to_complex
from emrnas_jax.mri.measurement import undersample


class Wild(nn.Module):
    """A block that makes a mess, and tells whether it was training."""

    @nn.compact
    def __call__(self, x, train):
        return jnp.sin(50 * x) + (10.0 if train else 0.0)


def apply(network, *arguments, **options):
    return jnp.asarray(network.apply(*arguments, **options))


@pytest.mark.parametrize("consistency", ["single", "two_step", "real"])
def test_measured_samples_survive_any_block(consistency, small_batch):
    network = Cascade((Wild, Wild), LayerSettings(3), consistency)
    variables = network.init(
        jax.random.key(0), small_batch.zero_filled, small_batch.measurement
    )
    image = apply(network, variables, small_batch.zero_filled, small_batch.measurement)
    assert np.abs(image - small_batch.zero_filled).max() > 0.05
    kspace, mask, _ = small_batch.measurement
    mask = jnp.broadcast_to(mask, kspace.shape)
    found = fft2(to_complex(image))
    np.testing.assert_allclose(found[mask], kspace[mask], atol=1e-4)


def test_everything_measured_is_the_target(small_batch):
    network = Cascade((Wild,), LayerSettings(3), "single")
    measurement = undersample(to_complex(small_batch.target), jnp.ones((2, 8, 1), bool))
    variables = network.init(jax.random.key(0), small_batch.target, measurement)
    image = apply(network, variables, small_batch.zero_filled, measurement)
    np.testing.assert_allclose(image, small_batch.target, atol=1e-5)


def test_components_have_weights_of_their_own_and_know_of_training(small_batch):
    network = Cascade((Wild, Wild), LayerSettings(3), "single")
    variables = network.init(
        jax.random.key(0), small_batch.zero_filled, small_batch.measurement
    )
    assert set(variables["params"]) == {"component_1", "component_2"}
    evaluated = apply(
        network, variables, small_batch.zero_filled, small_batch.measurement
    )
    trained = apply(
        network, variables, small_batch.zero_filled, small_batch.measurement, train=True
    )
    assert np.abs(evaluated - trained).max() > 0.05


def test_the_change_is_added_to_the_components_input(small_batch):
    """With the last convolution at zero and nothing measured, the image passes."""
    network = Cascade((Wild, Wild), LayerSettings(3), "single")
    variables = network.init(
        jax.random.key(0), small_batch.zero_filled, small_batch.measurement
    )
    silent = jax.tree.map(jnp.zeros_like, variables)
    _, nothing = blank_inputs(8, 8)
    image = apply(network, silent, small_batch.zero_filled[:1], nothing)
    np.testing.assert_allclose(image, small_batch.zero_filled[:1], atol=1e-6)
