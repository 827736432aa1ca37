"""The front of judged candidates: additive losses are found, and budgets are kept."""

import json
from typing import Any

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.nas.latency_table import LatencyTable, Measured
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.front import read_front, write_front
from emrnas_jax.runs.judged import append_judged
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
    settings = SearchSettings(method="front", loss="log_mse", budget_ms=5.9)
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


LOSSES = {"log_mse": lambda loss: loss, "mse": np.exp}


class Rounds:
    """A search of additive losses in several rounds."""

    def __init__(self, effects, rounds, count=40, network=NETWORK, **settings):
        given: dict[str, Any] = {"method": "front", "loss": "log_mse"} | settings
        self.settings = SearchSettings(candidates=count, rounds=rounds, **given)
        own = network, self.settings, 100, 100, 0
        self.every, _ = candidates_of(*own, TABLE)
        searched = self.every, network, self.settings, TABLE
        self.next_candidates = rounds_of_candidates(*searched)
        self.losses = {}
        while len(self.losses) < len(self.every):
            for candidate in self.next_candidates(self.losses):
                loss = effects[np.arange(CELLS), list(candidate.cells)].sum()
                self.losses[candidate] = float(LOSSES[self.settings.loss](loss))
        self.judged = list(self.losses)
        self.times = [TABLE.predict_ms(own) for own in self.judged]


def test_one_round_judges_the_random_candidates_in_their_order(effects):
    search = Rounds(effects, 1)
    assert search.judged == search.every


@pytest.mark.parametrize("method", ["front", "short_trainings"])
def test_later_rounds_judge_what_the_ones_before_promise(effects, method):
    search = Rounds(effects, 3, method=method)
    assert search.judged[:20] == search.every[:20]
    assert len(set(search.judged)) == len(search.every)

    def beaten(candidates):
        """How many of all candidates are better and no slower than each of these."""
        points = list(zip(search.times, search.losses.values(), strict=True))
        mine = [(TABLE.predict_ms(own), search.losses[own]) for own in candidates]
        return np.mean(
            [sum(t <= ms and own < loss for t, own in points) for ms, loss in mine]
        )

    assert beaten(search.judged[20:30]) < beaten(search.judged[:20]) / 3
    assert beaten(search.judged[30:]) <= beaten(search.judged[20:30])
    # Without a budget they have the times of the whole front.
    assert min(search.times[20:30]) < 0.4 * TABLE.slowest_ms
    assert max(search.times[20:30]) > 0.9 * TABLE.slowest_ms


def test_rounds_follow_the_logarithm_of_squared_errors(effects):
    expected = Rounds(effects, 3)
    assert Rounds(effects, 3, loss="mse").judged == expected.judged


def test_a_round_that_was_stopped_goes_on_with_the_same_candidates(effects):
    search = Rounds(effects, 3)
    for done, end in ((0, 20), (7, 20), (20, 30), (26, 30), (30, 40), (39, 40)):
        before = dict(list(search.losses.items())[:done])
        assert search.next_candidates(before) == search.judged[done:end]


def test_a_round_that_was_begun_elsewhere_ends_where_it_should(effects):
    """Two candidates of the second round are others than here."""
    search = Rounds(effects, 3)
    before = dict(list(search.losses.items())[:20])
    others = [own for own in search.every if own not in search.losses][:2]
    assert len(search.next_candidates(before | dict.fromkeys(others, 0.0))) == 8


def test_candidates_of_later_rounds_keep_the_budget(effects):
    search = Rounds(effects, 3, count=16, budget_ms=11.0)
    assert max(search.times[8:]) <= 11
    short = {"method": "short_trainings", "budget_ms": 11.0}
    search = Rounds(effects, 3, count=16, **short)
    assert max(search.times) <= 11
    assert min(search.times[8:]) >= 5.5


def test_cells_that_share_a_choice_have_it_in_every_round(effects):
    search = Rounds(effects, 3, network=NETWORK.clone(shared="block"))
    assert len(search.judged) == len(search.every)
    for candidate in search.judged:
        first, second = candidate.blocks
        assert first == second


def test_a_front_without_anything_new_leaves_its_round_to_random_candidates(effects):
    """Operations that are all alike: the front is the fastest architecture."""
    search = Rounds(np.zeros_like(effects), 2, count=8)
    assert len(search.judged) == len(search.every) == 8
    assert len(set(search.judged[4:]) & set(search.every)) >= 3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_candidates_may_have_many_rounds(effects, count):
    search = Rounds(effects, 5, count=count)
    assert len(search.judged) == len(search.every) == count


def test_folds_may_have_judged_different_candidates(folders, effects):
    """The second fold, of harder subjects, knows more candidates of the front."""
    before = front(folders)
    random = np.random.default_rng(2)
    for number in range(121, 181):
        cells = random.integers(4, len(OPERATIONS), CELLS).tolist()
        loss = -4.0 + effects[np.arange(CELLS), cells].sum()
        own = number, Architecture.from_cells(cells, 2), float(loss)
        append_judged(folders[1] / "candidates.jsonl", *own)
    after = front(folders)
    assert len(after.judged) > len(before.judged) + 40
    assert after.error_db < 0.05
    assert exact_db(after.chosen, effects) >= exact_db(before.chosen, effects) - 0.01


def test_a_search_has_at_least_one_round():
    with pytest.raises(InputError, match=r"search\.rounds: found 0; use at least 1"):
        SearchSettings(method="front", rounds=0)
    with pytest.raises(InputError, match=r"search\.rounds: found 2; leave it at 1"):
        SearchSettings(method="random", rounds=2)
