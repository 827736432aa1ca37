import json
from typing import ClassVar

import pytest

from emrnas_jax.benchmark import networks
from emrnas_jax.benchmark.command import main


def test_every_network_has_its_own_times_and_memory(clock, monkeypatch):
    class State:
        weights: ClassVar = {}

    def programs(kind, size, batch):
        assert (size, batch) == (32, 2)
        if kind in ("tv", "sense"):
            return State(), clock.program(5, mib=1), None
        return State(), clock.program(10, mib=2), clock.program(40, mib=6)

    monkeypatch.setattr(networks, "_programs", programs)
    rows = {row["label"]: row for row in networks.network_rows(32, 2, 3)}
    assert rows.keys() == networks.NETWORKS.keys()
    assert rows["dccnn"]["step_ms"] == pytest.approx(10)
    assert rows["dccnn"]["train_ms"] == pytest.approx(40)
    assert rows["dccnn"]["training_temporary_mib"] == 6
    assert rows["tv"]["step_ms"] == pytest.approx(5)
    assert "train_ms" not in rows["tv"]


@pytest.mark.slow
def test_networks_are_timed_in_training_unless_they_are_fitted(monkeypatch, capsys):
    monkeypatch.setattr(networks, "NETWORKS", dict.fromkeys(("dccnn", "tv")))
    main(["networks", "--size=16", "--batch=1", "--repeats=1", "--json"])
    rows = {row["label"]: row for row in json.loads(capsys.readouterr().out)}
    assert min(rows["dccnn"]["train_ms"], rows["dccnn"]["step_ms"]) > 0
    assert rows["tv"]["step_ms"] > 0
    assert "train_ms" not in rows["tv"]
