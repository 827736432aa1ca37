from dataclasses import replace
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from emrnas_jax.inference import scan_files
from emrnas_jax.inference.scan_files import (
    ReconstructedScan,
    draw_preview,
    made_from,
    write_preview,
    write_scan,
)

ATTRIBUTES = {"network": "emrnas", "made_from": '{"input": "a.h5"}'}


@pytest.fixture
def scan():
    """Three frames of 8 x 6 on a scale of 100, with their targets."""
    random = np.random.default_rng(2)
    target, error, start = random.random((3, 3, 8, 6), np.float32) * 100
    numbers = np.arange(3, dtype=np.int32)
    return ReconstructedScan(
        subjects=("p01",) * 3,
        slices=numbers,
        frames=numbers + 4,
        reconstruction=target + error / 10,
        zero_filled=start,
        mask=np.arange(8)[None, :, None] < np.array([3, 4, 5])[:, None, None],
        scale=100.0,
        target=target,
        scores={
            name: random.random(3, np.float32) * 30
            for name in ("psnr_db", "ssim", "zero_filled_psnr_db", "zero_filled_ssim")
        },
    )


def read(path):
    """All datasets and attributes of an HDF5 file."""
    with h5py.File(path) as file:
        found: dict[str, Any] = {name: item[()] for name, item in file.items()}
        return found, dict(file.attrs)


def test_the_file_holds_the_images_their_names_and_scores(scan, tmp_path):
    write_scan(tmp_path / "new" / "a.h5", scan, ATTRIBUTES)
    found, attributes = read(tmp_path / "new" / "a.h5")
    for name in ("reconstruction", "zero_filled"):
        np.testing.assert_array_equal(found[name], getattr(scan, name))
    np.testing.assert_array_equal(found["slice"], scan.slices)
    np.testing.assert_array_equal(found["frame"], scan.frames)
    assert [name.decode() for name in found["subject"]] == list(scan.subjects)
    for name, values in scan.scores.items():
        np.testing.assert_array_equal(found[name], values)
    assert attributes["scale"] == 100
    assert attributes["network"] == "emrnas"


def test_the_stored_mask_has_the_zero_frequency_in_the_middle(scan, tmp_path):
    mask = np.zeros((3, 8, 1), bool)
    mask[:, 0] = True
    write_scan(tmp_path / "a.h5", replace(scan, mask=mask), ATTRIBUTES)
    found, _ = read(tmp_path / "a.h5")
    assert np.flatnonzero(found["mask"][0]).tolist() == [4]


def test_a_failed_write_leaves_the_old_file_and_no_other(scan, tmp_path):
    path = tmp_path / "a.h5"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_scan(path, scan, {"network": object()})  # pyright: ignore
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_file_was_made_from_is_read_back(scan, tmp_path):
    write_scan(tmp_path / "a.h5", scan, ATTRIBUTES)
    assert made_from(tmp_path / "a.h5") == {"input": "a.h5"}
    (tmp_path / "b.h5").write_text("no HDF5")
    assert made_from(tmp_path / "b.h5") is None
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["reconstruction"] = np.ones(3)
    assert made_from(tmp_path / "c.h5") is None


def test_a_preview_has_four_panels_with_the_truth_and_two_without(scan, tmp_path):
    write_preview(tmp_path / "a.png", draw_preview(scan, "emrnas", "a.h5"))
    with Image.open(tmp_path / "a.png") as picture:
        four = picture.size
    alone = replace(scan, target=None, scores={})
    two = draw_preview(alone, "emrnas", "a.h5").shape
    assert (four[0], four[1]) == (2 * two[1], two[0])


def test_panels_show_the_middle_frame_on_one_scale(scan):
    picture = draw_preview(scan, "emrnas", "a.h5")
    side = 256 // 8
    panels = picture[-8 * side :: side, ::side, 0].reshape(8, 4, 6).swapaxes(0, 1)
    white = scan.target[1].max()
    for panel, image in zip(
        panels, (scan.zero_filled, scan.reconstruction, scan.target), strict=False
    ):
        wanted = np.clip(image[1] / white, 0, 1) * 255
        np.testing.assert_allclose(panel, wanted, atol=0.51)


def test_an_image_of_zeros_is_drawn_black(scan):
    nothing = np.zeros((3, 8, 6), np.complex64)
    alone = ReconstructedScan(
        *(scan.subjects, scan.slices, scan.frames, nothing, nothing, scan.mask),
        scale=1.0,
        target=None,
        scores={},
    )
    assert not draw_preview(alone, "emrnas", "a.h5")[-6:].any()


def test_a_preview_names_its_file_frame_size_and_scale(scan, monkeypatch):
    drawn = []
    strip = scan_files._strip
    monkeypatch.setattr(
        scan_files,
        "_strip",
        lambda width, text: drawn.append(text) or strip(width, text),
    )
    alone = replace(scan, target=None, scores={})
    draw_preview(alone, "emrnas", "a.h5")
    white = abs(scan.reconstruction[1]).max()
    line = f"a.h5: frame 2 of 3, 8 x 6 pixels, grey 0 to {white:.3g}"
    assert drawn == ["zero-filled", "emrnas", line]
