"""The command that measures a latency table: its file, its answer, its refusals."""

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.latency import measured_here
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.latency import __main__ as latency
from emrnas_jax.nas.latency_table import LatencyTable, read_table, write_table


@pytest.fixture
def settings():
    return load_config("configs/demo.py:tiny").to_dict()


@pytest.mark.slow
def test_a_table_of_a_config_is_of_its_network_and_frames(settings, tmp_path):
    table = latency.measured_table(settings, "emrnas", 2, 1, 2)
    network = settings["networks"]["emrnas"]
    own = {
        key: value
        for key, value in network.items()
        if key not in ("kind", "architecture", "search", "retrain")
    }
    wanted = measured_here("emrnas", own, (16, 16), 2, 0)
    write_table(tmp_path / "table.json", table)
    assert read_table(tmp_path / "table.json", wanted) == table
    words = latency.in_words(table)
    assert "frames       16 x 16, 2 at once" in words
    assert "check        2 architectures: median error" in words


def test_the_network_is_the_first_with_an_architecture(monkeypatch):
    def table(measured, *_):
        return LatencyTable(measured=measured, jax="", rest_ms=1.0, operations_ms={})

    monkeypatch.setattr(latency, "measure_table", table)
    for name in ("cardiac.py:wide", "cardiac.py:same_minutes"):
        config = load_config(f"configs/{name}").to_dict()
        measured = latency.measured_table(config, None, 1, 1, 0).measured
        assert measured.kind == ("wide" if "wide" in name else "emrnas")
    dccnn = load_config("configs/demo.py:dccnn").to_dict()
    with pytest.raises(InputError, match="--network=emrnas: the config has dccnn"):
        latency.measured_table(dccnn, None, 1, 1, 0)


def test_a_network_without_cells_is_refused(settings):
    networks = load_config("configs/demo.py:dccnn").to_dict()["networks"]
    with pytest.raises(InputError, match="--network=dccnn: a dccnn has no cells"):
        latency.measured_table(settings | {"networks": networks}, "dccnn", 1, 1, 0)
    with pytest.raises(InputError, match="the config has emrnas; name one of these"):
        latency.measured_table(settings, "unet", 1, 1, 0)
