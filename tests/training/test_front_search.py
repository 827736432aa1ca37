"""The front of judged candidates: additive losses are found, and budgets are kept."""

import json

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.nas.latency_table import LatencyTable, Measured
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.front import read_front, write_front
from emrnas_jax.training.candidates import candidates_of, require_budget
from emrnas_jax.training.front_search import front_of_folds, rounds_of_candidates
from emrnas_jax.training.search_settings import SearchSettings

CELLS, REST = 4, 2.0
TIMES = {own.name: 1.0 + 0.5 * i for i, own in enumerate(OPERATIONS)}
TABLE = LatencyTable(
    measured=Measured(
        device="a device",
        settings={"components": 2, "cells_per_block": 2},
        size=(16, 16),
        batch=1,
        coils=0,
    ),
    jax="0.0",
    rest_ms=REST,
    operations_ms=TIMES,
)
NETWORK = SearchNetwork(components=2, cells_per_block=2)
SETTINGS = SearchSettings(method="front", loss="log_mse")


@pytest.fixture
def effects():
    """Operations that take longer are better, more so in later cells."""
    random = np.random.default_rng(0)
    slope = -0.02 * np.arange(1, CELLS + 1)[:, None] * np.arange(len(OPERATIONS))
    return slope + random.normal(0, 0.01, slope.shape)


@pytest.fixture
def folders(effects, tmp_path):
    """Two folds that judged the same 120 candidates, one of harder subjects."""
    random = np.random.default_rng(1)
    drawn = random.integers(0, len(OPERATIONS), (120, CELLS)).tolist()
    found = []
    for name, constant in (("a", -6.0), ("b", -4.0)):
        folder = tmp_path / name
        folder.mkdir()
        found.append(folder)
        for number, cells in enumerate(drawn, 1):
            loss = constant + effects[np.arange(CELLS), cells].sum()
            row = {
                "step": number,
                "architecture": str(Architecture.from_cells(cells, 2)),
                "validation_loss": loss + random.normal(0, 1e-3),
            }
            metrics_log.append(folder / "candidates.jsonl", row)
    return found


def front(folders, settings=SETTINGS, groups=(0, 1, 2, 3)):
    network = NETWORK.clone(shared="none" if len(set(groups)) == CELLS else "block")
    assert network.cell_groups == list(groups)
    return front_of_folds(folders, network, settings, TABLE)


def exact_db(text, effects):
    cells = list(Architecture.parse(text).cells)
    return -10 / np.log(10) * effects[np.arange(CELLS), cells].sum()


def test_quality_and_time_along_the_front_are_the_true_ones(folders, effects):
    found = front(folders)
    times, gains = ([getattr(p, k) for p in found.points] for k in ("ms", "gain_db"))
    assert np.all(np.diff(times) > 0)
    assert np.all(np.diff(gains) > 0)
    true = [exact_db(point.architecture, effects) for point in found.points]
    np.testing.assert_allclose(np.diff(gains), np.diff(true), atol=0.03)
    for point in found.points:
        assert point.ms == TABLE.predict_ms(Architecture.parse(point.architecture))
    assert found.error_db < 0.05
    # Without a budget, the best of all.
    assert found.chosen == found.points[-1].architecture
    assert len(found.judged) > 100


def test_what_is_chosen_is_the_best_within_the_budget(folders, effects):
    budget = 9.0
    settings = SearchSettings(method="front", loss="log_mse", budget_ms=budget)
    found = front(folders, settings)
    assert TABLE.predict_ms(Architecture.parse(found.chosen)) <= budget
    assert found.chosen in [point.architecture for point in found.points]
    every = np.stack(np.meshgrid(*[range(len(OPERATIONS))] * CELLS), -1)
    cells = every.reshape(-1, CELLS)
    ms = REST + (1 + 0.5 * cells).sum(1)
    best = (-10 / np.log(10) * effects[np.arange(CELLS), cells].sum(1))[ms <= budget]
    assert exact_db(found.chosen, effects) > best.max() - 0.03


def test_cells_that_share_a_choice_have_it_together(folders):
    found = front(folders, groups=(0, 1, 0, 1))
    for point in found.points:
        first, second = Architecture.parse(point.architecture).blocks
        assert first == second
        assert point.ms == TABLE.predict_ms(Architecture.parse(point.architecture))


def test_squared_errors_are_compared_by_their_logarithm(folders):
    """The same losses as squared errors give the same front."""
    expected = front(folders)
    for folder in folders:
        path = folder / "candidates.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        path.unlink()
        for row in rows:
            loss = float(np.exp(row["validation_loss"]))
            metrics_log.append(path, row | {"validation_loss": loss})
    found = front(folders, SearchSettings(method="front"))
    assert found.chosen == expected.chosen
    assert found.error_db == pytest.approx(expected.error_db, rel=1e-6)


def test_a_budget_below_the_fastest_architecture_is_refused_with_its_time(folders):
    settings = SearchSettings(method="front", budget_ms=5.9)
    message = r"budget_ms: found 5\.9, and the fastest .* takes 6\.00 ms on a device"
    with pytest.raises(InputError, match=message):
        require_budget(settings, TABLE)
    with pytest.raises(InputError, match=message):
        front(folders, settings)
    require_budget(SearchSettings(method="front", budget_ms=6.0), TABLE)


def test_a_share_of_the_slowest_time_is_a_budget(folders):
    share = SearchSettings(method="front", loss="log_mse", budget_share=0.75)
    limit = 0.75 * TABLE.slowest_ms
    assert TABLE.slowest_ms == REST + CELLS * max(TIMES.values())
    found = front(folders, share)
    in_ms = SearchSettings(method="front", loss="log_mse", budget_ms=limit)
    assert found == front(folders, in_ms)
    assert found.budget_ms == limit
    too_small = SearchSettings(method="front", budget_share=0.1)
    message = r"budget_share: found 0\.1, which is 2\.00 ms, and the fastest"
    with pytest.raises(InputError, match=message):
        require_budget(too_small, TABLE)
    with pytest.raises(InputError, match="beside search"):
        SearchSettings(method="front", budget_share=0.5, budget_ms=3.0)


def test_a_front_is_read_as_it_was_written(folders, tmp_path):
    found = front(folders)
    write_front(tmp_path / "front.json", found)
    assert read_front(tmp_path / "front.json") == found
    with pytest.raises(InputError, match=r"front\.json is missing; delete it"):
        read_front(tmp_path / "other" / "front.json")


@pytest.mark.parametrize(
    ("steps", "validation_steps", "batches"),
    [(1000, 100, 50), (20, 100, 4), (20, 2, 2), (1000, 30, 30)],
)
def test_candidates_cost_half_a_forward_pass_for_each_step(
    steps, validation_steps, batches
):
    settings = SearchSettings(method="front", candidates=10)
    own = NETWORK, settings, steps, validation_steps, 0
    candidates, found = candidates_of(*own, TABLE)
    assert (len(candidates), found) == (10, batches)


def judged_by_rounds(effects, rounds, count=40, **settings):
    """The losses of all candidates, which are additive, in the order of judging."""
    own = SearchSettings(method="front", candidates=count, rounds=rounds, **settings)
    every, _ = candidates_of(NETWORK, own, 100, 100, 0, TABLE)
    following = rounds_of_candidates(every, NETWORK, own, TABLE)
    judged = {}
    while len(judged) < len(every):
        for candidate in following(judged):
            loss = effects[np.arange(CELLS), list(candidate.cells)].sum()
            judged[candidate] = float(loss)
    return every, judged


def test_one_round_judges_the_random_candidates_in_their_order(effects):
    every, judged = judged_by_rounds(effects, 1)
    assert list(judged) == every


def test_later_rounds_judge_what_the_ones_before_promise(effects):
    every, judged = judged_by_rounds(effects, 3)
    found = list(judged)
    assert len(found) == len(every)
    assert found[:20] == every[:20]

    def beaten(candidates):
        """How many of all candidates are better and no slower than each of these."""
        points = [(TABLE.predict_ms(own), judged[own]) for own in found]
        mine = [(TABLE.predict_ms(own), judged[own]) for own in candidates]
        return np.mean(
            [sum(t <= ms and own < loss for t, own in points) for ms, loss in mine]
        )

    assert beaten(found[20:30]) < beaten(found[:20]) / 3
    assert beaten(found[30:]) <= beaten(found[20:30])


def test_a_round_that_was_stopped_goes_on_with_the_same_candidates(effects):
    _, judged = judged_by_rounds(effects, 3)
    own = SearchSettings(method="front", candidates=40, rounds=3)
    every, _ = candidates_of(NETWORK, own, 100, 100, 0, TABLE)
    following = rounds_of_candidates(every, NETWORK, own, TABLE)
    for done, end in ((0, 20), (7, 20), (20, 30), (26, 30), (30, 40), (39, 40)):
        before = dict(list(judged.items())[:done])
        assert following(before) == list(judged)[done:end]


def test_candidates_of_later_rounds_keep_the_budget(effects):
    _, judged = judged_by_rounds(effects, 3, count=16, budget_ms=11.0)
    assert max(TABLE.predict_ms(own) for own in list(judged)[8:]) <= 11


def test_a_front_without_anything_new_leaves_its_round_to_random_candidates(effects):
    """Operations that are all alike: the front is the fastest architecture."""
    every, judged = judged_by_rounds(np.zeros_like(effects), 2, count=8)
    assert len(judged) == len(every) == 8
    assert len(set(list(judged)[4:]) & set(every)) >= 3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_candidates_may_have_many_rounds(effects, count):
    every, judged = judged_by_rounds(effects, 5, count=count)
    assert len(judged) == len(every) == count


def test_a_search_has_at_least_one_round():
    with pytest.raises(InputError, match=r"search\.rounds: found 0; use at least 1"):
        SearchSettings(method="front", rounds=0)
    with pytest.raises(InputError, match=r"search\.rounds: found 2; leave it at 1"):
        SearchSettings(method="random", rounds=2)
