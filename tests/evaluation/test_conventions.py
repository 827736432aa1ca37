"""Scores under each convention, against scikit-image used as the sources use it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import Batch, fixed_mask_key, make_batch
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.batches import MeasuredFrames
from emrnas_jax.evaluation.conventions import CONVENTIONS, in_words, score
from emrnas_jax.evaluation.evaluate import EvaluationSettings, evaluate
from emrnas_jax.evaluation.volumes import scores_of_volumes
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.mri.measurement import undersample
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.runs.results import UNITS
from emrnas_jax.runs.scores import ALL_SLICES, Scores

SAMPLING = Sampling(rate=0.3)
KEY = fixed_mask_key(4)
# Of two subjects with 3 slices at 2 times each; one slice is left out.
INDICES = np.array([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11])


@jax.jit
def network(variables, batch):
    """Something that leaves [0, 1] on both sides of the target's range."""
    return variables["factor"] * batch.zero_filled - 0.05


VARIABLES = {"factor": jnp.float32(4)}
scored = jax.jit(score, static_argnums=2)


@pytest.fixture(scope="module", params=["magnitude", "complex"])
def phantoms(request, tmp_path_factory):
    return open_dataset(
        DataSettings(
            path="phantom",
            images=request.param,
            cache=str(tmp_path_factory.mktemp("cache")),
            height=16,
            width=16,
            phantom={"subjects": 2, "slices": 3, "frames": 2, "size": 16},
        )
    )


@pytest.fixture(scope="module")
def magnitudes(phantoms):
    """Reconstructions and targets, all frames in one batch, in float64."""
    images, ids = phantoms.images(INDICES), phantoms.frame_ids[INDICES]
    batch = jax.jit(lambda x, i: make_batch(x, i, KEY, SAMPLING))(images, ids)
    return tuple(
        np.hypot(*np.moveaxis(np.asarray(image, float), -1, 0))
        for image in (network(VARIABLES, batch), batch.target)
    )


def evaluated(phantoms, convention, batch=4, crop=0):
    frames = MeasuredFrames(phantoms, INDICES, SAMPLING, KEY)
    settings = EvaluationSettings(batch, 2, convention, crop)
    return evaluate("test", network, VARIABLES, frames, settings)


def fastmri_scores(target, found):
    """As `fastmri/evaluate.py` scores a volume."""
    peak = target.max()
    slices = [
        structural_similarity(t, f, data_range=peak)
        for t, f in zip(target, found, strict=True)
    ]
    nmse = np.linalg.norm(target - found) ** 2 / np.linalg.norm(target) ** 2
    psnr = peak_signal_noise_ratio(target, found, data_range=peak)
    return psnr, np.mean(slices), nmse


def calgary_scores(target, found):
    """As `Modules/metrics.py` of the challenge and the notebooks score a slice."""
    peak = target.max()
    target, found = target / peak, found / peak
    data_range = max(target.max(), found.max()) - min(target.min(), found.min())
    return (
        peak_signal_noise_ratio(target, found, data_range=data_range),
        structural_similarity(target, found, data_range=data_range),
        np.sum((target - found) ** 2) / np.sum(target**2),
    )


def assert_scores(scores, expected):
    for name, values in zip(
        ("psnr_db", "ssim", "nmse"), zip(*expected, strict=True), strict=True
    ):
        np.testing.assert_allclose(getattr(scores, name), values, rtol=1e-3)


def test_fastmri_scores_are_of_volumes_with_their_largest_value(phantoms, magnitudes):
    found, target = magnitudes
    assert found.max() > 1
    scores, shown, _ = evaluated(phantoms, "fastmri")
    subjects = np.array(phantoms.subjects)[INDICES]
    times = phantoms.frames[INDICES]
    names = sorted({(s, int(t)) for s, t in zip(subjects, times, strict=True)})
    assert list(zip(scores.subject, scores.frame, strict=True)) == names
    assert set(scores.slice) == {ALL_SLICES}
    members = [(subjects == s) & (times == t) for s, t in names]
    assert sorted(part.sum() for part in members) == [2, 3, 3, 3]
    assert_scores(scores, [fastmri_scores(target[m], found[m]) for m in members])
    # A panel of the report shows one frame.
    own = peak_signal_noise_ratio(
        target[0], found[0], data_range=target[members[0]].max()
    )
    np.testing.assert_allclose(shown.psnr_db[0], own, rtol=1e-4)
    assert shown.reconstruction.max() == 1


def test_calgary_scores_are_of_slices_with_the_range_of_both(phantoms, magnitudes):
    found, target = magnitudes
    scores, _, _ = evaluated(phantoms, "calgary")
    np.testing.assert_array_equal(scores.slice, phantoms.slices[INDICES])
    expected = [calgary_scores(t, f) for t, f in zip(target, found, strict=True)]
    assert_scores(scores, expected)


def test_scores_of_a_crop_are_those_of_the_images_cut_to_it(phantoms, magnitudes):
    found, target = (images[:, 4:11, 4:11] for images in magnitudes)
    scores, shown, _ = evaluated(phantoms, "fastmri", crop=7)
    subjects = np.array(phantoms.subjects)[INDICES]
    times = phantoms.frames[INDICES]
    members = [
        (subjects == s) & (times == t)
        for s, t in zip(scores.subject, scores.frame, strict=True)
    ]
    # The largest value is that of the crop too.
    assert any(target[m].max() < magnitudes[1][m].max() for m in members)
    assert_scores(scores, [fastmri_scores(target[m], found[m]) for m in members])
    # A panel of the report shows the whole frame.
    assert shown.target.shape[1:] == (16, 16)


def test_a_crop_larger_than_the_images_is_all_of_them(phantoms):
    whole, crop = (evaluated(phantoms, "calgary", crop=n)[0] for n in (0, 17))
    np.testing.assert_array_equal(whole.psnr_db, crop.psnr_db)


def test_the_batch_changes_no_volume(phantoms):
    first, _, _ = evaluated(phantoms, "fastmri")
    second, _, _ = evaluated(phantoms, "fastmri", batch=8)
    for one, other in zip(first[1:], second[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def everything_of(image):
    return undersample(to_complex(image), jnp.ones((2, 8, 1), bool))


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=CONVENTIONS)
def test_equal_images_are_perfect_even_where_all_is_black(convention):
    target = jnp.zeros((2, 8, 8, 2)).at[0, :4].set(0.5)
    batch = Batch(target, everything_of(target), target)
    found = scored(target, batch, convention, jnp.array([0.5, 1]))
    np.testing.assert_array_equal(found.psnr_db, np.inf)
    np.testing.assert_allclose(found.ssim, 1, rtol=1e-6)
    np.testing.assert_array_equal(found.nmse, 0)


def test_a_black_volume_has_a_score():
    slices = Scores(
        ("a", "a", "b"), np.arange(3), np.zeros(3, int), *np.full((3, 3), 1.0)
    )
    error, nothing = np.array([0, 0, 0.01]), np.zeros(3)
    found = scores_of_volumes(slices, error, nothing, np.ones(3))
    np.testing.assert_allclose(found.psnr_db, [np.inf, 20])
    np.testing.assert_allclose(found.nmse, [0, np.inf])


def test_the_scale_of_the_images_matters_to_paper_alone():
    generator = np.random.default_rng(0)
    target = generator.random((2, 8, 8, 2), np.float32)
    noise = 0.1 * generator.standard_normal((2, 8, 8, 2), np.float32)

    def psnr(convention, scale):
        image = jnp.asarray(scale * (target + noise))
        batch = Batch(image, everything_of(image), scale * target)
        peak = jnp.full(2, scale * np.hypot(*np.moveaxis(target, -1, 0)).max())
        found = scored(image, batch, CONVENTIONS[convention], peak)
        return np.asarray(found.psnr_db)

    for convention in ("fastmri", "calgary"):
        np.testing.assert_allclose(
            psnr(convention, 1), psnr(convention, 0.5), rtol=1e-4
        )
    assert np.abs(psnr("paper", 1) - psnr("paper", 0.5)).min() > 0.1


def test_a_convention_goes_by_its_own_name_and_says_what_a_score_covers():
    assert all(convention.name == name for name, convention in CONVENTIONS.items())
    assert {name: one.unit for name, one in CONVENTIONS.items()} == UNITS


def test_an_unknown_convention_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match=r"'fastMRI'; use paper, fastmri, calgary"):
        EvaluationSettings(convention="fastMRI")
    assert in_words("paper") == (
        "paper: magnitude clipped to [0, 1], per frame, data range 1"
    )
    assert in_words("paper", 320, TargetKind.RSS) == (
        "paper: magnitude clipped to [0, 1], per frame, data range 1, of the middle "
        "320 x 320 pixels, target the root of the sum of squares of the coils"
    )


@pytest.mark.parametrize("crop", [-1, 6])
def test_a_crop_smaller_than_the_window_of_ssim_is_refused(crop):
    with pytest.raises(InputError, match=rf"evaluation\.crop: found {crop}; .* 7 pix"):
        EvaluationSettings(crop=crop)
