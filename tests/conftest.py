"""Settings of every test: two CPU devices, and silent broadcasting is an error."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)

import jax
import pytest
from hypothesis import settings

jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, max_examples=20
)
settings.load_profile("repeatable")


@pytest.fixture
def shared_data():
    """Folder of the real data; the test is skipped where there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EMRNAS_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set EMRNAS_DATA to their folder")
    return folder
