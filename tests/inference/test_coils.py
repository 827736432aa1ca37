"""K-space of several coils: from files and arrays to images, without training."""

from typing import Any

import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.coil_maps import check_maps
from emrnas_jax.data.readers.mask_files import StoredMask
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.errors import InputError
from emrnas_jax.inference import load_model, reconstruct_kspace
from emrnas_jax.inference.batches import batch_of
from emrnas_jax.inference.differences import warnings_for
from emrnas_jax.inference.jobs import reconstruct_files
from emrnas_jax.inference.plan import Settings
from emrnas_jax.inference.scan_files import made_from
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.mri.coils import birdcage_maps
from tests.fixtures.networks import write_model

SHAPE, COILS = (48, 40), 5
# Every third column, and ten in the middle; the zero frequency first.
COLUMNS = (np.arange(40) % 3 == 0) | (np.abs(np.fft.fftfreq(40) * 40) < 5.5)


def disc(shape):
    """A disc with a phase and texture, 0 outside: [frame, row, column]."""
    row, column = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    texture = 0.6 + 0.3 * np.cos(5 * row) * np.sin(4 * column)
    inside = row**2 + column**2 < 0.5
    return (texture * inside * np.exp(1j * column))[None]


def measured(image, maps):
    """Plain k-space of every coil, with a little noise: [frame, coil, row, column]."""
    clean = np.fft.fft2(image[:, None] * maps, norm="ortho")
    noise = np.random.default_rng(0).normal(0, 0.003, (2, *clean.shape))
    return clean + noise[0] + 1j * noise[1]


@pytest.fixture(scope="module")
def image():
    return disc(SHAPE)


@pytest.fixture(scope="module")
def maps():
    return np.asarray(birdcage_maps(COILS, SHAPE))


@pytest.fixture(scope="module")
def kspace(image, maps):
    return measured(image, maps)


def error(found, image):
    return np.linalg.norm(found - np.abs(image)) / np.linalg.norm(image)


@pytest.mark.parametrize(("model", "most"), [("sense", 0.05), ("tv", 0.05)])
def test_coils_are_combined_and_missing_lines_found(model, most, kspace, image):
    found = reconstruct_kspace(model, kspace, COLUMNS[None], coils=True)
    assert found.shape == image.shape
    assert error(found, image) < most
    combined = np.fft.ifft2(kspace * COLUMNS, norm="ortho")
    assert error(np.linalg.norm(combined, axis=1), image) > 2 * most


def test_given_maps_are_used_whatever_their_scale(kspace, image, maps):
    given = {"coils": True, "coil_maps": 7 * maps}
    found = reconstruct_kspace("sense", kspace[0], COLUMNS[None], **given)
    assert found.shape == SHAPE
    assert error(found, image[0]) < 0.05
    # Maps of another receiver give another image.
    given["coil_maps"] = maps[::-1]
    other = reconstruct_kspace("sense", kspace[0], COLUMNS[None], **given)
    assert error(other, image[0]) > 0.1


@pytest.mark.parametrize(
    ("shape", "maps", "message"),
    [
        ((1, 8, 8), np.ones((2, 8, 8)), "no axis of coils"),
        ((1, 3, 8, 8), np.ones((2, 8, 8)), r"\(2, 8, 8\).*3 coils of 8 x 8"),
        ((1, 3, 8, 8), np.ones((3, 8, 6)), r"\(3, 8, 6\).*give \(3, 8, 8\)"),
        ((2, 3, 8, 8), np.ones((3, 3, 8, 8)), "2 frames"),
        ((1, 3, 8, 8), np.full((3, 8, 8), np.nan), "NaN"),
    ],
)
def test_maps_that_do_not_fit_are_refused(shape, maps, message):
    with pytest.raises(InputError, match=message):
        check_maps(maps, shape)


def test_a_region_that_is_too_small_is_refused(kspace):
    lines = np.arange(40) % 2 == 0
    with pytest.raises(InputError, match=r"48 x 1 samples .* need 6 x 6"):
        reconstruct_kspace("sense", kspace, lines[None], coils=True)


def test_maps_that_explain_nothing_are_refused():
    """Noise in place of an image."""
    noise = np.random.default_rng(1).normal(size=(2, COILS, *SHAPE))
    with pytest.raises(InputError, match="coil maps explain"):
        reconstruct_kspace("sense", noise[0] + 1j * noise[1], COLUMNS[None], coils=True)


def test_kspace_of_one_coil_is_no_matter_for_sense(kspace):
    with pytest.raises(InputError, match="needs k-space of several coils"):
        reconstruct_kspace("sense", kspace[:, 0], COLUMNS[None])


@pytest.mark.parametrize("model", ["sense", "tv"])
def test_an_object_larger_than_the_field_of_view_gets_two_sets_of_maps(model, caplog):
    """Two halves lie on top of each other; one set of maps explains neither."""
    tall = (2 * SHAPE[0], SHAPE[1])
    maps = np.asarray(birdcage_maps(COILS + 1, tall)).reshape(-1, 2, *SHAPE)
    halves = np.stack([disc(SHAPE)[0], 1j * disc(SHAPE)[0, ::-1]])
    coils = np.sum(maps * halves, axis=1)
    kspace = np.fft.fft2(coils, norm="ortho")
    found = reconstruct_kspace(model, kspace, COLUMNS[None], coils=True)
    # Of the two images the root of the sum of squares remains.
    wanted = np.linalg.norm(halves, axis=0)
    assert error(found, wanted) < 0.15
    assert not caplog.records


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "bf16"}, "float32 alone"),
        ({"fold": 1}, "is not a run"),
        ({"test_time_flips": True}, "leave out"),
        ({"components": 2}, "leave out"),
        ({"images": "colour"}, "magnitude or complex"),
    ],
)
def test_settings_that_do_not_apply_to_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        load_model("sense", **settings)


def test_networks_that_assume_magnitudes_refuse_coils(kspace):
    with pytest.raises(InputError, match="=single, gradient or cg, or to"):
        reconstruct_kspace("cardiac15", kspace, COLUMNS[None], coils=True)


def read(path):
    """Return the arrays of a file by name."""
    with h5py.File(path) as file:
        arrays: dict[str, Any] = dict(file.items())
        return {name: np.asarray(values) for name, values in arrays.items()}


@pytest.fixture
def reconstruct(tmp_path):
    def reconstruct(path, model="sense"):
        reading = Reading("magnitude", "columns", "plain")
        settings = Settings(path, tmp_path / "out", reading, batch=2)
        return reconstruct_files(load_model(model), settings)

    return reconstruct


def test_a_file_of_measured_kspace_becomes_an_image(
    kspace, image, reconstruct, tmp_path, write
):
    twice = np.concatenate([kspace, kspace / 2])
    path = write.hdf5(tmp_path, "scan.h5", kspace=twice * COLUMNS, mask=COLUMNS)
    summary = reconstruct(path)
    assert (summary.failed, summary.frames) == (0, 2)
    file = tmp_path / "out" / "scan.h5"
    found = read(file)["reconstruction"]
    assert error(found[0], image[0]) < 0.05
    # Frames of a file keep their brightness relative to each other.
    np.testing.assert_allclose(found[1], found[0] / 2, atol=0.02)
    stored = made_from(file)
    assert stored is not None
    assert stored["checkpoint"] == "sense"


@pytest.mark.slow
def test_complete_kspace_is_measured_in_part_and_scored(reconstruct, tmp_path, write):
    # So many columns that 8 % of them, the centre, are a calibration region.
    shape = (32, 104)
    kspace = measured(disc(shape), np.asarray(birdcage_maps(COILS, shape)))
    path = write.hdf5(tmp_path, "scan.h5", kspace=np.repeat(kspace, 3, axis=0))
    summary = reconstruct(path)
    assert (summary.failed, summary.frames) == (0, 3)
    found = read(tmp_path / "out" / "scan.h5")
    assert (found["psnr_db"] > found["zero_filled_psnr_db"] + 5).all()
    # Equispaced columns with their centre, at another offset in each frame.
    assert found["mask"].shape == (3, 1, 104)
    assert found["mask"].mean() < 0.4


@pytest.mark.parametrize("complete", [True, False])
def test_maps_of_a_file_are_used(
    complete, kspace, image, maps, reconstruct, tmp_path, write
):
    """Without lines in the middle, maps could not be estimated."""
    lines = np.ones(40, bool) if complete else np.arange(40) % 3 == 0
    path = write.hdf5(tmp_path, "scan.h5", kspace=kspace * lines, sens_maps=maps)
    summary = reconstruct(path)
    assert (summary.failed, summary.frames) == (0, 1)
    found = read(tmp_path / "out" / "scan.h5")["reconstruction"]
    assert error(found, image) < 0.1


def test_a_network_of_one_coil_is_warned_of(kspace, make_model, tmp_path, write):
    model = load_model(make_model(consistency="single"))
    path = write.hdf5(tmp_path, "scan.h5", kspace=kspace * COLUMNS, mask=COLUMNS)
    scan = read_scan(path, Reading("magnitude", "rows", "plain"))
    assert any("5 coils, and the network" in text for text in warnings_for(model, scan))


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Networks of the same weights, trained for both kinds of target."""
    folder = tmp_path_factory.mktemp("twins")
    return {
        kind: write_model(
            folder / kind / "emrnas", "complex", "gradient", coils=COILS, target=kind
        )
        for kind in TargetKind
    }


@pytest.mark.slow
@pytest.mark.parametrize("flips", [False, True])
def test_a_network_of_magnitudes_of_coils_returns_magnitudes(twins, kspace, flips):
    """The phase that it was not taught is dropped, and before the mean over flips."""
    found, image = (
        reconstruct_kspace(
            load_model(twins[kind], test_time_flips=flips),
            kspace,
            COLUMNS[None],
            coils=True,
        )
        for kind in (TargetKind.RSS, TargetKind.COMBINED)
    )
    assert found.dtype == np.float32
    assert image.dtype == np.complex64
    if flips:
        # Parts that differ in phase cancel in a mean of complex images alone.
        assert (found > np.abs(image) - 1e-5).all()
        assert (found > np.abs(image) + 1e-3).any()
    else:
        np.testing.assert_allclose(found, np.abs(image), atol=1e-6)


def test_complete_coils_are_scored_against_their_root_of_the_sum_of_squares(
    twins, tmp_path, write, capfd
):
    shape = (32, 104)
    kspace = measured(disc(shape), np.asarray(birdcage_maps(COILS, shape)))
    columns = (np.arange(104) % 3 == 0) | (np.abs(np.fft.fftfreq(104) * 104) < 5.5)
    path = write.hdf5(tmp_path, "scan.h5", kspace=kspace)
    given = StoredMask(np.fft.fftshift(columns), "mask", "mask.npy")
    reading = Reading("complex", "columns", "plain", masks=given)
    settings = Settings(path, tmp_path / "out", reading, batch=1)
    summary = reconstruct_files(load_model(twins[TargetKind.RSS]), settings)
    assert (summary.failed, summary.frames) == (0, 1)
    assert "scored against the root of the sum of squares" in capfd.readouterr().out
    found = read(tmp_path / "out" / "scan.h5")
    assert found["reconstruction"].dtype == np.float32
    rss = np.sqrt((np.abs(np.fft.ifft2(kspace[0], norm="ortho")) ** 2).sum(0))
    for name, image in (("", "reconstruction"), ("zero_filled_", "zero_filled")):
        error = (np.clip(found[image][0] / rss.max(), 0, 1) - rss / rss.max()) ** 2
        psnr = -10 * np.log10(error.mean())
        assert found[f"{name}psnr_db"][0] == pytest.approx(psnr, abs=0.01)


def test_single_slices_of_coils_are_not_computed_as_batches_of_copies():
    one, two = np.zeros((1, COILS, *SHAPE)), np.zeros((2, *SHAPE))
    assert batch_of(one, 8) == 1
    assert batch_of(np.repeat(one, 9, 0), 8) == 8
    # Frames of one coil keep one size, for which the network is compiled.
    assert batch_of(two, 8) == 8
