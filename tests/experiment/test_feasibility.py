"""What would end a run after hours is found before it begins."""

import pytest

from emrnas_jax.data.folds import Fold
from emrnas_jax.errors import InputError
from emrnas_jax.experiment.feasibility import (
    require_batches,
    require_images,
    require_starts,
    require_strips,
)
from emrnas_jax.experiment.networks import RunNetwork, RunSearch
from emrnas_jax.models.included import included_models
from emrnas_jax.models.model_folder import read_config
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.search_settings import SearchSettings

FOLDS = [
    Fold(("a", "b"), ("c",), ("d",)),
    Fold(("c", "d"), ("a",), ("b",)),
]


def networks_with(batch):
    training = RetrainSettings(batch=batch)
    return {"dccnn": RunNetwork("dccnn", "dccnn", {}, training)}


def search_with(batch, **changes):
    return RunSearch(
        "emrnas", {}, SearchSettings(batch=batch, **changes), ("emrnas",), True
    )


def four_frames_each(subjects):
    return 4 * len(subjects)


def test_batches_as_large_as_their_splits_are_enough():
    require_batches(networks_with(12), [search_with(4)], FOLDS, four_frames_each)


@pytest.mark.parametrize(
    ("trained", "searched", "message"),
    [
        (
            13,
            4,
            r"^retrain\.batch: a batch of 13 .* 12 frames .* fold 1 has",
        ),
        # S_val has half the frames of S_train.
        (
            12,
            5,
            r"^search\.batch: a batch of 5 .* 4 frames .* fold 1 has",
        ),
    ],
)
def test_a_batch_larger_than_its_smallest_split_is_named(trained, searched, message):
    with pytest.raises(InputError, match=message):
        require_batches(
            networks_with(trained), [search_with(searched)], FOLDS, four_frames_each
        )


def test_the_fold_that_has_too_few_frames_is_named():
    def fewer_of_d(subjects):
        return sum(1 if subject == "d" else 4 for subject in subjects)

    with pytest.raises(InputError, match=r"the 9 frames of one size that fold 2 has"):
        require_batches(networks_with(10), [], FOLDS, fewer_of_d)


def test_folds_side_by_side_need_a_device_each():
    search = search_with(1, folds_in_parallel=True)
    with pytest.raises(InputError, match=r"search\.folds_in_parallel needs a device"):
        require_batches({}, [search], FOLDS * 10, four_frames_each)


def test_images_smaller_than_the_window_of_ssim_cannot_be_scored():
    require_images("x", Sampling(), (7, 16))
    for shape in ((6, 16), (16, 6)):
        with pytest.raises(InputError, match="smaller than the 7 x 7 window of SSIM"):
            require_images("x", Sampling(), shape)


def test_a_mask_without_a_line_is_found_by_the_shape():
    sampling = Sampling(rate=0.01)
    with pytest.raises(InputError, match="rate"):
        require_images("x", sampling, (16, 16))


def test_tested_subjects_that_the_start_has_seen_are_named(caplog):
    folder = included_models()["cardiac15"]
    settings = read_config(folder).network.settings | {"precision": "bf16"}
    training = RetrainSettings(start="cardiac15")
    networks = {"a": RunNetwork("a", "half_resolution", settings, training)}
    require_starts(networks, FOLDS)
    assert not caplog.records
    require_starts(networks, [Fold(("p01",), ("b",), ("p30", "p29"))])
    assert "which this run tests: p29, p30" in caplog.text


def test_a_start_of_another_network_is_refused():
    training = RetrainSettings(start="cardiac15")
    networks = {"a": RunNetwork("a", "dccnn", {}, training)}
    with pytest.raises(InputError, match="is of the kind half_resolution"):
        require_starts(networks, FOLDS)


@pytest.mark.parametrize("side", ["rows", "columns"])
def test_a_strip_as_wide_as_the_readout_is_the_widest(side):
    sampling = Sampling(phase_encode=side)
    shape, widest = (64, 48), 48 if side == "rows" else 64
    for section in ("retrain", "search"):
        for strip in (widest, widest + 1):
            training = RetrainSettings(strip=strip if section == "retrain" else 0)
            networks = {"dccnn": RunNetwork("dccnn", "dccnn", {}, training)}
            searches = [search_with(4, strip=strip if section == "search" else 0)]
            if strip == widest:
                require_strips(networks, searches, sampling, shape)
                continue
            with pytest.raises(InputError, match=rf"{section}\.strip: .* wider"):
                require_strips(networks, searches, sampling, shape)


def test_strips_are_refused_where_points_are_measured():
    sampling = Sampling("poisson", center_fraction=0.1)
    for section in ("retrain", "search"):
        training = RetrainSettings(strip=8 if section == "retrain" else 0)
        networks = {"dccnn": RunNetwork("dccnn", "dccnn", {}, training)}
        searches = [search_with(4, strip=8 if section == "search" else 0)]
        with pytest.raises(InputError, match=rf"{section}\.strip: .* whole lines"):
            require_strips(networks, searches, sampling, (64, 48))
