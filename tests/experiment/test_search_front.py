"""A search by the front, from phantoms to the chosen network."""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

import json

import pytest
from ml_collections import ConfigDict
from msgspec.structs import replace

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.latency import measured_here
from emrnas_jax.experiment import protocol
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.networks import complete_network
from emrnas_jax.experiment.search_front import table_of
from emrnas_jax.nas.latency_table import LatencyTable, write_table
from emrnas_jax.nas.space import OPERATIONS, Architecture
from emrnas_jax.nas.wide_space import WIDE
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.front import architecture_at, read_front

BUDGET = 6.0


def settings(folder):
    config = load_config("configs/demo.py:tiny")
    config.data.cache = str(folder / "cache")
    config.folds.count = 2
    config.search.update(method="front", loss="log_mse", candidates=12)
    config.search.update(optimizer="muon", clip_norm=1.0)
    config.search.update(latency=str(folder / "table.json"), budget_ms=BUDGET)
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("front")


@pytest.fixture(scope="module")
def table(folder):
    """Times that are given: the rest takes 2 ms, operation n takes n ms."""
    [search] = Experiment(settings(folder), folder / "none").searches
    table = LatencyTable(
        measured=measured_here(search.kind, search.network, (16, 16), 1, 0),
        jax="0.0",
        rest_ms=2.0,
        operations_ms={own.name: i + 1.0 for i, own in enumerate(OPERATIONS)},
    )
    write_table(folder / "table.json", table)
    return table


@pytest.mark.slow
def test_a_run_takes_the_best_of_the_front_within_its_budget(folder, table):
    config, run = settings(folder), RunFolder(folder / "run")
    for stage in ("search", "ensemble"):
        protocol.run_protocol(config, run.path, stage)
    found = read_front(run.front())
    assert found.budget_ms == BUDGET
    chosen = Architecture.parse(found.chosen)
    assert table.predict_ms(chosen) <= BUDGET
    assert read_architecture(run.architecture())[0] == chosen
    assert 9 < len(found.judged) <= 12  # two draws may be alike
    # Both folds judged the same candidates, and chose within the budget as well.
    logs = [run.fold(k).search().candidates for k in (1, 2)]
    texts = [
        [json.loads(line)["architecture"] for line in log.read_text().splitlines()]
        for log in logs
    ]
    assert texts[0] == texts[1]
    for k in (1, 2):
        own, _ = read_architecture(run.fold(k).search().architecture)
        assert table.predict_ms(own) <= BUDGET
    # Every operation of a cell was trained as often as every other one.
    rows = (run.fold(1).search().metrics).read_text().splitlines()
    counts = json.loads(rows[-1])["path_counts"]
    assert all(max(cell) - min(cell) <= 1 for cell in counts)


def test_a_run_goes_on_with_its_own_times_on_another_device(folder, table, tmp_path):
    config, run = settings(folder), RunFolder(tmp_path / "run")
    experiment = Experiment(config, run.path)
    [search] = experiment.searches
    run.path.mkdir()
    other = replace(table, measured=replace(table.measured, device="another"))
    write_table(run.latency(), other)
    assert table_of(experiment, search) == other
    # Given, a table of another device is refused, and nothing is kept.
    run.latency().unlink()
    write_table(tmp_path / "given.json", other)
    config.search.latency = str(tmp_path / "given.json")
    experiment = Experiment(config, run.path)
    [search] = experiment.searches
    with pytest.raises(InputError, match=r"given\.json: measured with device"):
        table_of(experiment, search)
    assert not run.latency().exists()


def test_searches_of_one_network_share_a_table(folder, table, tmp_path):
    config, run = settings(folder), RunFolder(tmp_path / "run")
    config.search.latency = ""
    own = config.networks.emrnas.to_dict()
    config.networks.rounds = complete_network("rounds", own)
    config.networks.rounds.search = {"rounds": 2}
    experiment = Experiment(config, run.path)
    first, second = experiment.searches
    run.path.mkdir()
    write_table(run.latency(first.own_name), table)
    assert table_of(experiment, second) == table
    assert run.latency(second.own_name).exists()


def test_a_table_of_another_size_is_refused(folder, table, tmp_path):
    config = settings(folder)
    other = replace(table, measured=replace(table.measured, size=(32, 32)))
    write_table(tmp_path / "other.json", other)
    config.search.latency = str(tmp_path / "other.json")
    experiment = Experiment(config, tmp_path / "run")
    [search] = experiment.searches
    with pytest.raises(InputError, match=r"other\.json: measured with size"):
        table_of(experiment, search)


@pytest.mark.usefixtures("table")
def test_a_budget_below_the_fastest_is_refused_before_anything_is_trained(
    folder, tmp_path
):
    config = settings(folder)
    config.search.budget_ms = 3.5
    with pytest.raises(InputError, match=r"3\.5, and the fastest .* takes 4\.00 ms"):
        protocol.run_protocol(config, tmp_path / "run", "search")
    assert not list(tmp_path.glob("run/fold_*/search/checkpoints/*"))


@pytest.mark.slow
def test_networks_of_a_run_take_several_places_of_one_front(tmp_path):
    config = settings(tmp_path)
    config.search.update(latency=str(tmp_path / "wide.json"), budget_ms=0.0)
    config.search.method = "short_trainings"
    own = {"kind": "wide", "components": 3, "width": 4, "memory": 2}
    config.networks = ConfigDict(
        {
            name: complete_network(name, own | {"architecture": text})
            for name, text in (
                ("best", "ensemble"),
                ("fast", "front_within_50_percent"),
            )
        }
    )
    [search] = Experiment(
        config.copy_and_resolve_references(), tmp_path / "none"
    ).searches
    table = LatencyTable(
        measured=measured_here(search.kind, search.network, (16, 16), 1, 0),
        jax="0.0",
        rest_ms=2.0,
        operations_ms={own.name: float(i) for i, own in enumerate(WIDE)},
    )
    write_table(tmp_path / "wide.json", table)
    for stage in ("search", "ensemble"):
        protocol.run_protocol(config, tmp_path / "run", stage)
    front = read_front(RunFolder(tmp_path / "run").front())
    run = Experiment(config, tmp_path / "run")
    texts = {name: str(run.architecture(name, 1)) for name in ("best", "fast")}
    assert texts == {
        "best": front.chosen,
        "fast": architecture_at(front, "front_within_50_percent"),
    }
    for point in front.points:
        own = Architecture.parse(point.architecture, WIDE)
        assert point.ms == table.predict_ms(own)
        assert any(body.is_present for body in own.used)
    # Short networks are judged as often as long ones.
    counts = [own.architecture.count("skip") for own in front.judged]
    assert {0, 1, 2} == set(counts)
    # What is trained is built from its record alone.
    present = [name for name in texts["fast"][1:-1].split("|") if name != "skip"]
    bodies = run.record("fast", 1).build().bodies
    assert [body.name for body in bodies if body.is_present] == present
