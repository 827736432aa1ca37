import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.pipeline import fixed_mask_key
from emrnas_jax.data.readers.scan import Reading, Scan
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.batches import MeasuredFrames
from emrnas_jax.evaluation.evaluate import EvaluationSettings, evaluate
from emrnas_jax.inference import load_model, reconstruct_kspace
from emrnas_jax.inference.frames import reconstruct_scans
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.mri.measurement import Measurement

BATCH = 2  # in all tests, so that few programs are compiled


@pytest.fixture(scope="module")
def magnitude_model(make_model):
    return load_model(make_model())


@pytest.fixture(scope="module")
def complex_model(make_model):
    return load_model(make_model("complex", "single"))


@pytest.fixture
def random():
    return np.random.default_rng(5)


@pytest.fixture
def image(random):
    """Three complex images of 16 x 16."""
    parts = random.random((2, 3, 16, 16))
    return parts[0] + 1j * parts[1]


@pytest.fixture
def mask(random):
    return (random.random((16, 1)) < 0.4) | (np.arange(16) == 0)[:, None]


def kspace_of(image):
    return np.fft.fft2(image, norm="ortho")


def network_images(model, kspace, mask):
    """The network as in training, without scaling or batches."""
    kspace = (kspace * mask).astype(np.complex64)
    start = np.fft.ifft2(kspace, norm="ortho")
    channels = np.stack([start.real, start.imag], axis=-1).astype(np.float32)
    image = np.asarray(
        model.apply(
            model.variables,
            channels,
            Measurement(jnp.asarray(kspace), jnp.asarray(mask[None])),
        )
    )
    return image[..., 0] + 1j * image[..., 1]


def test_it_is_the_network_on_scaled_kspace(complex_model, image, mask):
    kspace = kspace_of(image)
    found = reconstruct_kspace(complex_model, kspace, mask, scale=50.0, batch=BATCH)
    wanted = 50 * network_images(complex_model, kspace / 50, mask)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_magnitudes_come_from_a_network_trained_on_them(magnitude_model, image, mask):
    found = reconstruct_kspace(magnitude_model, kspace_of(image), mask, 1.0, BATCH)
    assert found.dtype == np.float32
    wanted = abs(network_images(magnitude_model, kspace_of(image), mask))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_measured_samples_survive_on_any_scale(complex_model, image, mask):
    kspace = kspace_of(image) * 1e-7
    found = kspace_of(reconstruct_kspace(complex_model, kspace, mask, batch=BATCH))
    error = np.where(mask, found - kspace, 0)
    assert abs(error).max() < 1e-5 * abs(kspace).max()
    assert abs(found - kspace).max() > 0.01 * abs(kspace).max()


def test_frames_do_not_depend_on_their_batch(magnitude_model, image, mask):
    kspace = kspace_of(image)
    whole = reconstruct_kspace(magnitude_model, kspace, mask, 1.0, BATCH)
    for i in range(3):
        one = reconstruct_kspace(magnitude_model, kspace[i], mask, 1.0, BATCH)
        np.testing.assert_allclose(one, whole[i], atol=1e-6)


def test_samples_outside_the_mask_do_not_count(magnitude_model, image, mask):
    kspace = kspace_of(image)
    clean = reconstruct_kspace(magnitude_model, kspace * mask, mask, batch=BATCH)
    found = reconstruct_kspace(magnitude_model, kspace, mask, batch=BATCH)
    np.testing.assert_array_equal(found, clean)


def test_masks_along_the_columns_and_of_points_work(complex_model, image, random):
    kspace = kspace_of(image)
    for shape in ((1, 16), (3, 16, 16)):
        mask = random.random(shape) < 0.5
        mask[..., :1, :1] = True
        found = kspace_of(reconstruct_kspace(complex_model, kspace, mask, batch=BATCH))
        error = np.where(mask, found - kspace, 0)
        assert abs(error).max() < 1e-5 * abs(kspace).max()


def test_bad_kspace_is_refused(magnitude_model, image, mask):
    kspace = kspace_of(image)
    for bad, masks, message in (
        (kspace * np.nan, mask, "NaN"),
        (kspace * 0, mask, "nothing but zeros"),
        (kspace, np.stack([mask] * 2), "2 masks for 3 frames"),
        (kspace.real, mask, "expected complex values, found float64"),
        (kspace[0, 0], mask, r"found the shape \(16,\)"),
        (kspace, None, "no sample of kspace is zero"),
        (kspace, np.ones(15), "masks of 15 lines, and the frames are 16 x 16"),
        (kspace, np.ones((15, 1)), r"found the shape \(1, 15, 1\)"),
        (kspace, mask * 0.5, "only 0 and 1"),
        (kspace, mask * 0, "marks nothing"),
        (kspace, np.asarray("rows"), "only 0 and 1"),
        (kspace, np.asarray(1), "found one number"),
        (kspace, np.arange(16) > 2, "store 1 - mask"),
        (kspace * 1e60, mask, "beyond single precision"),
    ):
        with pytest.raises(InputError, match=message):
            reconstruct_kspace(magnitude_model, bad, masks, batch=BATCH)
    with pytest.raises(InputError, match="batch: found 0"):
        reconstruct_kspace(magnitude_model, kspace, mask, batch=0)
    for scale in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="scale: "):
            reconstruct_kspace(magnitude_model, kspace, mask, scale, BATCH)


def test_masks_of_every_form_give_the_same_images(magnitude_model, image, mask):
    kspace = kspace_of(image)
    wanted = reconstruct_kspace(magnitude_model, kspace, mask, batch=BATCH)
    forms = (
        mask[:, 0],
        mask.astype(np.uint8),
        mask.tolist(),
        np.broadcast_to(mask, (16, 16)),
        np.broadcast_to(mask, (3, 16, 16)),
    )
    for form in forms:
        found = reconstruct_kspace(magnitude_model, kspace, form, batch=BATCH)
        np.testing.assert_array_equal(found, wanted)
    found = reconstruct_kspace(magnitude_model, kspace * mask, None, batch=BATCH)
    np.testing.assert_array_equal(found, wanted)


@pytest.fixture
def object_in_air():
    """Three images of 16 x 16 with an object in the middle."""
    y, x = np.mgrid[-1:1:16j, -1:1:16j]
    inside = np.hypot(x, y) < np.array([0.6, 0.7, 0.8])[:, None, None]
    return inside * (1 + 0.2 * x) * np.exp(0.3j * y)


def shifted(array):
    return np.fft.fftshift(array, axes=(-2, -1))


@pytest.mark.parametrize("convention", ["plain", "shifted", "centred"])
@pytest.mark.parametrize("norm", ["ortho", "backward"])
def test_kspace_of_every_convention_gives_the_same_images(
    convention, norm, complex_model, object_in_air, mask
):
    plain = reconstruct_kspace(
        complex_model, kspace_of(object_in_air), mask, batch=BATCH
    )
    stored = shifted(object_in_air) if convention == "centred" else object_in_air
    kspace, own_mask = np.fft.fft2(stored, norm=norm), mask
    if convention != "plain":
        kspace, own_mask = shifted(kspace), np.fft.fftshift(mask, axes=0)
    found = reconstruct_kspace(
        complex_model, kspace, own_mask, batch=BATCH, convention=convention, norm=norm
    )
    np.testing.assert_allclose(found, plain, atol=2e-5)


def test_kspace_in_another_convention_than_said_is_refused(
    complex_model, object_in_air, mask
):
    plain = kspace_of(object_in_air)
    for kspace, convention, message in (
        (shifted(plain), None, "lies in the middle.*convention='centred'"),
        (plain, "centred", "lies at index 0.*use convention='plain'"),
        ((plain * 1e25).astype(np.complex64), "centred", "at index 0"),
        ((plain * 1e-25).astype(np.complex64), "centred", "at index 0"),
    ):
        with pytest.raises(InputError, match=message):
            reconstruct_kspace(
                complex_model, kspace, mask, batch=BATCH, convention=convention
            )


def test_frames_without_samples_are_passed_over(complex_model, object_in_air, mask):
    kspace = kspace_of(object_in_air) * mask
    kspace[1] = 0
    masks = np.stack([mask, mask & False, mask])
    for given in (mask, masks, None):
        found = reconstruct_kspace(complex_model, kspace, given, batch=BATCH)
        assert np.isfinite(found).all()
        alone = reconstruct_kspace(
            complex_model, kspace[0], mask, float(abs(found).max()), BATCH
        )
        assert abs(alone - found[0]).max() < abs(alone).max()


def test_what_the_user_declares_gives_a_warning_and_is_not_refused(
    complex_model, object_in_air, mask, caplog
):
    kspace = kspace_of(shifted(object_in_air))
    reconstruct_kspace(complex_model, kspace, mask, batch=BATCH, convention="plain")
    assert "object is wrapped round the image's border" in caplog.text
    caplog.clear()
    reconstruct_kspace(complex_model, kspace, mask, 1e4, BATCH, convention="plain")
    assert "scale=10000, and the zero-filled images reach" in caplog.text
    caplog.clear()
    kspace = kspace_of(object_in_air)
    reconstruct_kspace(complex_model, kspace, mask, batch=BATCH, convention="plain")
    assert not caplog.text


@pytest.fixture
def phantoms(tmp_path):
    """A data set of phantoms, and the same frames as one file per subject."""
    phantom = {"kind": "heart", "subjects": 3, "slices": 1, "frames": 3}
    cache = str(tmp_path / "cache")
    images = open_dataset(
        DataSettings(
            "phantom",
            cache=cache,
            height=16,
            width=16,
            phantom=phantom | {"size": 16, "seed": 0},
        )
    )
    files = []
    for subject in sorted(set(images.subjects)):
        chosen = [i for i, name in enumerate(images.subjects) if name == subject]
        files.append(tmp_path / f"{subject}.h5")
        with h5py.File(files[-1], "w") as file:
            file["frames"] = images.images(chosen)[None]
    return images, files


def test_a_test_frame_scores_as_in_the_protocol(magnitude_model, phantoms):
    images, files = phantoms
    model, record = magnitude_model, magnitude_model.record
    wanted, *_ = evaluate(
        "test",
        jax.jit(
            lambda variables, batch: model.apply(
                variables, batch.zero_filled, batch.measurement
            )
        ),
        model.variables,
        MeasuredFrames(
            images,
            np.arange(len(images)),
            model.sampling,
            fixed_mask_key(record.seed),
        ),
        EvaluationSettings(batch=BATCH, examples=1),
    )
    reading = Reading("magnitude", "rows")
    found = reconstruct_scans(model, [read_scan(f, reading) for f in files], BATCH)
    for measure in ("psnr_db", "ssim"):
        values = np.concatenate([scan.scores[measure] for scan in found])
        np.testing.assert_allclose(values, getattr(wanted, measure), atol=1e-4)


def test_scans_reconstructed_together_are_those_reconstructed_alone(
    magnitude_model, phantoms
):
    _, files = phantoms
    scans = [read_scan(file, Reading("magnitude", "rows")) for file in files]
    together = reconstruct_scans(magnitude_model, scans, BATCH)
    for scan, found in zip(scans, together, strict=True):
        [alone] = reconstruct_scans(magnitude_model, [scan], BATCH)
        assert found.subjects == alone.subjects
        np.testing.assert_array_equal(found.mask, alone.mask)
        np.testing.assert_allclose(
            found.reconstruction, alone.reconstruction, atol=1e-6
        )
        assert found.target is not None
        np.testing.assert_allclose(found.target, scan.values / 255, atol=1e-6)


def test_complete_images_take_a_mask_that_is_given(complex_model, image, mask):
    channels = np.stack([image.real, image.imag], axis=-1).astype(np.float32)
    numbers = np.arange(3, dtype=np.int32)
    masks = np.broadcast_to(mask, (3, 16, 1))
    scan = Scan(("s",) * 3, numbers, numbers * 0, channels, None, masks, 2.0)
    [found] = reconstruct_scans(complex_model, [scan], BATCH)
    np.testing.assert_array_equal(found.mask, masks)
    assert found.reconstruction.dtype == np.complex64
    wanted = 2 * network_images(complex_model, kspace_of(image), mask)
    np.testing.assert_allclose(found.reconstruction, wanted, atol=1e-4)
    start = 2 * np.fft.ifft2(kspace_of(image) * mask, norm="ortho")
    np.testing.assert_allclose(found.zero_filled, start, atol=1e-4)


@pytest.mark.parametrize("images", ["magnitude", "complex"])
def test_total_variation_reconstructs_complex_kspace(images, image, mask):
    model = load_model("tv", images=images)
    found = reconstruct_kspace(model, kspace_of(image), mask, 2.0, BATCH)
    wanted = 2 * network_images(model, kspace_of(image) / 2, mask)
    if images == "magnitude":
        assert found.dtype == np.float32
        wanted = abs(wanted)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
