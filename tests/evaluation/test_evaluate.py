"""Scores: one per frame whatever the batch, as scikit-image gives them, on disk."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import fixed_mask_key, make_batch
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.batches import MeasuredFrames
from emrnas_jax.evaluation.evaluate import (
    EvaluationSettings,
    evaluate,
    evenly_spread,
)
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.runs.scores import (
    Scores,
    read_scores,
    write_examples,
    write_scores,
)

SAMPLING = Sampling(rate=0.3)
INDICES = np.array([1, 2, 3, 5, 6, 7, 9])
KEY = fixed_mask_key(4)


@jax.jit
def network(variables, batch):
    """Something that leaves [0, 1], to see the clipping."""
    return variables["factor"] * batch.zero_filled - 0.05


VARIABLES = {"factor": jnp.float32(4)}


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    settings = DataSettings(
        path="phantom",
        cache=str(tmp_path_factory.mktemp("cache")),
        height=16,
        width=16,
        phantom={"subjects": 2, "slices": 1, "frames": 5, "size": 16},
    )
    return open_dataset(settings)


def evaluated(phantoms, indices=INDICES, name="test", batch=3, examples=3):
    frames = MeasuredFrames(phantoms, indices, SAMPLING, KEY)
    settings = EvaluationSettings(batch, examples)
    return evaluate(name, network, VARIABLES, frames, settings)


@pytest.fixture(scope="module")
def result(phantoms):
    return evaluated(phantoms)


@pytest.fixture(scope="module")
def by_hand(phantoms):
    """Magnitudes of reconstructions and targets, all frames in one batch."""
    images, ids = phantoms.images(INDICES), phantoms.frame_ids[INDICES]
    batch = jax.jit(lambda x, i: make_batch(x, i, KEY, SAMPLING))(images, ids)

    def scored(image):
        return np.clip(np.hypot(*np.moveaxis(np.asarray(image), -1, 0)), 0, 1)

    return (
        scored(network(VARIABLES, batch)),
        scored(batch.target),
        np.asarray(batch.measurement.mask),
    )


def test_scores_are_those_of_scikit_image_per_frame(result, by_hand):
    scores, _, _ = result
    assert len(scores.psnr_db) == len(INDICES)
    for i, (found, target, _) in enumerate(zip(*by_hand, strict=True)):
        assert found.max() == 1
        psnr = peak_signal_noise_ratio(target, found, data_range=1)
        ssim = structural_similarity(target, found, data_range=1)
        nmse = np.sum((found - target) ** 2) / np.sum(target**2)
        np.testing.assert_allclose(scores.psnr_db[i], psnr, rtol=1e-4)
        np.testing.assert_allclose(scores.ssim[i], ssim, rtol=1e-3)
        np.testing.assert_allclose(scores.nmse[i], nmse, rtol=1e-3)


def test_several_coils_are_scored_against_the_root_of_their_sum_of_squares(tmp_path):
    """Against a black image, which leaves the target alone in the error."""
    settings = DataSettings(
        path="phantom",
        images="complex",
        cache=str(tmp_path),
        height=16,
        width=16,
        simulated_coils=3,
        target="rss",
        phantom={"subjects": 2, "slices": 1, "frames": 5, "size": 16},
    )
    coils = open_dataset(settings)
    stored = coils.images(INDICES)
    # Some are louder than their maps say, so the combined image is another.
    stored[:, :, :, 0] *= np.array([1, 2, 3], np.float32)[:, None]
    coils.images = lambda indices: stored[np.searchsorted(INDICES, indices)]
    target = np.sqrt((stored[:, :, :, 0].astype(float) ** 2).sum((-1, -2)))
    frames = MeasuredFrames(coils, INDICES, SAMPLING, KEY)

    @jax.jit
    def black(_, batch):
        return jnp.zeros_like(batch.zero_filled)

    calgary = EvaluationSettings(4, 1, "calgary")
    found = evaluate("test", black, {}, frames, calgary).scores
    expected = 10 * np.log10(target.max((1, 2)) ** 2 / (target**2).mean((1, 2)))
    np.testing.assert_allclose(found.psnr_db, expected, rtol=1e-4)


def test_scores_name_their_frames(result, phantoms):
    scores, _, seconds = result
    assert scores.subject == tuple(phantoms.subjects[i] for i in INDICES)
    np.testing.assert_array_equal(scores.slice, phantoms.slices[INDICES])
    np.testing.assert_array_equal(scores.frame, phantoms.frames[INDICES])
    assert 0 < seconds < 10


@pytest.mark.usefixtures("impatient")
def test_a_long_evaluation_says_how_far_it_is(phantoms, said):
    evaluated(phantoms, name="fold 1 dccnn", batch=4, examples=1)
    counts = [line.split(",")[0] for line in said]
    assert counts == ["fold 1 dccnn: 1 of 2 batches scored"]


@pytest.mark.parametrize("batch", [1, 7, 16])
def test_the_batch_and_its_padding_change_nothing(batch, result, phantoms):
    scores, shown, _ = evaluated(phantoms, batch=batch)
    for found, expected in zip(scores[1:], result[0][1:], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(
        shown.reconstruction, result[1].reconstruction, atol=1e-6
    )


def test_examples_are_frames_evenly_spread_with_their_scores(result, by_hand):
    scores, shown, _ = result
    rows = [0, 3, 6]
    found, target, mask = (np.asarray(part)[rows] for part in by_hand)
    np.testing.assert_allclose(shown.reconstruction, found, atol=1e-6)
    np.testing.assert_allclose(shown.target, target, atol=1e-6)
    np.testing.assert_array_equal(shown.mask, np.broadcast_to(mask, (3, 16, 16)))
    np.testing.assert_allclose(shown.psnr_db, scores.psnr_db[rows])
    assert shown.subject == tuple(scores.subject[row] for row in rows)
    np.testing.assert_array_equal(shown.frame, scores.frame[rows])


@pytest.mark.parametrize(
    ("count", "wanted", "positions"),
    [(7, 3, [0, 3, 6]), (7, 1, [0]), (2, 5, [0, 1]), (1, 1, [0])],
)
def test_positions_are_spread_from_the_first_to_the_last(count, wanted, positions):
    assert evenly_spread(count, wanted).tolist() == positions


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(InputError, match=r"evaluation\.batch: must be at least 1"):
        EvaluationSettings(batch=0)
    with pytest.raises(InputError, match=r"evaluation\.examples: must be at least 1"):
        EvaluationSettings(examples=0)


def test_more_examples_than_frames_are_all_frames(phantoms):
    _, shown, _ = evaluated(phantoms, INDICES[:2], examples=5)
    assert len(shown.subject) == 2


def test_examples_are_written_with_plain_arrays(result, tmp_path):
    path = tmp_path / "deep" / "examples.npz"
    write_examples(path, result[1])
    with np.load(path, allow_pickle=False) as file:
        assert set(file) == set(result[1]._fields)
        np.testing.assert_array_equal(file["subject"], result[1].subject)
        np.testing.assert_array_equal(file["target"], result[1].target)


def test_scores_read_back_to_six_digits(result, tmp_path):
    path = tmp_path / "scores.csv"
    write_scores(path, result[0])
    found = read_scores(path)
    assert found.subject == result[0].subject
    for a, b in zip(found[1:], result[0][1:], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    header = path.read_text().splitlines()[0]
    assert header == "subject,slice,frame,psnr_db,ssim,nmse"


def test_names_with_commas_and_perfect_frames_read_back(tmp_path):
    one = np.array([1])
    scores = Scores(
        ('a,"b"\nc',), one, one, np.array([np.inf]), np.array([1.0]), np.array([0.0])
    )
    write_scores(tmp_path / "scores.csv", scores)
    assert read_scores(tmp_path / "scores.csv") == scores


GOOD = "subject,slice,frame,psnr_db,ssim,nmse\np1,0,1,30.5,0.9,0.01\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"subject,slice,frame,psnr_db,ssim,nmse\n",
        b"subject,slice,frame,psnr_db,ssim\np1,0,1,30.5,0.9\n",
        GOOD.encode()[:-12],
        GOOD.replace("30.5", "high").encode(),
        GOOD.replace(",0,1,", ",0,1.5,").encode(),
        GOOD.replace("0.01", "0.01,7").encode(),
        GOOD.replace("30.5", "nan").encode(),
    ],
)
def test_a_damaged_table_is_an_input_error_that_names_it(content, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"scores\.csv.*--stage=evaluate"):
        read_scores(path)


def test_a_missing_table_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"scores\.csv"):
        read_scores(tmp_path / "scores.csv")
