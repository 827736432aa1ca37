"""Search and retraining on frames of two sizes: the same however they are cut up."""

import dataclasses

import jax
import numpy as np
import pytest

from emrnas_jax.data.dataset import DataSettings, open_dataset
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.data.split import Split
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.runs import metrics_log
from emrnas_jax.training import search_state
from emrnas_jax.training.budget import steps_within
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.random_search import validation_loss
from emrnas_jax.training.retrain import load_trained, retrain_fold
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import initial_state, training_program
from emrnas_jax.training.search import search_fold
from emrnas_jax.training.search_programs import search_programs
from emrnas_jax.training.search_settings import SearchSettings
from tests.fixtures.image_files import write_hdf5

SEED, STEPS = 3, 5  # of an epoch: three of 16 x 16 and two of 12 x 20
SIZES = [((16, 16), 6), ((12, 20), 4)]
# Strips along the columns fit into both sizes.
RETRAIN = RetrainSettings(batch=2, learning_rate=1e-2, strip=10, flips=True)
NETWORK = SearchNetwork(components=1, cells_per_block=1, width=4)
SEARCH = SearchSettings(
    warmup_epochs=1,
    search_epochs=2,
    batch=2,
    learning_rate=1e-2,
    alpha_learning_rate=0.05,
)
RECORD = NetworkRecord(
    name="dccnn",
    kind="dccnn",
    settings={"components": 1, "layers": 2, "width": 4, "consistency": "single"},
    sampling=dataclasses.asdict(SamplingSettings(rate=0.3)),
    images="magnitude",
    shape=(16, 16),
    seed=SEED,
)


class Stop(Exception):  # noqa: N818 - stands for a kill
    pass


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sizes")
    random = np.random.default_rng(0)
    for number, (size, count) in enumerate(SIZES):
        images = random.integers(0, 256, (count, *size), np.uint8)
        write_hdf5(folder, f"subject_{number}.h5", images=images)
    cache = str(tmp_path_factory.mktemp("cache"))
    return open_dataset(DataSettings(str(folder), cache=cache, height=0, width=0))


@pytest.fixture(scope="module")
def split_of(frames):
    def make(steps_per_call, indices=None):
        indices = np.arange(10) if indices is None else np.array(indices)
        return Split(frames, indices, 2, jax.random.key(5), steps_per_call, 1.0)

    return make


def loop_of(steps):
    return LoopSettings(steps_per_dispatch=steps, checkpoint_seconds=0.0)


def stopped_at(program, step):
    """Stop before the call that begins with a step."""

    def stop(state, *arguments):
        if int(state.step) == step:
            raise Stop
        return program(state, *arguments)

    return stop


def rows_of(folder):
    rows = metrics_log.read(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def assert_identical(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def program(sampling):
    return training_program(RECORD.build(), RETRAIN, sampling, SEED)


@pytest.fixture(scope="module")
def retrain(program, split_of):
    def run(folder, steps_per_call, used=program):
        what = (RECORD, RECORD.build(), used, RETRAIN, 3 * STEPS)
        split, loop = split_of(steps_per_call), loop_of(steps_per_call)
        retrain_fold("retrain", folder, *what, split, 1, loop)

    return run


@pytest.fixture(scope="module")
def trained(retrain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrain")
    retrain(folder, 4)
    return folder


@pytest.mark.slow
def test_a_training_is_the_same_step_by_step(trained, retrain, program, tmp_path):
    retrain(tmp_path, 1)
    assert_identical(load_trained(tmp_path)[2], load_trained(trained)[2])
    assert rows_of(tmp_path)[-1]["step"] == rows_of(trained)[-1]["step"] == 3 * STEPS
    assert program._cache_size() == len(SIZES)


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 7, 12])
def test_a_stopped_training_continues_to_the_same(
    step, trained, retrain, program, tmp_path
):
    with pytest.raises(Stop):
        retrain(tmp_path, 1, stopped_at(program, step))
    retrain(tmp_path, 4)
    assert_identical(load_trained(tmp_path)[2], load_trained(trained)[2])


def test_a_budget_of_time_counts_every_size_as_often_as_an_epoch_has_it(split_of):
    now, state = [0.0], initial_state(RECORD.build(), RETRAIN, jax.random.key(0))

    def slow_where_wide(state, frames, *_):
        now[0] += 10.0 if frames.images.shape[2] == 20 else 1.0
        return state

    found = steps_within(
        10.0, slow_where_wide, state, split_of(4), loop_of(1), clock=lambda: now[0]
    )
    assert found.seconds_per_step == pytest.approx((3 * 1 + 2 * 10) / 5)


@pytest.fixture(scope="module")
def programs(sampling):
    return search_programs(NETWORK, SEARCH, sampling, SEED)


@pytest.fixture(scope="module")
def search(programs, split_of):
    """Search into a folder; of one size S_val has other frames than of the other."""

    def run(folder, steps_per_call, used=programs):
        splits = (split_of(steps_per_call), split_of(4, [0, 1, 2, 3, 7, 9]))
        loop = loop_of(steps_per_call)
        what = (NETWORK, used, SEARCH, *splits, SEED, 1, loop)
        return search_fold("search", folder, *what)

    return run


@pytest.fixture(scope="module")
def searched(search, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return folder, *search(folder, 4)


@pytest.mark.slow
def test_a_search_is_the_same_step_by_step_and_after_a_stop(
    searched, search, programs, tmp_path
):
    folder, architecture, p = searched
    for step in (STEPS + 2, 2 * STEPS + 1):
        own = tmp_path / str(step)
        with pytest.raises(Stop):
            search(own, 1, programs._replace(search=stopped_at(programs.search, step)))
        found = search(own, 4)
        assert found[0] == architecture
        np.testing.assert_array_equal(found[1], p)
    # Sums of an epoch have no part in what is searched, and are the same too.
    assert rows_of(tmp_path / str(STEPS + 2)) == rows_of(folder)
    # A program for each size in each phase, and not for each pair of sizes.
    assert programs.warm_up._cache_size() == len(SIZES)
    assert programs.search._cache_size() == len(SIZES)
    assert np.ptp(p) > 0


@pytest.mark.slow
def test_a_candidate_is_judged_on_all_sizes(searched, programs, split_of):
    _, architecture, _ = searched
    weights = search_state.initial_state(NETWORK, SEARCH, jax.random.key(0)).weights
    whole, parts = split_of(4), [split_of(4, range(6)), split_of(4, range(6, 10))]
    found, *alone = (
        validation_loss(
            programs.validate, weights, architecture, own, 4, own.steps_per_epoch
        )
        for own in (whole, *parts)
    )
    # Nothing is left over, so the order of each size makes no difference.
    assert found == pytest.approx((3 * alone[0] + 2 * alone[1]) / 5, rel=1e-5)
