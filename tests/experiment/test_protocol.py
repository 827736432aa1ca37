"""The whole protocol at tiny size, in this process."""

import csv
import json
import re
import runpy
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from emrnas_jax.errors import InputError
from emrnas_jax.experiment import paper, protocol
from emrnas_jax.experiment.protocol import run_protocol
from emrnas_jax.inference import load_model
from emrnas_jax.main import summary
from emrnas_jax.reporting.page import write_report
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.folder import PAPER, RunFolder
from emrnas_jax.runs.provenance import read_commands
from emrnas_jax.runs.scores import read_scores

ROOT = Path(__file__).parents[2]


def config_of(name: str, variant: str | None = None):
    return runpy.run_path(str(ROOT / "configs" / f"{name}.py"))["get_config"](variant)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = config_of("demo", "tiny")
    config.data.cache = str(tmp_path_factory.mktemp("cache"))
    return config


COMPILED = "a program was compiled"


@pytest.fixture(scope="module", autouse=True)
def story(config, tmp_path_factory, listen):
    """Run everything once; return the folder and the log, compilations included.

    Before every test, so that the log begins with the data whichever tests are chosen.
    """
    run = tmp_path_factory.mktemp("runs") / "demo"
    with listen() as lines:

        def note(event: str, duration_secs: float, **kwargs: str | int) -> None:  # noqa: ARG001
            if event.endswith("backend_compile_duration"):
                lines.append(COMPILED)

        jax.monitoring.register_event_duration_secs_listener(note)
        run_protocol(config, run)
        jax.monitoring.unregister_event_duration_listener(note)
    return run, lines


@pytest.fixture(scope="module")
def run(story):
    return story[0]


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "copy")


@pytest.fixture(autouse=True)
def without_drawing(monkeypatch):
    """Write no report after the stages: its figures take longer than all of them.

    The run of `story` has its report; the module's fixtures come before this one.
    """

    def page(run: Path, settings: dict) -> Path:  # noqa: ARG001
        return run / "report" / "index.html"

    monkeypatch.setattr(protocol, "write_report", page)


pytestmark = pytest.mark.slow


def test_a_run_leaves_the_promised_files(run):
    expected = ["config.json", "folds.json", "architecture.json", "results.json"]
    expected += ["operations.json", "provenance.json"]
    expected += ["report/index.html", "report/tables.md"]
    expected += ["report/figures/scores.png", "report/figures/scores.pdf"]
    for fold in (1, 2, 3):
        expected += [f"fold_{fold}/search/architecture.json"]
        expected += [f"fold_{fold}/search/metrics.jsonl"]
        expected += [f"fold_{fold}/emrnas/metrics.jsonl"]
        expected += [f"fold_{fold}/emrnas/network.json"]
        expected += [f"fold_{fold}/{n}/scores.csv" for n in ("emrnas", "zero_filled")]
    missing = [name for name in expected if not (run / name).is_file()]
    assert not missing


def test_the_trained_network_beats_zero_filling(run):
    networks = json.loads((run / "results.json").read_text())["networks"]
    gain = networks["emrnas"]["psnr_db_mean"] - networks["zero_filled"]["psnr_db_mean"]
    assert gain > 0.5


def test_results_follow_from_the_scores(run):
    results = json.loads((run / "results.json").read_text())
    for name, network in results["networks"].items():
        means = []
        for fold in (1, 2, 3):
            with (run / f"fold_{fold}" / name / "scores.csv").open() as file:
                rows = list(csv.DictReader(file))
            means.append(np.mean([float(row["psnr_db"]) for row in rows]))
        assert network["psnr_db_mean"] == pytest.approx(np.mean(means), abs=1e-6)
        assert network["psnr_db_std"] == pytest.approx(np.std(means), abs=1e-6)


def test_every_network_is_scored_on_the_same_frames(run):
    for fold in (1, 2, 3):
        frames = [
            [line.split(",")[:3] for line in path.read_text().splitlines()]
            for path in sorted((run / f"fold_{fold}").glob("*/scores.csv"))
        ]
        assert len(frames) == 2
        assert frames[0] == frames[1]


def test_the_ensemble_is_the_largest_sum_of_the_folds(run):
    record = json.loads((run / "architecture.json").read_text())
    folds = [
        json.loads((run / f"fold_{k}/search/architecture.json").read_text())
        for k in (1, 2, 3)
    ]
    total = np.sum([fold["probabilities"] for fold in folds], axis=0)
    names = [f"O{i + 1}" for i in total.argmax(-1)]
    assert record["architecture"] == f"[{' '.join(names)}]"


def test_subjects_are_never_trained_and_tested_on(run):
    for fold in json.loads((run / "folds.json").read_text())["folds"]:
        assert not set(fold["test"]) & (set(fold["train"]) | set(fold["validation"]))


def test_a_finished_run_is_not_run_again_and_says_so(config, copy, said):
    watched = [*copy.glob("fold_*/*/scores.csv"), *copy.glob("fold_*/*/metrics.jsonl")]
    before = {path: path.stat().st_mtime_ns for path in watched}
    run_protocol(config, copy)
    assert before == {path: path.stat().st_mtime_ns for path in watched}
    assert "finished before: search and emrnas in every fold" in said
    scores = json.loads((copy / "results.json").read_text())["networks"]
    found = [
        line for line in said if re.match(r"fold \d emrnas: finished before", line)
    ]
    assert len(found) == 3
    means = [float(line.split(", ")[1].removesuffix(" dB")) for line in found]
    assert np.mean(means) == pytest.approx(scores["emrnas"]["psnr_db_mean"], abs=0.01)
    assert not [line for line in said if "training on" in line or "scoring" in line]


def test_every_stage_of_a_finished_run_says_that_and_where_its_result_is(
    config, copy, said
):
    run_protocol(config, copy, "search")
    for k in (1, 2, 3):
        path = copy / f"fold_{k}/search/architecture.json"
        found = json.loads(path.read_text())["architecture"]
        assert f"fold {k} search: finished before, {found}" in said
    last = f"search: finished before, the folds' architectures are in {copy}/fold_*/"
    assert said[-1] == f"{last}search"
    run_protocol(config, copy, "ensemble")
    assert said[-1].startswith("ensemble: took ")
    assert said[-1].endswith(f"written to {copy}/architecture.json")
    run_protocol(config, copy, "retrain")
    assert [f"fold {k} emrnas: trained before" for k in (1, 2, 3)] == said[-4:-1]
    assert said[-1] == f"retrain: finished before, the networks are in {copy}/fold_*"
    run_protocol(config, copy, "evaluate")
    last = f"evaluate: finished before, the results are in {copy}/results.json"
    assert said[-1] == last
    run_protocol(config, copy, "report")
    assert said[-2] == "writing the report"
    assert said[-1].startswith("report: took ")
    assert said[-1].endswith(f"the report is {copy}/report/index.html")


def test_a_network_that_was_trained_before_is_only_scored(config, run, copy, said):
    (copy / "fold_2/emrnas/scores.csv").unlink()
    run_protocol(config, copy)
    assert "finished before: search in every fold; emrnas in folds 1 and 3" in said
    (before, scored) = (line for line in said if line.startswith("fold 2 emrnas: "))
    assert before == "fold 2 emrnas: scoring 8 test frames"
    assert re.fullmatch(r"fold 2 emrnas: \d\d\.\d\d dB", scored)
    name = "fold_2/emrnas/scores.csv"
    assert (copy / name).read_text() == (run / name).read_text()


def test_a_run_without_a_search_says_so_when_it_is_asked_for_one(
    config, tmp_path, said
):
    alone = config.copy_and_resolve_references()
    paper.use(alone, ["tv"])
    run_protocol(alone, tmp_path / "run", "search")
    assert said[-1] == "search: no network of this run is searched"


def test_every_call_that_worked_on_a_run_is_recorded(config, copy):
    before = (copy / "results.json").read_text()
    run_protocol(config, copy, "report", "python -m emrnas_jax.main --stage=report")
    first, second = read_commands(copy / "provenance.json")
    assert first.command == "run_protocol"
    assert second.command == "python -m emrnas_jax.main --stage=report"
    assert first.seconds > second.seconds
    assert (copy / "results.json").read_text() == before
    other = config.copy_and_resolve_references()
    other.data.phantom.subjects = 7
    for refused, stage in ((other, "all"), (config, "none")):
        with pytest.raises(InputError):
            run_protocol(refused, copy, stage)
    assert read_commands(copy / "provenance.json") == (first, second)


def test_changed_settings_are_refused_by_name(config, run):
    changed = config.copy_and_resolve_references()
    changed.retrain.epochs = 7
    changed.seed = 5
    with pytest.raises(InputError, match=r"retrain\.epochs was 3, now 7; seed was 0"):
        run_protocol(changed, run)


def test_settings_that_decide_no_weight_may_change(config, run, copy):
    """Covers steps per dispatch, the batch of the evaluation, and a repeated search."""
    shutil.rmtree(copy / "fold_1")
    changed = config.copy_and_resolve_references()
    changed.loop.steps_per_dispatch = 5
    changed.evaluation.batch = 3
    run_protocol(changed, copy)
    for name in ("search/architecture.json", "emrnas/scores.csv"):
        assert (copy / "fold_1" / name).read_text() == (
            run / "fold_1" / name
        ).read_text()


def test_a_network_can_be_added_to_a_finished_run(config, copy):
    alone = config.copy_and_resolve_references()
    paper.use(alone, ["ablation_d"])
    alone.networks.ablation_d.update(components=1, cells_per_block=2, width=4)
    before = (copy / "fold_1/emrnas/scores.csv").stat().st_mtime_ns
    run_protocol(alone, copy)
    results = json.loads((copy / "results.json").read_text())
    assert list(results["networks"]) == ["zero_filled", "emrnas", "ablation_d"]
    assert (copy / "fold_1/emrnas/scores.csv").stat().st_mtime_ns == before
    drawn = results["networks"]["ablation_d"]["settings"]["architecture"]
    assert results["networks"]["ablation_d"]["architecture_source"] == "random"
    shown = [
        [own[key] for key in ("title", "group", "reference")]
        for own in results["networks"].values()
    ]
    assert shown == [
        ["Zero-filled", "", ""],
        ["EMR-NAS", "", ""],
        ["D", "ablations", "ablation_a"],
    ]
    record = json.loads((copy / "fold_3/ablation_d/network.json").read_text())
    assert record["settings"]["architecture"] == drawn
    assert record["kind"] == "emrnas"
    alone.networks.ablation_d.width = 8
    with pytest.raises(InputError, match=r"networks\.ablation_d\.width was 4, now 8"):
        run_protocol(alone, copy)


def test_another_convention_scores_anew_without_training(config, run, copy):
    kept = [*copy.glob("fold_*/*/scores.csv"), *copy.glob("fold_*/*/examples.npz")]
    kept += copy.glob("fold_*/*/metrics.jsonl")
    before = {path: path.stat().st_mtime_ns for path in kept}
    changed = config.copy_and_resolve_references()
    changed.evaluation.convention = "fastmri"
    run_protocol(changed, copy)
    assert before == {path: path.stat().st_mtime_ns for path in kept}
    results = json.loads((copy / "results.json").read_text())
    assert results["metrics"].startswith("fastmri: per volume")
    old = json.loads((run / "results.json").read_text())["networks"]["emrnas"]
    new = results["networks"]["emrnas"]
    assert new["frames"] == old["frames"]  # of single slices here
    assert abs(new["psnr_db_mean"] - old["psnr_db_mean"]) > 0.01
    write_report(copy)
    assert "test volumes" in (copy / "report" / "tables.md").read_text()
    folder = copy / "fold_1" / "emrnas"
    assert (folder / "examples_fastmri.npz").is_file()
    assert ",-1," in (folder / "scores_fastmri.csv").read_text()
    run_protocol(config, copy)  # and back, from the files
    assert before == {path: path.stat().st_mtime_ns for path in kept}
    again = json.loads((copy / "results.json").read_text())["networks"]["emrnas"]
    assert again["psnr_db_mean"] == old["psnr_db_mean"]


def test_other_data_are_refused(config, copy):
    data = json.loads((copy / "data.json").read_text())
    (copy / "data.json").write_text(json.dumps(data | {"images": 7}))
    with pytest.raises(InputError, match="images was 7, now 24"):
        run_protocol(config, copy)


def test_a_network_that_is_not_trained_to_the_end_is_not_scored(config, copy):
    folder = copy / "fold_1" / "emrnas"
    (folder / "scores.csv").unlink()
    last = max((folder / "checkpoints").glob("[0-9]*"), key=lambda p: int(p.name))
    shutil.rmtree(last)
    with pytest.raises(InputError, match="run --stage=retrain first"):
        run_protocol(config, copy, "evaluate")
    run_protocol(config, copy)  # trains to the end
    assert (folder / "scores.csv").is_file()


def test_a_damaged_cost_is_named(config, copy):
    (copy / "fold_2/emrnas/cost.json").write_text("{")
    with pytest.raises(InputError, match=r"fold_2/emrnas/cost\.json"):
        run_protocol(config, copy, "evaluate")


def test_an_architecture_changed_by_hand_does_not_overwrite_a_training(config, copy):
    (copy / "fold_1/emrnas/scores.csv").unlink()
    shutil.rmtree(copy / "fold_1/emrnas/checkpoints")
    before = (copy / "fold_1/emrnas/network.json").read_text()
    (copy / "architecture.json").write_text('{"architecture": "[O1 O1]"}')
    with pytest.raises(InputError, match="of another network"):
        run_protocol(config, copy, "retrain")
    assert (copy / "fold_1/emrnas/network.json").read_text() == before


def test_streaming_gives_the_same_scores(config, run, tmp_path):
    streamed = config.copy_and_resolve_references()
    streamed.loop.device_mib = 0.0
    run_protocol(streamed, tmp_path / "streamed")
    pair = RunFolder(run), RunFolder(tmp_path / "streamed")
    found, wanted = (read_architecture(one.architecture()) for one in pair)
    assert found[0] == wanted[0]
    # Two programs, whose sums the compiler may order differently.
    assert found[1] is not None
    assert wanted[1] is not None
    np.testing.assert_allclose(found[1], wanted[1], atol=1e-6)
    found, wanted = (
        read_scores(one.fold(2).network("emrnas").scores(PAPER)) for one in pair
    )
    assert found.subject == wanted.subject
    np.testing.assert_array_equal(found.frame, wanted.frame)
    np.testing.assert_allclose(found.psnr_db, wanted.psnr_db, atol=1e-4)
    np.testing.assert_allclose(found.ssim, wanted.ssim, atol=1e-5)


def test_a_damaged_table_of_scores_is_named(config, copy):
    (copy / "fold_1/emrnas/scores.csv").write_text("subject,slice\np01,x\n")
    with pytest.raises(InputError, match=r"fold_1/emrnas/scores\.csv"):
        run_protocol(config, copy, "evaluate")


def test_a_damaged_architecture_is_named(config, copy):
    (copy / "architecture.json").write_text("{")
    (copy / "fold_1/emrnas/scores.csv").unlink()
    with pytest.raises(InputError, match=r"architecture\.json"):
        run_protocol(config, copy, "evaluate")


def test_a_checkpoint_of_another_architecture_is_refused(config, copy):
    record = json.loads((copy / "architecture.json").read_text())
    other = "[O1 O1]" if record["architecture"] != "[O1 O1]" else "[O2 O2]"
    (copy / "architecture.json").write_text(json.dumps({"architecture": other}))
    (copy / "fold_1/emrnas/scores.csv").unlink()
    with pytest.raises(InputError, match="another network"):
        run_protocol(config, copy, "evaluate")


def test_the_summary_names_every_network_and_the_report(run):
    text = summary(run)
    assert "zero_filled" in text
    assert "emrnas" in text
    assert "index.html" in text


def test_total_variation_is_fitted_scored_and_loaded_like_a_trained_network(
    config, tmp_path
):
    config = config.copy_and_resolve_references()
    config.networks = ConfigDict({"tv": {"iterations": 10}})
    run = tmp_path / "tv"
    run_protocol(config, run)
    results = json.loads((run / "results.json").read_text())["networks"]
    assert results["tv"]["psnr_db_mean"] > results["zero_filled"]["psnr_db_mean"]
    assert results["tv"]["parameters"] == 1
    assert results["tv"]["seconds_per_epoch"] is None
    chosen = [
        json.loads((run / f"fold_{k}/tv/strength.json").read_text())["strength"]
        for k in (1, 2, 3)
    ]
    model = load_model(run, fold=2)
    assert model.variables["params"]["strength"] == np.float32(chosen[1])
    assert model.subjects
    assert write_report(run).is_file()

    fitted = run / "fold_3/tv"
    before = (fitted / "scores.csv").read_text()
    watched = run / "fold_1/tv/strength.json"
    changed = watched.stat().st_mtime_ns
    (fitted / "scores.csv").unlink()
    shutil.rmtree(fitted / "checkpoints")
    with pytest.raises(InputError, match="run --stage=retrain first"):
        run_protocol(config, run, "evaluate")
    run_protocol(config, run)
    assert (fitted / "scores.csv").read_text() == before
    assert watched.stat().st_mtime_ns == changed


def files_of(run: Path) -> dict[str, object]:
    """Read what a run wrote, without times, ceilings, commands and the report."""
    found = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if name == "provenance.json":
            continue
        if path.suffix in (".json", ".jsonl") and "checkpoints" not in name:
            found[name] = [
                json.loads(text, object_hook=without_times)
                for text in (
                    path.read_text().splitlines()
                    if path.suffix == ".jsonl"
                    else [path.read_text()]
                )
            ]
        elif path.suffix == ".csv":
            found[name] = path.read_text()
    return found


def without_times(record: dict) -> dict:
    timed = ("seconds", "ceiling", "fraction")
    return {k: v for k, v in record.items() if not any(word in k for word in timed)}


def line_number(lines: list[str], pattern: str) -> int:
    return next(i for i, line in enumerate(lines) if re.fullmatch(pattern, line))


def test_a_fold_is_scored_as_soon_as_it_is_trained(story):
    _, lines = story
    score = r"\d\d\.\d\d dB"
    wanted = [f"fold {k} zero_filled: {score}" for k in (1, 2, 3)]
    for k in (1, 2, 3):
        wanted += [f"fold {k} emrnas: training on .*", f"fold {k} emrnas: {score}"]
    numbers = [line_number(lines, pattern) for pattern in wanted]
    assert numbers == sorted(numbers)


def test_scoring_between_trainings_compiles_nothing_anew(story):
    _, lines = story
    compiled = []
    for k in (1, 2, 3):
        first = line_number(lines, f"fold {k} emrnas: scoring .*")
        last = line_number(lines, rf"fold {k} emrnas: \d.* dB")
        compiled.append(lines[first:last].count(COMPILED))
    assert compiled[0] > 0
    assert compiled[1:] == [0, 0]
    program = "retrain emrnas: compiling the training, which can take minutes"
    assert lines.count(program) == 1


def test_a_run_says_what_it_does_before_it_does_it(story):
    run, lines = story
    said = [line for line in lines if line != COMPILED]
    assert said[0].startswith("building ")
    assert said[1] == (
        "data: 24 magnitude images of 6 subjects, 16 x 16 pixels, phantom_heart"
    )
    stages = [
        rf"search: took .*, the folds' architectures are in {run}/fold_\*/search",
        rf"ensemble: took .*, written to {run}/architecture\.json",
        rf"retrain and evaluate: took .*, the results are in {run}/results\.json",
        rf"report: took .*, the report is {run}/report/index\.html",
    ]
    numbers = [line_number(said, pattern) for pattern in stages]
    assert numbers == sorted(numbers)
    for k in (1, 2, 3):
        begun = line_number(
            said, f"fold {k} search: searching with .* 3 epochs of 6 steps"
        )
        epoch = line_number(said, rf"fold {k} search: epoch 1 of 3 \(warm-up\), .*")
        later = line_number(said, rf"fold {k} search: epoch 2 of 3 \(search\), .*")
        found = line_number(said, rf"fold {k} search found \[.*\]")
        assert begun < epoch < later < found
    compiling = "search: compiling the steps of the warm-up, which can take minutes"
    assert said.count(compiling) == 1


def test_stage_by_stage_a_run_is_the_same(config, run, copy):
    for folder in [*copy.glob("fold_*/emrnas"), *copy.glob("fold_*/zero_filled")]:
        shutil.rmtree(folder)
    (copy / "results.json").unlink()
    run_protocol(config, copy, "retrain")
    assert not list(copy.rglob("scores.csv"))
    assert not list(copy.rglob("cost.json"))
    run_protocol(config, copy, "evaluate")
    run_protocol(config, copy, "report")
    assert files_of(copy) == files_of(run)
