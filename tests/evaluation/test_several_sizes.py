"""Scores of frames of two sizes are those of each size alone, in the frames' order."""

import copy

import jax
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import fixed_mask_key
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.batches import MeasuredFrames, measured_batches
from emrnas_jax.evaluation.evaluate import EvaluationSettings, evaluate
from emrnas_jax.evaluation.volumes import require_volumes
from emrnas_jax.mri.sampling import Sampling
from tests.fixtures.image_files import write_hdf5

SIZES = [(16, 12), (12, 20), (16, 12)]  # three frames of each subject
ORDER = np.array([4, 0, 8, 3, 1, 7, 5])  # of both sizes, and in no order


@jax.jit
def network(_, batch):
    return 3 * batch.zero_filled


@pytest.fixture(scope="module")
def image_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    random = np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        images = random.integers(0, 256, (3, *size), np.uint8)
        write_hdf5(folder, f"subject_{number}.h5", images=images)
    cache = str(tmp_path_factory.mktemp("cache"))
    return open_dataset(DataSettings(str(folder), cache=cache, height=0, width=0))


def evaluated(image_set, indices, convention="paper", examples=5):
    frames = MeasuredFrames(image_set, indices, Sampling(rate=0.3), fixed_mask_key(1))
    settings = EvaluationSettings(2, examples, convention)
    return evaluate("test", network, {}, frames, settings)


@pytest.fixture(scope="module")
def together(image_set):
    return evaluated(image_set, ORDER)


def of_one_size(number):
    """The frames of a size, and where they stand in the order of all."""
    wide = np.isin(ORDER, [3, 4, 5])
    positions = np.flatnonzero(wide if number else ~wide)
    return ORDER[positions], positions


@pytest.mark.parametrize("number", [0, 1])
def test_scores_are_those_of_each_size_alone(number, image_set, together):
    indices, positions = of_one_size(number)
    alone = evaluated(image_set, indices).scores
    scores = together.scores
    assert tuple(scores.subject[i] for i in positions) == alone.subject
    for found, expected in zip(scores[1:], alone[1:], strict=True):
        np.testing.assert_array_equal(np.asarray(found)[positions], expected)


def test_every_batch_has_frames_of_one_size_with_their_peaks(image_set):
    frames = MeasuredFrames(image_set, ORDER, Sampling(rate=0.3), fixed_mask_key(1))
    peaks = ORDER.astype(np.float32) + 1
    seen = []
    for part in measured_batches("test", frames, 2, peaks):
        shapes = {image_set.shape_numbers[ORDER[i]] for i in part.positions}
        assert len(shapes) == 1
        assert part.data.target.shape[1:3] == image_set.shapes[shapes.pop()]
        np.testing.assert_array_equal(part.volume_peak, peaks[part.positions])
        seen += part.positions[: part.real].tolist()
    assert sorted(seen) == list(range(len(ORDER)))


def test_examples_keep_their_shape(image_set, together):
    examples = together.examples
    # Evenly spread over the order of the frames.
    shown = ORDER[[0, 1, 3, 4, 6]]
    assert examples.target.shape == (5, 16, 20)
    names = [image_set.subjects[i] for i in shown]
    assert examples.subject == tuple(names)
    for i, index in enumerate(shown):
        target, reconstruction, mask = examples.images(i)
        height, width = image_set.shapes[image_set.shape_numbers[index]]
        assert target.shape == reconstruction.shape == mask.shape == (height, width)
        np.testing.assert_allclose(target, image_set[index] / 255, atol=1e-6)
        assert mask.any(0).all()  # lines along the rows, nowhere cut off
        error = np.mean((target - reconstruction) ** 2)
        assert examples.psnr_db[i] == pytest.approx(-10 * np.log10(error), rel=1e-4)
        assert not examples.target[i, height:].any()
        assert not examples.target[i, :, width:].any()


@pytest.mark.parametrize("number", [0, 1])
def test_scores_of_volumes_are_those_of_each_size_alone(number, image_set):
    indices, _ = of_one_size(number)
    alone = evaluated(image_set, indices, "fastmri").scores
    found = evaluated(image_set, ORDER, "fastmri").scores
    rows = [found.subject.index(subject) for subject in alone.subject]
    for own, expected in zip(found[1:], alone[1:], strict=True):
        np.testing.assert_allclose(np.asarray(own)[rows], expected, rtol=1e-6)


def test_a_volume_of_two_sizes_is_refused(image_set):
    require_volumes(image_set, ORDER)
    mixed = copy.copy(image_set)
    mixed.subjects = ("anna",) * len(image_set)
    with pytest.raises(InputError, match=r"anna, frame 0: .* 16 x 12 and 12 x 20 pix"):
        require_volumes(mixed, np.arange(9))
    with pytest.raises(InputError, match=r"evaluation\.convention"):
        evaluated(mixed, ORDER, "fastmri")
