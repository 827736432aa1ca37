"""Volumes against plain loops over their slices."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from emrnas_jax.data import image_set
from emrnas_jax.data.coil_images import joined
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.evaluation.volumes import (
    scores_of_volumes,
    volume_of_frames,
    volume_peaks,
)
from emrnas_jax.runs.scores import ALL_SLICES, Scores

# Three slices of two subjects at two times, in no order; one slice is left out.
SUBJECTS = ("b", "a", "a", "b", "a", "b", "a", "b", "a", "a", "b")
TIMES = np.array([0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1])
VOLUMES = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def members(volume):
    return [
        i
        for i, (subject, time) in enumerate(zip(SUBJECTS, TIMES, strict=True))
        if (subject, time) == volume
    ]


def test_volumes_are_ordered_by_subject_and_time():
    first, own = volume_of_frames(SUBJECTS, TIMES)
    assert first.tolist() == [members(volume)[0] for volume in VOLUMES]
    for number, volume in enumerate(VOLUMES):
        assert np.flatnonzero(own == number).tolist() == members(volume)


@pytest.mark.parametrize("kind", ["uint8", "float32", "complex", "coils", "rss"])
@pytest.mark.parametrize(("chunk", "crop"), [(3, 0), (256, 0), (256, 2), (256, 5)])
def test_a_frame_has_the_largest_value_of_its_volume(kind, chunk, crop, monkeypatch):
    monkeypatch.setattr(image_set, "CHUNK", chunk)
    random = np.random.default_rng(0)
    images = random.random((len(SUBJECTS), 4, 5), np.float32)
    images[members(("b", 1))] = 0
    magnitudes = images
    if kind == "uint8":
        images = (255 * images).astype(np.uint8)
        magnitudes = images / np.float32(255)
    if kind == "complex":
        images = np.stack([images, 1 - images], -1)
        magnitudes = np.abs(images[..., 0] + 1j * images[..., 1])
    target_kind = TargetKind.COMBINED
    if kind == "rss":
        # Maps that explain nothing: the target does not depend on them.
        parts = random.normal(size=(2, len(SUBJECTS), 3, 4, 5)).astype(np.float32)
        parts[:, members(("b", 1))] = 0
        coils = (parts[0] + 1j * parts[1]).astype(np.complex64)
        images = np.stack([joined(own, 0 * own) for own in coils])
        magnitudes, target_kind = np.linalg.norm(coils, axis=1), TargetKind.RSS
    if kind == "coils":
        # Two coils, whose maps combine them to the images; the second sees less.
        maps = np.array([0.8, 0.6j], np.complex64)[:, None, None] * np.ones((4, 5))
        maps = maps.astype(np.complex64)
        images = np.stack([joined(maps * own, maps) for own in images])
    # A data set whose frames are numbered from 100, as those of a fold are not from 0.
    data = SimpleNamespace(
        subjects=("other",) * 100 + SUBJECTS,
        frames=np.concatenate([np.zeros(100, int), TIMES]),
        images=lambda indices: images[indices - 100],
        of_each_shape=lambda indices: {(4, 5): np.arange(len(indices))},
        target_kind=target_kind,
    )
    indices = np.arange(len(SUBJECTS)) + 100
    # Without its types, which ask for a data set on disk.
    peaks = inspect.unwrap(volume_peaks)(data, indices, crop)
    if crop == 2:
        magnitudes = magnitudes[:, 1:3, 1:3]
    if crop == 5:  # more than there are rows
        assert magnitudes.shape[1:] == (4, 5)
    for volume in VOLUMES:
        own = members(volume)
        expected = magnitudes[own].max() or 1  # 1 where all is black
        np.testing.assert_allclose(peaks[own], expected, rtol=1e-6)


def test_the_scores_of_a_volume_are_those_of_all_its_pixels():
    random = np.random.default_rng(1)
    target = random.random((len(SUBJECTS), 4, 5))
    found = target + 0.1 * random.standard_normal(target.shape)
    peak = np.zeros(len(SUBJECTS))
    for volume in VOLUMES:
        peak[members(volume)] = target[members(volume)].max()
    ssim = random.random(len(SUBJECTS))
    nothing = np.zeros(len(SUBJECTS))
    slices = Scores(SUBJECTS, np.arange(11), TIMES, nothing, ssim, nothing)
    error = ((found - target) ** 2).mean((1, 2))
    scores = scores_of_volumes(slices, error, (target**2).mean((1, 2)), peak)
    assert list(zip(scores.subject, scores.frame.tolist(), strict=True)) == VOLUMES
    assert set(scores.slice.tolist()) == {ALL_SLICES}
    for number, volume in enumerate(VOLUMES):
        own = members(volume)
        squares = ((found[own] - target[own]) ** 2).sum()
        psnr = 10 * np.log10(target[own].max() ** 2 * target[own].size / squares)
        nmse = squares / (target[own] ** 2).sum()
        found_here = [getattr(scores, n)[number] for n in ("psnr_db", "ssim", "nmse")]
        np.testing.assert_allclose(found_here, [psnr, ssim[own].mean(), nmse])
