"""A latency table from times that are known, and from programs that run."""

import pytest

from emrnas_jax.evaluation import latency
from emrnas_jax.evaluation.latency import (
    checked_with,
    measure_table,
    measured_here,
    random_architectures,
)
from emrnas_jax.models.networks import complete_settings
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.nas.wide_space import WIDE

SETTINGS = complete_settings(
    "emrnas",
    {
        "components": 2,
        "cells_per_block": 2,
        "width": 4,
        "consistency": "single",
        "architecture": "ensemble",
    },
)
START, REST, BATCH = 5.0, 7.0, 2


def own_ms(choice):
    return 1.0 + 0.25 * choice


@pytest.fixture
def times(monkeypatch):
    """Programs that take times of their own, without being compiled."""

    def of_cells(operations, _):
        each = own_ms(OPERATIONS.index(operations[0]))
        return lambda: START + BATCH * each * len(operations)

    def of_network(architecture, *_):
        return lambda: BATCH * (REST + sum(map(own_ms, architecture.cells)))

    monkeypatch.setattr(latency, "_row_of_cells", of_cells)
    monkeypatch.setattr(latency, "_network", of_network)
    own = lambda runs, *_, **__: [run() for run in runs]  # noqa: E731
    monkeypatch.setattr(latency, "median_ms", own)


@pytest.mark.usefixtures("times")
def test_times_of_operations_and_the_rest_are_found_apart():
    measured = measured_here("emrnas", SETTINGS, (16, 16), BATCH, 0)
    table = measure_table(measured, Sampling(rate=0.5), checked=5)
    assert table.operations_ms == pytest.approx(
        {operation.name: own_ms(i) for i, operation in enumerate(OPERATIONS)}
    )
    assert table.rest_ms == pytest.approx(REST)
    assert table.check is not None
    assert len(set(table.check.architectures)) == 5
    assert table.check.median_error == pytest.approx(0, abs=1e-9)
    assert table.check.rank_correlation == pytest.approx(1)
    assert "architecture" not in table.measured.settings


@pytest.mark.usefixtures("times")
def test_the_check_says_how_far_the_table_is_off():
    measured = measured_here("emrnas", SETTINGS, (16, 16), BATCH, 0)
    table = measure_table(measured, Sampling(rate=0.5))
    assert table.check is None
    drawn = random_architectures(measured, 6)
    predicted = [table.predict_ms(own) for own in drawn]
    check = checked_with(table, drawn, [1.25 * ms for ms in predicted])
    assert check.median_error == pytest.approx(0.2)
    assert check.rank_correlation == pytest.approx(1)
    turned = checked_with(table, drawn, [100 - ms for ms in predicted])
    assert turned.rank_correlation == pytest.approx(-1)


def test_no_two_architectures_of_the_check_are_alike():
    measured = measured_here("emrnas", SETTINGS, (16, 16), BATCH, 0)
    drawn = random_architectures(measured, 40)
    assert len(set(drawn)) == 40
    assert drawn[:10] == random_architectures(measured, 10)
    tiny = SETTINGS | {"components": 1, "cells_per_block": 1}
    measured = measured_here("emrnas", tiny, (16, 16), BATCH, 0)
    assert len(random_architectures(measured, 40)) <= len(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("coils", [0, 2])
def test_programs_of_cells_and_networks_run(monkeypatch, coils):
    monkeypatch.setattr(latency, "operations_of", lambda _: OPERATIONS[:2])
    settings = SETTINGS | {"components": 1, "batch_norm": coils == 0}
    table = measure_table(
        measured_here("emrnas", settings, (16, 12), 2, coils), Sampling(rate=0.5), 1, 2
    )
    assert list(table.operations_ms) == ["O1", "O2"]
    assert table.check is not None
    assert min(table.check.measured_ms) > 0
    assert Architecture.parse(table.check.architectures[0]).cells


@pytest.mark.slow
def test_what_is_left_out_takes_no_time_and_the_rest_has(monkeypatch):
    skip, thin, pair = WIDE[:3]
    monkeypatch.setattr(latency, "operations_of", lambda _: (skip, thin, pair))
    settings = {"components": 3, "width": 4, "memory": 2, "consistency": "single"}
    measured = measured_here("wide", settings, (16, 12), 2, 0)
    table = measure_table(measured, Sampling(rate=0.5), 1, 2)
    assert table.operations_ms["skip"] == 0
    assert list(table.operations_ms) == ["skip", "thin", "pair"]
    times = [ms for ms in table.operations_ms.values() if ms]
    assert table.fastest_ms == table.rest_ms + min(times)
    assert table.check is not None
    assert len(table.check.measured_ms) == 2
