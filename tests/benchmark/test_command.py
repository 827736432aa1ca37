"""The command line: flags, answers and files, with rows that are made by hand."""

import json
import re

import pytest

from emrnas_jax.benchmark import command as program
from emrnas_jax.benchmark.command import COMMANDS, main, parse
from emrnas_jax.benchmark.rows import STEPS

KEYS = {"step_ms", "compile_s", "temporary_mib", "frames_per_second", "parameters"}
SEARCH_KEYS = {"fixed_step_ms", "fixed_temporary_mib", "time_ratio", "memory_ratio"}
SMALL = ["--size=16", "--batch=1", "--width=4", "--repeats=1", "--architecture=[O8]"]


@pytest.fixture
def measured(monkeypatch, row):
    """Rows without measuring them; the cases that they were asked for."""
    cases = []

    def measure(command):
        def made(case, repeats, with_torch):
            cases.append((case, repeats, with_torch))
            return row(command, case.size, case.batch, step_ms=10.0 * case.batch)

        return made

    for name in STEPS:
        monkeypatch.setitem(STEPS, name, measure(name))
    return cases


@pytest.mark.slow
@pytest.mark.parametrize("command", STEPS)
def test_every_benchmark_prints_one_json_object(command, capsys):
    main([command, *SMALL, "--json"])
    row = json.loads(capsys.readouterr().out)
    assert row.keys() >= KEYS | (SEARCH_KEYS if command == "search-step" else set())
    assert all(row[key] > 0 for key in KEYS)


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


def test_several_batches_make_a_table_files_and_plots(measured, tmp_path, capsys):
    main(["reconstruct", *SMALL, "--batch=1,2", f"--output={tmp_path}"])
    assert [case.batch for case, _, _ in measured] == [1, 2]
    text = capsys.readouterr().out
    assert len(re.findall(r"\n\| +16 \|", text)) == 2
    assert (tmp_path / "reconstruct.md").read_text() in text
    rows = json.loads((tmp_path / "reconstruct.json").read_text())
    assert [row["batch"] for row in rows] == [1, 2]
    for name in ("roofline", "frames_per_second"):
        png = (tmp_path / f"reconstruct_{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")


def test_one_row_is_printed_a_figure_a_line(measured, capsys):
    main(["train-step", *SMALL])
    assert len(measured) == 1
    lines = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()
    )
    assert lines["step_ms"] == "10.000"
    assert lines["parameters"] == "1234"


def test_every_size_is_measured_with_every_batch(measured, capsys):
    main(["search-step", "--size=16,32", "--batch=1,2", "--paths=2", "--repeats=3"])
    found = [(case.size, case.batch, case.paths, n) for case, n, _ in measured]
    assert found == [(16, 1, 2, 3), (16, 2, 2, 3), (32, 1, 2, 3), (32, 2, 2, 3)]
    capsys.readouterr()


def test_the_defaults_are_those_of_a_full_measurement(measured, capsys):
    for name in STEPS:
        main([name, "--json"])
    assert len({case for case, *_ in measured}) == 1
    case, repeats, with_torch = measured[0]
    assert (case.size, case.batch, case.width, case.paths) == (256, 4, 16, 1)
    assert (case.precision, repeats, with_torch) == ("float32", 7, False)
    assert len(case.architecture.cells) == 15
    assert parse(["pipeline"])[1].batch == ["8"]
    assert parse(["pipeline"])[1].frames == 240
    assert parse(["gpu", "--output=x"])[1].budget == 450
    capsys.readouterr()


def test_memory_and_pipeline_measure_every_case(monkeypatch, row, capsys):
    asked = []

    def pipeline_rows(case, frames, steps, repeats):
        asked.append((case.batch, frames, steps, repeats))
        return [row(program="constant batch"), row(program="frames streamed")]

    monkeypatch.setattr(program, "memory_rows", lambda *_: [row(program="a"), row()])
    monkeypatch.setattr(program, "pipeline_rows", pipeline_rows)
    main(["memory", *SMALL])
    assert len(re.findall(r"\n\| a +\|", capsys.readouterr().out)) == 1
    main(
        ["pipeline", "--batch=1,2", "--frames=6", "--steps=3", "--repeats=2", "--json"]
    )
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert asked == [(1, 6, 3, 2), (2, 6, 3, 2)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["fly"], "name a command: reconstruct, train-step"),
        ([], "name a command"),
        (["train-step", "--size=0"], "size.*Pixels a side"),
        (["train-step", "--size=16,x"], "size"),
        (["train-step", "--size="], "size"),
        (["train-step", "--repeats=0"], "repeats"),
        (["train-step", "--against=jax"], "against.*torch"),
        (["memory", "--against=torch"], "against"),
        (["train-step", "--paths=2"], "paths"),
        (["search-step", "--paths=3"], "paths"),
        (["growth"], "output"),
        (["growth", "--output=x", "--axes=depth"], "axes.*components"),
        (["reconstruct", "--batch", "1", "4", "--json"], "4; .*--batch=1,4"),
    ],
)
def test_a_wrong_command_line_is_refused_with_its_flag(wrong, message, capsys):
    with pytest.raises(SystemExit) as error:
        parse(wrong)
    assert error.value.code == 2
    text = " ".join(capsys.readouterr().err.split())
    assert re.search(message, text), text
    assert "--help" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_names_its_flags_and_defaults(command, capsys):
    with pytest.raises(SystemExit) as error:
        parse([command, "--help"])
    assert error.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"python -m emrnas_jax.benchmark {command} " in text
    assert "--repeats Number of timings whose median is taken. Default: '7'." in text
    assert "--output Folder for the results" in text
    assert ("Required." in text) == (command in ("growth", "gpu"))


def test_the_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as error:
        parse(["--help"])
    assert error.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n  {command} " in text for command in COMMANDS)


def test_a_missing_pytorch_ends_the_command_with_the_way_out(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SystemExit):
        main(["train-step", *SMALL, "--against=torch"])
    assert "emrnas-jax[bench]" in capsys.readouterr().err
