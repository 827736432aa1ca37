"""Phantoms of 16 x 16 and the batch, network and states of the tests of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import make_batch
from emrnas_jax.data.split import Split
from emrnas_jax.mri.sampling import Sampling


@pytest.fixture(scope="session")
def sampling():
    return Sampling(rate=0.3)


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory):
    """Twelve frames of three subjects."""
    settings = DataSettings(
        path="phantom",
        cache=str(tmp_path_factory.mktemp("cache")),
        height=16,
        width=16,
        phantom={"subjects": 3, "slices": 1, "frames": 4, "size": 16},
    )
    return open_dataset(settings)


@pytest.fixture(scope="session")
def split_of(phantoms):
    """Make a split of the first so many frames, two per step."""

    def make(frames, batch=2, steps_per_call=3, device_mib=1.0, mesh=None):
        return Split(
            phantoms,
            np.arange(frames),
            batch,
            jax.random.key(5),
            steps_per_call,
            device_mib,
            mesh,
        )

    return make


@pytest.fixture(scope="session")
def batch(phantoms, sampling):
    images = jnp.asarray(phantoms.images([3, 8]))
    ids = jnp.asarray(phantoms.frame_ids[[3, 8]])
    key = jax.random.key(0)
    return jax.jit(lambda x: make_batch(x, ids, key, sampling))(images)
