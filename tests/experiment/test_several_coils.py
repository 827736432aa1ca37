"""A search on several coils: from phantoms to the reconstruction of a file."""

import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.experiment import protocol
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.inference import load_model
from emrnas_jax.inference.differences import warnings_for
from emrnas_jax.inference.jobs import reconstruct_files
from emrnas_jax.inference.plan import Settings
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.mri.coils import birdcage_maps

pytestmark = pytest.mark.slow
SHAPE, COILS = (32, 104), 5


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The network of a tiny run; its report, which takes longest, is not drawn."""
    folder = tmp_path_factory.mktemp("runs")
    config = load_config("configs/demo.py:multicoil_tiny")
    config.data.cache = str(folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "write_report", lambda *_: folder)
        protocol.run_protocol(config, folder / "run")
    return load_model(folder / "run")


@pytest.fixture
def kspace():
    """Complete k-space of an object with a phase, [frame, coil, row, column]."""
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    image = (np.hypot(y, x) < 0.7) * (1 + 0.3 * np.cos(5 * x)) * np.exp(1j * x)
    images = image * np.asarray(birdcage_maps(COILS, SHAPE))
    noise = np.random.default_rng(0).normal(0, 0.003, (2, COILS, *SHAPE))
    return np.fft.fft2(images + noise[0] + 1j * noise[1], norm="ortho")[None]


def test_a_network_that_was_searched_on_coils_reconstructs_them(
    model, kspace, tmp_path, write
):
    record = model.record
    assert (record.coils, record.images) == (6, "complex")
    # Scans have noise of their own, and get none of the training's.
    assert (record.sampling["noise"], model.sampling.noise) == (0.01, 0)
    path = write.hdf5(tmp_path, "scan.h5", kspace=kspace)
    reading = Reading("complex", "columns", "plain")
    summary = reconstruct_files(model, Settings(path, tmp_path / "out", reading, 1))
    assert (summary.failed, summary.frames) == (0, 1)
    with h5py.File(tmp_path / "out" / "scan.h5") as file:
        found = {name: np.asarray(file[name]) for name in ("psnr_db", "reconstruction")}
    assert np.iscomplexobj(found["reconstruction"])
    # A few steps learn little: what counts is that nothing is lost on the way.
    assert found["psnr_db"][0] > 20


def test_a_scan_of_one_coil_is_warned_of(model, kspace, tmp_path, write):
    columns = np.arange(SHAPE[1]) % 3 == 0
    columns[0] = True
    one = kspace[:, 0] * columns
    path = write.hdf5(tmp_path, "scan.h5", kspace=one, mask=columns)
    scan = read_scan(path, Reading("complex", "columns", "plain"))
    assert any(text.startswith("one coil, and") for text in warnings_for(model, scan))
