"""Where the reference data lies."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference_data():
    root = Path(__file__).parents[2] / "../shared/data"
    folder = Path(os.environ.get("EMRNAS_DATA", root)).expanduser()
    if not (folder / "masks").is_dir():
        pytest.skip(f"no reference data in {folder}; set EMRNAS_DATA to its folder")
    return folder
