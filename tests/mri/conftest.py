"""Fixtures of the physics: strict dtypes, and the reference data where it is."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _strict_dtypes():
    # A float64 or an integer that slips in would double the memory of every image.
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="session")
def reference_data():
    root = Path(__file__).parents[2] / "../shared/data"
    folder = Path(os.environ.get("EMRNAS_DATA", root)).expanduser()
    if not (folder / "masks").is_dir():
        pytest.skip(f"no reference data in {folder}; set EMRNAS_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def published_masks(reference_data):
    with np.load(reference_data / "masks" / "cartesian15_first200.npz") as file:
        return dict(file)
