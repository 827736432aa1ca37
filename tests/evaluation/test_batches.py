"""Batches of test frames: complete, in order, with masks that no batch changes."""

import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import fixed_mask_key, make_batch
from emrnas_jax.evaluation.batches import (
    MeasuredFrames,
    measured_batches,
    padded_batches,
)
from emrnas_jax.mri.sampling import Sampling

INDICES = np.array([4, 1, 2, 0, 3])


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    settings = DataSettings(
        path="phantom",
        cache=str(tmp_path_factory.mktemp("cache")),
        height=16,
        width=16,
        phantom={"subjects": 1, "slices": 1, "frames": 5, "size": 16},
    )
    return MeasuredFrames(
        open_dataset(settings), INDICES, Sampling(rate=0.3), fixed_mask_key(4)
    )


@pytest.fixture(scope="module")
def together(frames):
    """All frames in one batch, made without the package's reading ahead."""
    images = frames.image_set.images(INDICES)
    ids = frames.image_set.frame_ids[INDICES]
    return make_batch(
        jnp.asarray(images), jnp.asarray(ids), frames.mask_key, frames.sampling
    )


def test_the_last_batch_is_padded_with_its_last_frame():
    found = [(list(p), real) for p, real in padded_batches(7, 3)]
    assert found == [([0, 1, 2], 3), ([3, 4, 5], 3), ([6, 6, 6], 1)]
    assert [real for _, real in padded_batches(6, 3)] == [3, 3]
    assert list(padded_batches(0, 3)) == []


@pytest.mark.parametrize("batch", [2, 5])
def test_every_frame_comes_once_in_order_with_its_own_mask(batch, frames, together):
    parts = list(measured_batches("test", frames, batch))
    positions = [p for part in parts for p in part.positions[: part.real].tolist()]
    assert positions == list(range(len(INDICES)))
    for part in parts:
        assert part.volume_peak is None
        for found, expected in (
            (part.data.target, together.target),
            (part.data.zero_filled, together.zero_filled),
            (part.data.measurement.mask, together.measurement.mask),
        ):
            wanted = np.asarray(expected)[part.positions]
            np.testing.assert_allclose(np.asarray(found), wanted, atol=1e-6)


def test_the_peak_of_a_volume_stays_with_its_frames(frames):
    peaks = np.arange(5, dtype=np.float32) + 1
    parts = list(measured_batches("test", frames, 2, peaks))
    for part in parts:
        np.testing.assert_array_equal(part.volume_peak, peaks[part.positions])
