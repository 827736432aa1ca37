"""The script that scores models on a list of masks."""

import h5py
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from emrnas_jax.data.dataset import DataSettings, open_dataset
from tests.fixtures.scripts import load_script

SIZE = 16


@pytest.fixture(scope="module")
def script():
    return load_script("score_on_masks")


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).uniform(0, 1, (3, SIZE, SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def masks():
    """Two masks of rows, the zero frequency in the middle."""
    measured = np.random.default_rng(1).random((2, SIZE)) < 0.5
    measured[:, SIZE // 2] = True
    return measured


@pytest.fixture(scope="module")
def batches(script, frames, masks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    (folder / "images").mkdir()
    with h5py.File(folder / "images" / "a.h5", "w") as file:
        file["images"] = frames / frames.max()
    np.savez(folder / "masks.npz", masks=masks)
    settings = DataSettings(
        path=str(folder / "images"),
        cache=str(folder / "cache"),
        height=SIZE,
        width=SIZE,
    )
    stored = script.masks_of_file(str(folder / "masks.npz"))
    return script.batches(open_dataset(settings), np.arange(3), stored)


def test_frame_n_has_mask_n_modulo_their_number(batches, frames, masks):
    (batch,) = batches
    for n, frame in enumerate(frames / frames.max()):
        rows = np.fft.ifftshift(masks[n % 2])[:, None]
        np.testing.assert_array_equal(batch.measurement.mask[n], rows)
        image = np.fft.ifft2(np.fft.fft2(frame) * rows)
        found = batch.zero_filled[n, ..., 0] + 1j * batch.zero_filled[n, ..., 1]
        np.testing.assert_allclose(found, image, atol=1e-5)


def test_the_scores_are_those_of_scikit_image(script, batches, frames):
    found = script.scores_of("", batches)["psnr_db"]
    (batch,) = batches
    for n, frame in enumerate(frames / frames.max()):
        image = np.hypot(*np.moveaxis(np.asarray(batch.zero_filled[n]), -1, 0))
        expected = peak_signal_noise_ratio(frame, image.clip(0, 1), data_range=1)
        np.testing.assert_allclose(found[n], expected, atol=1e-3)


def test_masks_of_a_rate_are_the_same_every_time_and_differ_among_each_other(script):
    masks = script.masks_of_rate(0.25, (SIZE, SIZE))
    assert masks.shape == (script.DRAWN, SIZE)
    assert (masks.sum(axis=1) == SIZE // 4).all()
    assert len(np.unique(masks, axis=0)) > 20
    np.testing.assert_array_equal(masks, script.masks_of_rate(0.25, (SIZE, SIZE)))
