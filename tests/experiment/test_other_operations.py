"""A finished run stays readable when the package has other candidate operations."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from emrnas_jax.nas.space import TABLE_1, Architecture, Operation
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.architecture import write_architecture

DEMO = Path(__file__).parents[2] / "configs" / "demo.py"

# Start a program of the package, as if OPERATIONS had been written so.
PROGRAM = """
import runpy, sys
from emrnas_jax.nas import space
from emrnas_jax.nas.space import TABLE_1, Operation
space.OPERATIONS = eval(sys.argv.pop(1))
sys.argv.pop(0)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
NINTH = Operation("O9", (1, 2, 1, 1), (1,))
EIGHT = "TABLE_1"
NINE = f"(*TABLE_1, {NINTH})"
CHANGED = "(Operation('O1', (1, 1, 1, 1), (1, 2, 3)), *TABLE_1[1:])"

CONFIG = """
from emrnas_jax.experiment import paper
from emrnas_jax.experiment.config_files import load_config

def get_config(variant):
    config = load_config({demo!r} + ":tiny")
    paper.use(config, variant.split("-"))
    config.folds.count = 2
    config.data.cache = {cache!r}
    config.data.phantom.subjects = 4
    config.search.update(warmup_epochs=1, search_epochs=1)
    config.retrain.epochs = 1
    config.report.pdf = False
    for name, own in config.networks.items():
        own.update(components=1, cells_per_block=1, width=4)
    if "ablation_b" in config.networks:
        config.networks.ablation_b.architecture = "[O9]"
    return config
"""
OTHER_SCORES = "--config.evaluation.convention=fastmri"


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start a program with some operations, and return how it ended."""
    folder = tmp_path_factory.mktemp("start")
    config = folder / "config.py"
    cache = str(folder / "cache")
    config.write_text(CONFIG.format(demo=str(DEMO), cache=cache))

    def started(operations, networks, run, *more):
        command = [f"--config={config}:{networks}", f"--workdir={run}", *more]
        return program(operations, "emrnas_jax.main", *command)

    return started


def program(operations, *command):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, operations, *command],
        capture_output=True,
        text=True,
        check=False,
    )


def reconstructed(operations, run, network, folder):
    """The image that a run's network makes of one frame, with some operations."""
    random = np.random.default_rng(0)
    image, mask = random.random((16, 16)), random.random((16, 1)) < 0.5
    mask[0] = True
    kspace = np.fft.fft2(image, norm="ortho") * mask
    folder.mkdir()
    frame = folder / "frame.npz"
    np.savez(frame, kspace=kspace[None], mask=mask)
    done = program(
        operations,
        "emrnas_jax.reconstruct",
        f"--model={run}",
        f"--network={network}",
        f"--input={frame}",
        f"--output={folder / 'out'}",
        "--kspace_convention=plain",
    )
    assert done.returncode == 0, done.stderr
    with h5py.File(folder / "out" / "frame.h5") as file:
        return np.asarray(file["reconstruction"])


def write_searches(run, operations, text):
    """Write what the searches of two folds leave, which would take minutes."""
    architecture = Architecture.parse(text, operations)
    p = 0.5 * np.eye(len(operations))[list(architecture.cells)] + 0.5 / len(operations)
    for k in (1, 2):
        folder = run / f"fold_{k}" / "search"
        write_architecture(folder / "architecture.json", architecture, p)
        row = {"epoch": 2, "step": 4, "phase": "search", "train_loss": 0.1}
        row |= {"validation_loss": 0.1, "entropy": 1.0, "probabilities": p.tolist()}
        row |= {"path_counts": [[1] * len(operations)]}
        metrics_log.append(folder / "metrics.jsonl", row)


@pytest.fixture(scope="module")
def eight(start, tmp_path_factory):
    """A run of a search among O1..O8, and of a drawn network."""
    run = tmp_path_factory.mktemp("runs") / "eight"
    write_searches(run, TABLE_1, "[O6]")
    done = start(EIGHT, "emrnas-random_1", run)
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture(scope="module")
def nine(start, tmp_path_factory):
    """A run of a search among O1..O9, and of a network that was told to have O9."""
    run = tmp_path_factory.mktemp("runs") / "nine"
    write_searches(run, (*TABLE_1, NINTH), "[O2]")
    done = start(NINE, "emrnas-ablation_b", run)
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture
def copy_of(tmp_path):
    return lambda run: Path(shutil.copytree(run, tmp_path / "copy"))


def as_of_an_older_version(run):
    """Take away what older versions did not write."""
    (run / "operations.json").unlink()
    for name in ("architecture.json", "network.json"):
        for path in run.rglob(name):
            record = json.loads(path.read_text())
            del record["operations"]
            path.write_text(json.dumps(record))


def kept(run):
    """What stays as it is when a finished run is scored in another convention."""
    names = ("network.json", "metrics.jsonl", "scores.csv", "examples.npz")
    return {path: path.read_bytes() for name in names for path in run.rglob(name)}


pytestmark = pytest.mark.slow


def test_with_one_operation_more_a_run_is_scored_anew_and_reported(
    start, eight, copy_of
):
    """So is one of an older version; the others here name their operations."""
    run = copy_of(eight)
    as_of_an_older_version(run)
    before = kept(run)
    found = json.loads((run / "architecture.json").read_text())
    done = start(NINE, "emrnas-random_1", run, OTHER_SCORES)
    assert done.returncode == 0, done.stderr
    assert "keeps the 8 operations O1..O8" in done.stderr
    assert kept(run) == before
    again = json.loads((run / "architecture.json").read_text())
    assert [own["name"] for own in again["operations"]] == [o.name for o in TABLE_1]
    assert again["probabilities"] == found["probabilities"]
    results = json.loads((run / "results.json").read_text())["networks"]
    assert results["emrnas"]["settings"]["architecture"] == again["architecture"]
    drawn = json.loads((run / "fold_1/random_1/network.json").read_text())
    assert results["random_1"]["settings"] == drawn["settings"]
    assert results["emrnas"]["frames"] > 0
    assert (run / "report/figures/probabilities_fold_1.png").is_file()


def test_with_one_operation_less_a_run_is_scored_anew_and_reported(
    start, nine, copy_of
):
    run = copy_of(nine)
    before = kept(run)
    done = start(EIGHT, "emrnas-ablation_b", run, OTHER_SCORES)
    assert done.returncode == 0, done.stderr
    assert "begun with; there are 8 now: O9 is gone" in done.stderr
    assert kept(run) == before
    results = json.loads((run / "results.json").read_text())["networks"]
    assert results["ablation_b"]["settings"]["architecture"] == "[O9]"
    assert len(json.loads((run / "architecture.json").read_text())["operations"]) == 9
    assert "[O9]" in (run / "report/index.html").read_text()


def test_an_operation_that_is_gone_still_reconstructs(nine, tmp_path):
    with_it, without = (
        reconstructed(operations, nine, "ablation_b", tmp_path / name)
        for name, operations in (("with", NINE), ("without", EIGHT))
    )
    np.testing.assert_array_equal(with_it, without)


def test_what_cannot_be_searched_to_the_end_is_refused_at_the_start(
    start, eight, copy_of
):
    run = copy_of(eight)
    (run / "fold_2/search/architecture.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    for stage in ("search", "ensemble"):
        done = start(NINE, "emrnas-random_1", run, f"--stage={stage}")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            f"error: {run}/fold_1/search was searched among 8 operations O1..O8, and "
            "there are 9 now: O9 is new; use a new --workdir"
        )
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_search_that_is_added_would_be_among_other_operations(start, eight, copy_of):
    run = copy_of(eight)
    done = start(CHANGED, "emrnas-random_1-ablation_c", run)
    assert done.returncode == 1
    assert re.search(
        r"error: .*copy was begun with 8 operations O1\.\.O8, and there are 8 now: "
        r"O1 has dilations 1-1-1-1, .*, not dilations 1-2-4-1",
        done.stderr,
    )
