"""Total variation as a network: its one weight, its settings, its consistency."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.networks import build_network, parameter_count
from emrnas_jax.models.total_variation import STRENGTH
from emrnas_jax.mri.consistency import CONSISTENCY, WEIGHTS
from emrnas_jax.mri.fourier import fft2, to_channels, to_complex
from emrnas_jax.mri.total_variation import restore


def test_its_one_weight_is_its_strength(small_batch):
    network = build_network("tv", {"iterations": 4})
    variables: Any = network.init(
        jax.random.key(0), small_batch.zero_filled, small_batch.measurement
    )
    assert parameter_count(variables["params"]) == 1
    assert variables["params"]["strength"] == np.float32(STRENGTH)


@pytest.mark.parametrize("consistency", sorted(CONSISTENCY.keys() - WEIGHTS.keys()))
def test_it_restores_and_puts_the_measured_samples_back(small_batch, consistency):
    network = build_network("tv", {"iterations": 4, "consistency": consistency})
    kspace, mask, _ = small_batch.measurement
    found: Any = network.apply(
        {"params": {"strength": jnp.float32(0.05)}},
        small_batch.zero_filled,
        small_batch.measurement,
    )
    restored = to_channels(restore(small_batch.measurement, 0.05, 4))
    wanted = CONSISTENCY[consistency](restored, small_batch.measurement)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    error = jnp.where(mask, fft2(to_complex(found)) - kspace, 0)
    assert abs(error).max() < 1e-5


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"iterations": 0}, "iterations=0; at least 1"),
        ({"precision": "bf16"}, "precision='bf16'.*float32 alone"),
        ({"consistency": "none"}, "'none'.*two_step"),
        ({"consistency": "cg"}, "consistency=cg has a weight.*=single"),
        ({"strength": 1.0}, "no setting 'strength'"),
    ],
)
def test_what_it_cannot_do_is_refused(settings, named):
    with pytest.raises(InputError, match=named):
        build_network("tv", settings)
