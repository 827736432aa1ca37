import json

import pytest

from emrnas_jax.benchmark import networks as benchmarked_networks
from emrnas_jax.benchmark.command import main, parse
from emrnas_jax.benchmark.rows import STEPS

KEYS = {"step_ms", "compile_s", "temporary_mib", "frames_per_second", "parameters"}
SEARCH_KEYS = {"fixed_step_ms", "fixed_temporary_mib", "time_ratio", "memory_ratio"}
SMALL = ["--size=16", "--batch=1", "--width=4", "--repeats=1", "--architecture=[O8]"]


@pytest.mark.slow
@pytest.mark.parametrize("command", STEPS)
def test_every_benchmark_prints_one_json_object(command, capsys):
    main([command, *SMALL, "--json"])
    row = json.loads(capsys.readouterr().out)
    assert row.keys() >= KEYS | (SEARCH_KEYS if command == "search-step" else set())
    assert all(row[key] > 0 for key in KEYS)


def test_several_batches_make_a_table_files_and_plots(tmp_path, capsys):
    options = [*SMALL, "--batch", "1", "2", f"--output={tmp_path}"]
    main(["reconstruct", *options])
    text = capsys.readouterr().out
    assert text.count("\n| 16 |") == 2
    assert (tmp_path / "reconstruct.md").read_text() in text
    rows = json.loads((tmp_path / "reconstruct.json").read_text())
    assert [row["batch"] for row in rows] == [1, 2]
    for name in ("roofline", "frames_per_second"):
        png = (tmp_path / f"reconstruct_{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")


@pytest.mark.slow
def test_networks_are_timed_in_training_unless_they_are_fitted(monkeypatch, capsys):
    monkeypatch.setattr(
        benchmarked_networks, "NETWORKS", dict.fromkeys(("dccnn", "tv"))
    )
    main(["networks", "--size=16", "--batch=1", "--repeats=1", "--json"])
    rows = {row["label"]: row for row in json.loads(capsys.readouterr().out)}
    assert min(rows["dccnn"]["train_ms"], rows["dccnn"]["step_ms"]) > 0
    assert rows["tv"]["step_ms"] > 0
    assert "train_ms" not in rows["tv"]


@pytest.mark.slow
def test_the_memory_table_has_one_two_and_eight_paths_and_a_candidate(capsys):
    main(["memory", *SMALL, "--json"])
    rows = {row["program"]: row for row in json.loads(capsys.readouterr().out)}
    assert len(rows) == 6
    candidate = rows["search, a candidate's pass"]
    assert candidate["temporary_mib"] < rows["search, weights, 1 path"]["temporary_mib"]
    one, two, eight = (
        rows[f"search, alphas, {name}"]["temporary_mib"]
        for name in ("1 path", "2 paths", "8 paths (mixture)")
    )
    assert one < two < eight
    assert rows["fixed network, training"]["memory_ratio"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ["fly"],
        ["train-step", "--size=0"],
        ["train-step", "--against=jax"],
        ["memory", "--against=torch"],
        ["growth"],
        [],
    ],
)
def test_a_wrong_benchmark_command_is_refused(wrong):
    with pytest.raises(SystemExit):
        parse(wrong)


def test_a_missing_pytorch_is_named_with_the_way_out(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SystemExit):
        main(["train-step", *SMALL, "--against=torch"])
    assert "emrnas-jax[bench]" in capsys.readouterr().err
