"""Networks over several runs: means, paired differences, and runs that do not fit."""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from msgspec import structs

from emrnas_jax import compare
from emrnas_jax.machine import host
from emrnas_jax.runs.begun_with import write_config, write_data
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.results import (
    NetworkScore,
    Results,
    read_results,
    write_results,
)
from emrnas_jax.runs.scores import Scores, read_scores, write_scores

# Only the networks' names are read: their scores are in the tables of each fold.
SCORE = NetworkScore(psnr_db_mean=0, psnr_db_std=0, ssim_mean=0, ssim_std=0, frames=24)


def write_run(run, gains, seed=0, **conventions):
    """Two folds of three subjects, four frames each; a network's gain over 30 dB."""
    random = np.random.default_rng(seed)
    for fold in (1, 2):
        subjects = tuple(f"p{fold}{i}" for i in range(3) for _ in range(4))
        hard = random.normal(30, 3, 12)  # of frames, for all networks alike
        for name, gain in gains.items():
            psnr = hard + gain + random.normal(0, 0.01, 12)
            zeros, frame = np.zeros(12, int), np.arange(12) % 4
            scores = Scores(subjects, zeros, frame, psnr, psnr / 40, psnr / 1e3)
            write_scores(run / f"fold_{fold}" / name / "scores.csv", scores)
    folder = RunFolder(run)
    rate, images = conventions.get("rate", 0.15), conventions.get("images", 24)
    write_config(folder.config, {"seed": seed, "sampling": {"rate": rate}})
    write_data(folder.data, {"source": "phantom", "images": images})
    results = Results(
        dataset="phantom",
        sampling_rate=rate,
        folds=2,
        convention="paper",
        unit="frame",
        metrics="paper: per frame",
        networks=dict.fromkeys(gains, SCORE),
    )
    write_results(folder.results, results)
    return str(run)


GAINS = {
    "zero_filled": -5.0,
    "emrnas": 0.0,
    "random_1": -0.3,
    "random_2": -0.1,
    "dccnn": 0.4,
}


@pytest.fixture(autouse=True)
def defined():
    """Define the flags, and forget their definitions after the test."""
    before = set(flags.FLAGS)
    compare.define_flags()
    yield
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


def call(arguments):
    """Call the program in this process."""
    flags.FLAGS.unparse_flags()
    for name in ("reference", "output"):
        flags.FLAGS[name].unparse()
    compare.main(host.parse_or_exit(["compare", *arguments]))


@pytest.fixture
def runs(tmp_path):
    return [write_run(tmp_path / f"seed_{s}", GAINS, s) for s in (0, 1)]


def table(text):
    """Header and rows of the first table printed, that of PSNR."""
    _, body, *_ = text.split("\n\n")
    header, rule, *rows = body.splitlines()
    ends = [match.span() for match in re.finditer("-+", rule)]
    cells = [[line[a:b].strip() for a, b in ends] for line in (header, *rows)]
    return cells[0], {name: rest for name, *rest in cells[1:]}


def values(text):
    """The numbers of a cell: a mean, or a difference with its interval."""
    return [float(n) for n in re.findall(r"[-+]?[\d.]+", text.replace("−", "-"))]


def test_differences_are_paired_and_pooled_over_runs(runs, capsys):
    call(runs)
    printed = capsys.readouterr().out
    header, rows = table(printed)
    assert header == ["Network", "Mean", "seed_0", "seed_1", "Minus emrnas [95 %]"]
    assert list(rows) == ["zero_filled", "emrnas", "random", "dccnn"]
    mean, first, second = (values(text)[0] for text in rows["emrnas"][:3])
    assert mean == pytest.approx((first + second) / 2, abs=0.011)
    assert abs(first - second) > 0.1  # other masks and folds
    difference, low, high = values(rows["dccnn"][3])
    assert difference == pytest.approx(0.4, abs=0.011)
    assert 0.38 < low <= high < 0.42  # of the pairs, not of frames 3 dB apart
    # A group is the mean of its members.
    assert values(rows["random"][3])[0] == pytest.approx(-0.2, abs=0.011)
    assert rows["emrnas"][3] == "–"
    assert "48 frames of 6 subjects" in printed


def test_another_reference_turns_the_differences(runs, capsys):
    call([*runs, "--reference", "random"])
    _, rows = table(capsys.readouterr().out)
    assert values(rows["emrnas"][3])[0] == pytest.approx(0.2, abs=0.011)
    with pytest.raises(SystemExit):
        call([*runs, "--reference", "unet"])
    assert "emrnas, random, dccnn" in capsys.readouterr().err


def test_networks_that_a_run_lacks_are_left_out(runs, tmp_path, capsys):
    other = write_run(tmp_path / "other", {"zero_filled": -5.0, "dccnn": 0.4}, 2)
    call([*runs, other])
    _, rows = table(capsys.readouterr().out)
    assert list(rows) == ["zero_filled", "dccnn"]


@pytest.mark.parametrize(
    ("convention", "named"),
    [({"rate": 0.25}, "sampling.rate is 0.25"), ({"images": 7}, "data.images is 7")],
)
def test_runs_of_other_data_or_masks_are_refused(
    convention, named, runs, tmp_path, capsys
):
    other = write_run(tmp_path / "other", GAINS, 2, **convention)
    with pytest.raises(SystemExit):
        call([*runs, other])
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_printed_lines_fit_the_terminal(columns, runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    more = [write_run(tmp_path / f"seed_{s}", GAINS, s) for s in range(2, 9)]
    call([*runs, *more])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= columns
    assert "zero_filled" in printed
    assert not set("|\\*") & set(printed)
    for name in (*(f"seed_{s}" for s in range(9)), "Minus emrnas [95 %]"):
        assert printed.count(name) == 2  # of PSNR and of SSIM
    parts = printed.count("Network")
    assert (parts == 2) == (columns == 200)
    assert printed.count("\ndccnn ") == parts


def test_the_metrics_and_what_they_score_are_named(tmp_path, capsys):
    run = Path(write_run(tmp_path / "run", GAINS))
    for path in run.glob("fold_*/*/scores.csv"):
        path.rename(path.with_name("scores_fastmri.csv"))
    path = RunFolder(run).results
    changed = {"convention": "fastmri", "unit": "volume"}
    changed |= {"metrics": "fastmri: per volume"}
    write_results(path, structs.replace(read_results(path), **changed))
    call([str(run)])
    printed = " ".join(capsys.readouterr().out.split())
    assert "24 volumes of 6 subjects" in printed
    assert "Metrics (fastmri): per volume." in printed


def test_runs_in_folders_of_one_name_are_told_apart(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        write_run(Path(f"seed_{seed}") / "run", GAINS, seed)
    call(["seed_0/run", "seed_1/run"])
    header, _ = table(capsys.readouterr().out)
    assert header[2:4] == ["seed_0/run", "seed_1/run"]


def test_the_output_is_csv_with_plain_numbers(runs, tmp_path, capsys):
    path = tmp_path / "tables" / "seeds.csv"
    call([*runs, "--output", str(path)])
    assert capsys.readouterr().out == f"wrote {path}\n"
    with path.open(newline="") as file:
        rows = {(r["network"], r["measure"]): r for r in csv.DictReader(file)}
    assert len(rows) == 8
    own = rows["dccnn", "psnr_db"]
    low, difference, high = (float(own[k]) for k in ("low", "difference", "high"))
    assert low < difference < high
    assert difference == pytest.approx(0.4, abs=0.01)
    assert float(own["mean"]) == pytest.approx(
        (float(own["seed_0"]) + float(own["seed_1"])) / 2, abs=1e-6
    )
    assert own["reference"] == "emrnas"
    assert rows["emrnas", "ssim"]["difference"] == ""


def test_the_output_is_markdown_or_latex_by_its_ending(runs, tmp_path):
    for ending in ("md", "tex"):
        call([*runs, f"--output={tmp_path / f'seeds.{ending}'}"])
    markdown = (tmp_path / "seeds.md").read_text()
    assert "| dccnn " in markdown
    assert "## 2 runs: SSIM" in markdown
    latex = (tmp_path / "seeds.tex").read_text()
    assert latex.count(r"\begin{tabular}{lrrrr}") == 2
    assert r"\caption{SSIM. Means over folds" in latex


@pytest.mark.parametrize("name", ["seeds.txt", "seeds", "seeds.md.bak"])
def test_an_output_of_unknown_kind_is_refused(name, runs, tmp_path, capsys):
    line = refusal([*runs, f"--output={tmp_path / name}"], capsys)
    assert f"{name} ends in none of .md, .tex, .csv" in line
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("ending", ["md", "tex", "csv"])
def test_only_its_own_output_is_overwritten(ending, runs, tmp_path, capsys):
    path = tmp_path / f"seeds.{ending}"
    path.write_text("network,psnr_db\nmine,40\n")
    line = refusal([*runs, f"--output={path}"], capsys)
    assert f"{path} is there and was not written by this command" in line
    assert path.read_text() == "network,psnr_db\nmine,40\n"
    path.unlink()
    call([*runs, f"--output={path}"])
    first = path.read_text()
    call([*runs, "--reference=dccnn", f"--output={path}"])
    assert path.read_text() != first


def refusal(arguments, capsys):
    """The one line that refuses to compare some runs."""
    with pytest.raises(SystemExit):
        call([str(argument) for argument in arguments])
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_run_given_twice_is_refused(runs, capsys):
    line = refusal([*runs, f"{runs[0]}/../seed_0"], capsys)
    assert f"{runs[0]} and {runs[0]}/../seed_0 are the same run" in line


def test_a_run_given_again_through_a_link_is_refused(runs, tmp_path, capsys):
    (tmp_path / "link").symlink_to(runs[1])
    line = refusal([*runs, tmp_path / "link"], capsys)
    assert f"{runs[1]} and {tmp_path}/link are the same run" in line


def test_a_copied_run_is_refused_even_with_a_network_added(runs, tmp_path, capsys):
    copy = Path(shutil.copytree(runs[0], tmp_path / "copy"))
    for fold in copy.glob("fold_*"):
        shutil.copytree(fold / "dccnn", fold / "rdn")
    path = RunFolder(copy).results
    results = read_results(path)
    networks = results.networks | {"rdn": SCORE}
    write_results(path, structs.replace(results, networks=networks))
    line = refusal([runs[1], runs[0], copy], capsys)
    assert f"{runs[0]} and {copy} have the same scores" in line


def test_runs_that_share_the_scores_of_one_network_are_compared(tmp_path, capsys):
    """The zero-filled images of two runs with one seed are the same."""
    runs = [write_run(tmp_path / name, GAINS) for name in ("first", "second")]
    for fold in (1, 2):
        path = Path(runs[1]) / f"fold_{fold}" / "emrnas" / "scores.csv"
        scores = read_scores(path)
        write_scores(path, scores._replace(psnr_db=scores.psnr_db + 0.1))
    call(runs)
    assert "2 runs" in capsys.readouterr().out


def test_one_run_is_called_one_run(runs, capsys):
    call(runs[:1])
    printed = capsys.readouterr().out
    assert "1 run: PSNR (dB)\n" in printed
    assert "24 frames of 6 subjects" in printed


def test_a_run_without_results_is_refused(runs, tmp_path, capsys):
    with pytest.raises(SystemExit):
        call([runs[0], str(tmp_path)])
    assert "--stage=evaluate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: no run is given; name the folders of one run or more"),
        (["--refrence=emrnas"], "error: Unknown command line flag 'refrence'"),
        (["--output"], "error: Missing value for flag --output"),
        (["nowhere"], "nowhere/"),
    ],
)
def test_a_wrong_command_is_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = refusal(arguments, capsys)
    assert message in line


def test_flags_may_stand_between_runs_in_both_forms(runs, capsys):
    call([runs[0], "--reference", "dccnn", runs[1]])
    spaced = capsys.readouterr().out
    call(["--reference=dccnn", *runs])
    assert capsys.readouterr().out == spaced


@pytest.mark.slow
def test_the_help_names_the_flags_and_shows_a_command():
    asked = [sys.executable, "-m", "emrnas_jax.compare", "--help"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    for text in ("--reference", "--output", "python -m emrnas_jax.compare runs/"):
        assert text in done.stdout
