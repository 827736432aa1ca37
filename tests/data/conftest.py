import numpy as np
import pytest


@pytest.fixture
def scans(tmp_path, write, random):
    """Folder of three subjects, 2 slices x 3 times of 12 x 10, and their levels."""
    folder = tmp_path / "scans"
    folder.mkdir()
    levels = random.integers(0, 256, (3, 2, 3, 12, 10), np.uint8)
    for number, frames in enumerate(levels, 1):
        name = f"cardiac_p{number:02d}.h5"
        write.hdf5(folder, name, {"subject": number}, frames=frames)
    return folder, levels
