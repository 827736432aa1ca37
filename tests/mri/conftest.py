"""Fixtures of the physics: strict dtypes, and the reference data where it is."""

import jax
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _strict_dtypes():
    # A float64 or an integer that slips in would double the memory of every image.
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="session")
def published_masks(shared_data):
    with np.load(shared_data / "masks" / "cartesian15_first200.npz") as file:
        return dict(file)
