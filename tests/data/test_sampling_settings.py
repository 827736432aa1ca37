"""The config section `sampling`: what it refuses, and how it becomes `Sampling`."""

import dataclasses

import numpy as np
import pytest

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.mri.sampling import Sampling

MASKS = np.eye(2, 12, k=6, dtype=bool) | (np.arange(12) == 6)


def test_settings_without_a_file_have_the_values_of_the_sampling():
    settings = SamplingSettings("random", 0.25, 0.08, "columns")
    assert settings.load() == Sampling("random", 0.25, 0.08, "columns")
    assert SamplingSettings().load() == Sampling()


def test_other_rates_have_the_center_fraction_or_their_own():
    settings = SamplingSettings("random", 0.25, other_rates="0.125, 0.1")
    assert settings.load().others == ((0.125, 0.04), (0.1, 0.04))
    settings = dataclasses.replace(settings, other_center_fractions="0.05,0")
    assert settings.load().others == ((0.125, 0.05), (0.1, 0.0))


def test_the_file_is_read_when_the_sampling_is_loaded(tmp_path):
    settings = SamplingSettings("file", file=str(tmp_path / "masks.npy"))
    with pytest.raises(InputError, match=r"masks\.npy: no such file"):
        settings.load()
    np.save(tmp_path / "masks.npy", MASKS)
    masks = settings.load().masks
    assert masks is not None
    np.testing.assert_array_equal(masks.unpack(), MASKS)
    assert masks.where == str(tmp_path / "masks.npy")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "file"}, "sampling.file: kind 'file' needs a file"),
        ({"file": "masks.npz"}, "sampling.file.*not used by kind 'cartesian'"),
        ({"kind": "spiral"}, "sampling.kind.*'spiral'"),
        ({"rate": 0.0}, r"sampling.rate.*\(0, 1\].*0.0"),
        ({"other_rates": "0.1,x"}, "sampling.other_rates.*commas.*'0.1,x'"),
        ({"other_rates": "0.1,4"}, r"sampling.rate.*\(0, 1\].*4.0"),
        ({"other_rates": "0.1", "other_center_fractions": "0,0"}, "found 2 for 1"),
        ({"other_center_fractions": "0.04"}, "found 1 for 0"),
        ({"kind": "file", "file": "a.npz", "other_rates": "0.1"}, "not used by kind"),
        ({"kind": "file", "file": "a.npz", "phase_encode": "z"}, "phase_encode.*'z'"),
    ],
)
def test_impossible_settings_are_refused_before_a_file_is_opened(settings, message):
    with pytest.raises(InputError, match=message):
        SamplingSettings(**settings)


def test_a_network_is_read_where_its_masks_are_not(tmp_path):
    settings = {"architecture": "[O8]", "components": 1, "cells_per_block": 1}
    sampling = dataclasses.asdict(SamplingSettings("file", file="elsewhere.npz"))
    record = NetworkRecord("emrnas", settings, sampling, "magnitude", (16, 16), seed=0)
    record.write(tmp_path / "network.json")
    found = NetworkRecord.read(tmp_path / "network.json")
    assert found.sampling == sampling
    with pytest.raises(InputError, match=r"elsewhere\.npz: no such file"):
        found.load_sampling()
