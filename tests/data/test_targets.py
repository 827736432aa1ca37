"""The root of the sum of squares as the target of several coils, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.coil_images import joined
from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import fixed_mask_key, make_batch
from emrnas_jax.data.targets import TargetKind, as_compared
from emrnas_jax.errors import InputError
from emrnas_jax.mri.sampling import Sampling

FRAMES, COILS, SHAPE = 2, 3, (12, 10)
IDS = jnp.arange(FRAMES, dtype=jnp.uint32)
SAMPLING = Sampling("equispaced", 0.5, 0.2)
KEY = fixed_mask_key(0)

measure = jax.jit(make_batch, static_argnames=("sampling", "target_kind"))


@pytest.fixture
def coil_images(random):
    """Images that no maps explain, with a pixel that no coil sees."""
    parts = random.normal(size=(2, FRAMES, COILS, *SHAPE)).astype(np.float32)
    parts[..., 5, 5] = 0
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


@pytest.fixture
def frames(coil_images):
    maps = (coil_images[0] * 1j).astype(np.complex64)
    return jnp.asarray([joined(own, maps) for own in coil_images])


def test_the_target_is_the_root_of_the_sum_of_squares_without_noise(
    frames, coil_images
):
    noisy = Sampling("equispaced", 0.5, 0.2, noise=0.3)
    batch = measure(frames, IDS, KEY, noisy, TargetKind.RSS)
    expected = np.sqrt((np.abs(coil_images.astype(complex)) ** 2).sum(1))
    np.testing.assert_allclose(batch.target[..., 0], expected, rtol=1e-6)
    assert not np.any(batch.target[..., 1])
    assert batch.target_kind is TargetKind.RSS


def test_the_kind_of_target_changes_nothing_else(frames):
    rss, combined = (measure(frames, IDS, KEY, SAMPLING, kind) for kind in TargetKind)
    pairs = [(one.zero_filled, *one.measurement) for one in (rss, combined)]
    for own, other in zip(*pairs, strict=True):
        np.testing.assert_array_equal(own, other)
    assert np.abs(rss.target - combined.target).max() > 0.1


def test_the_image_of_one_coil_is_no_root_of_a_sum(frames):
    with pytest.raises(AssertionError):
        make_batch(frames[:, :, :, 0, 0], IDS, KEY, SAMPLING, TargetKind.RSS)


def test_an_image_is_compared_by_its_magnitude_whatever_its_phase(random):
    image = random.normal(size=(2, 4, 5, 2)).astype(np.float32)
    found = np.asarray(as_compared(jnp.asarray(image), TargetKind.RSS))
    expected = np.hypot(image[..., 0], image[..., 1])
    np.testing.assert_allclose(found[..., 0], expected, rtol=1e-6)
    assert not found[..., 1].any()
    same = as_compared(jnp.asarray(image), TargetKind.COMBINED)
    np.testing.assert_array_equal(same, image)


def settings(folder, **changes):
    return DataSettings(
        **{
            "path": "phantom",
            "images": "complex",
            "cache": str(folder),
            "height": 16,
            "width": 16,
            "simulated_coils": COILS,
            "target": "rss",
            "phantom": {"subjects": 2, "slices": 1, "frames": 2, "size": 16},
        }
        | changes
    )


def test_a_data_set_knows_its_kind_of_target(tmp_path):
    assert open_dataset(settings(tmp_path)).target_kind is TargetKind.RSS
    own = settings(tmp_path, target="combined")
    assert open_dataset(own).target_kind is TargetKind.COMBINED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "sos"}, r"^data\.target: found 'sos'; use combined or rss$"),
        (
            {"simulated_coils": 0},
            r"^data\.target: rss is of several coils, .* data\.target to combined$",
        ),
        ({"simulated_coils": 0, "images": "magnitude"}, r"^data\.target: rss is of"),
    ],
)
def test_targets_that_cannot_be_had_are_refused_in_a_line(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        settings(tmp_path, **changes)
