"""A made-up run folder, written as the protocol writes one, with seeded numbers."""

import csv
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from emrnas_jax import provenance, runlog
from emrnas_jax.data.folds import Fold, write_folds
from emrnas_jax.nas.records import write_architecture
from emrnas_jax.nas.space import Architecture
from emrnas_jax.provenance import Command
from emrnas_jax.reporting.page import write_report

COMMAND = Command(
    command="python -m emrnas_jax.main --config=hearts.py --workdir=runs/hearts",
    began="2026-11-27T23:58:12+00:00",
    seconds=3725.4,
    emrnas_jax="0.1.0",
    jax="0.10.2",
    python="3.11.7",
    device="Fast One, 2 logical cores",
)
TEXT = "[O5 O8 O8|O8 O8 O8|O4 O1 O2|O8 O8 O8|O6 O8 O8]"
GAINS_DB = {"zero_filled": 0.0, "dccnn": 5.2, "emrnas": 6.1}
PARAMETERS = {"zero_filled": 0, "dccnn": 331_456, "emrnas": 324_186}

_OURS = {"components": 5, "cells_per_block": 3, "batch_norm": False, "residual": True}
_OURS |= {"shared": "none", "consistency": "two_step", "architecture": TEXT}
_ABLATIONS = {
    "a": (6.1, {}, "ensemble"),
    "b": (5.5, {"batch_norm": True}, "ensemble"),
    "c": (5.7, {"residual": False}, "ensemble"),
    "d": (5.6, {"architecture": "[O1 O1 O1|O2 O2 O2|O3 O3 O3|O4 O4 O4|O5 O5 O5]"},
          "random"),
    "e": (6.0, {"architecture": "fold"}, "fold"),
    "f": (5.9, {"cells_per_block": 4, "shared": "block"}, "ensemble"),
    "g_single": (5.4, {"shared": "network"}, "ensemble"),
}  # fmt: skip
# A run that compares: gain in dB, and what results.json says of a network.
COMPARED = {
    "tv": (2.0, {"kind": "tv", "settings": {"iterations": 100}}),
    **{
        f"dccnn_{consistency}": (
            gain,
            {"kind": "dccnn", "settings": {"layers": 3, "consistency": consistency}},
        )
        for consistency, gain in (("single", 4.5), ("two_step", 4.9), ("real", 5.3))
    },
    **{
        f"ablation_{letter}": (
            gain,
            {"kind": "emrnas", "settings": _OURS | own, "architecture_source": source},
        )
        for letter, (gain, own, source) in _ABLATIONS.items()
    },
}
SEARCHES = {
    "ablation_a": ["ablation_a", "ablation_e"],
    "ablation_b": ["ablation_b"],
}


def write_run(
    path: Path, size=16, frames=6, epochs=4, examples=2, gains=GAINS_DB
) -> Path:
    """Write three folds of a run that searched, trained and tested networks."""
    generator = np.random.default_rng(7)
    path.mkdir(parents=True)
    config = {
        "seed": 3,
        "reduced": True,
        "data": {"path": "phantom", "height": size, "width": size},
        "sampling": {"kind": "cartesian", "rate": 0.15, "phase_encode": "rows"},
        "model": {"channels": 16, "consistency": "real"},
    }
    (path / "config.json").write_text(json.dumps(config))
    write_commands(path, COMMAND)
    subjects = [f"heart_{number:02d}" for number in range(1, 7)]
    write_folds(path / "folds.json", [_fold(subjects, k) for k in range(3)])
    choices = np.asarray(Architecture.parse(TEXT).cells)
    found = []
    for k in range(3):
        p = _write_search(path / f"fold_{k + 1}" / "search", choices, epochs, generator)
        found.append(p)
        tested = [(s, n // 3, n % 3) for s in subjects[2 * k : 2 * k + 2]
                  for n in range(frames // 2)]  # fmt: skip
        images = np.stack([_heart(size, generator) for _ in range(examples)])
        _write_tests(
            path / f"fold_{k + 1}", tested, images, epochs, k, gains, generator
        )
    mean = np.mean(found, axis=0)
    write_architecture(path / "architecture.json", _largest(mean), mean)
    write_results(path, gains)
    return path


def write_commands(path: Path, *commands: Command) -> None:
    """Write what worked on a run."""
    record = {"commands": [asdict(line) for line in commands]}
    (path / provenance.FILE).write_text(json.dumps(record))


def write_comparison(path: Path, **sizes) -> Path:
    """Write a run of many networks and two searches, as results.json has them now."""
    gains = {"zero_filled": 0.0} | {name: gain for name, (gain, _) in COMPARED.items()}
    write_run(path, gains=gains, **sizes)
    record = json.loads((path / "results.json").read_text())
    for index, (name, (_, own)) in enumerate(COMPARED.items()):
        record["networks"][name] |= own | {
            "parameters": 330_000 + index if name != "tv" else 0,
            "seconds_per_epoch": 30.5 + index if name != "tv" else None,
        }
    for name, value in record["networks"].items():
        value["device"] = "CPU, 2 cores"
        value["seconds_per_frame"] = 0.0 if name == "zero_filled" else 0.05
    record["searches"] = {
        name: {"architecture": TEXT, "networks": networks}
        for name, networks in SEARCHES.items()
    }
    (path / "results.json").write_text(json.dumps(record))
    for fold in path.glob("fold_*"):
        shutil.copytree(fold / "search", fold / "search_ablation_b")
    shutil.copy(path / "architecture.json", path / "architecture_ablation_b.json")
    return path


def write_results(path: Path, gains: dict[str, float]) -> None:
    """Write results.json from the scores of the folds."""
    scores = {
        name: [_columns(path / f"fold_{k}" / name / "scores.csv") for k in (1, 2, 3)]
        for name in gains
    }
    networks = {}
    for name, folds in scores.items():
        line = {"parameters": PARAMETERS.get(name), "device": "CPU, 2 cores"}
        line["seconds_per_frame"] = 0.0512 if PARAMETERS.get(name) else 0.0004
        if PARAMETERS.get(name):
            line |= {"gflop_per_frame": 42.3, "mbytes_per_frame": 846.0}
            line |= {"gflops_ceiling": 20_000.0, "gbytes_per_second_ceiling": 100.0}
        line["frames"] = sum(len(fold["psnr_db"]) for fold in folds)
        for measure in ("psnr_db", "ssim", "nmse"):
            means = [np.mean(fold[measure]) for fold in folds]
            line[f"{measure}_mean"] = float(np.mean(means))
            line[f"{measure}_std"] = float(np.std(means))
        networks[name] = line
    comparisons = []
    order = list(gains)
    pairs = [(name, other) for i, name in enumerate(order) for other in order[:i]]
    for name, reference in pairs:
        if "emrnas" in order and name != "emrnas":
            continue
        for measure in ("psnr_db", "ssim"):
            pair = [
                np.concatenate([fold[measure] for fold in scores[one]])
                for one in (name, reference)
            ]
            mean = float(np.mean(pair[0] - pair[1]))
            comparisons.append(
                {
                    "network": name,
                    "reference": reference,
                    "measure": measure,
                    "mean_difference": mean,
                    "low": mean - abs(mean) / 10,
                    "high": mean + abs(mean) / 10,
                    "frames": len(pair[0]),
                }
            )
    results = {
        "dataset": "Phantom hearts",
        "sampling_rate": 0.15,
        "achieved_rate": 0.152,
        "folds": 3,
        "architecture": TEXT,
        "metrics": "paper: magnitude clipped to [0, 1], data range 1",
        "networks": networks,
        "comparisons": comparisons,
    }
    (path / "results.json").write_text(json.dumps(results, indent=1))


def _fold(subjects: list[str], k: int) -> Fold:
    test = subjects[2 * k : 2 * k + 2]
    rest = [subject for subject in subjects if subject not in test]
    return Fold(train=tuple(rest[1:]), validation=(rest[0],), test=tuple(test))


def _largest(p: np.ndarray) -> Architecture:
    return Architecture.from_cells([int(c) for c in p.argmax(-1)], 3)


def _write_search(folder: Path, choices, epochs: int, generator) -> np.ndarray:
    folder.mkdir(parents=True)
    cells, operations = len(choices), 8
    alphas = np.zeros((cells, operations))
    drift = generator.normal(size=alphas.shape)
    drift[np.arange(cells), choices] += generator.normal(1.2, 1.0, cells)
    p = np.full_like(alphas, 1 / operations)
    for epoch in range(1, 2 * epochs + 1):
        row = {
            "epoch": epoch,
            "step": 10 * epoch,
            "phase": "warm-up" if epoch <= epochs else "search",
            "train_loss": 0.01 * float(np.exp(generator.normal(-3 * epoch / epochs / 2,
                                                               0.05))),
            "learning_rate": 1e-3,
            "seconds": 3.5,
        }  # fmt: skip
        if epoch > epochs:
            alphas += drift / epochs + generator.normal(size=p.shape) / epochs / 4
            p = np.exp(alphas) / np.exp(alphas).sum(-1, keepdims=True)
            row["validation_loss"] = 1.2 * row["train_loss"]
            row["entropy"] = float(-(p * np.log(p)).sum(-1).mean())
            row["probabilities"] = p.tolist()
            row["path_counts"] = generator.multinomial(10, p).tolist()
        runlog.append(folder / "metrics.jsonl", row)
    write_architecture(folder / "architecture.json", _largest(p), p)
    return p


def _write_tests(folder: Path, tested, target, epochs, k, gains, generator) -> None:
    ease = generator.normal(0, 0.4, len(tested)) + 1.5 * k
    count, size = target.shape[:2]
    lines = generator.random((count, size, 1)) < 0.12
    lines[:, [0, -1]] = True
    mask = np.broadcast_to(lines, target.shape)
    for name, gain in gains.items():
        (folder / name).mkdir()
        psnr_db = 26 + ease + gain + generator.normal(0, 0.1, len(tested))
        with (folder / name / "scores.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["subject", "slice", "frame", "psnr_db", "ssim", "nmse"])
            for frame, value in zip(tested, psnr_db, strict=True):
                ssim = 1 - 0.4 * 10 ** (-(value - 24) / 20)
                writer.writerow([*frame, value, ssim, 10 ** (-value / 10)])
        blurred = np.fft.ifft2(np.fft.fft2(target) * mask)
        part = 10 ** (-gain / 20)
        shown = np.clip(np.abs(part * blurred + (1 - part) * target), 0, 1)
        np.savez_compressed(
            folder / name / "examples.npz",
            subject=np.asarray([frame[0] for frame in tested[:count]]),
            slice=np.asarray([frame[1] for frame in tested[:count]], np.int32),
            frame=np.asarray([frame[2] for frame in tested[:count]], np.int32),
            target=target.astype(np.float32),
            reconstruction=shown.astype(np.float32),
            mask=mask,
            psnr_db=psnr_db[:count].astype(np.float32),
        )
        if gain:
            for epoch in range(1, epochs + 1):
                loss = 0.01 * float(np.exp(generator.normal(-epoch / epochs, 0.05)))
                row = {"epoch": epoch, "step": 20 * epoch, "phase": "retrain"}
                row |= {"train_loss": loss, "train_psnr_db": -10 * np.log10(loss)}
                row |= {"learning_rate": 1e-3, "seconds": 4.0}
                runlog.append(folder / name / "metrics.jsonl", row)


def _heart(size: int, generator) -> np.ndarray:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    image = np.zeros((size, size))
    for centre_x, centre_y, wide, high, value in (
        (0, 0, 0.9, 0.8, 0.25),
        (-0.15, 0.05, 0.45, 0.5, 0.3),
        (-0.2, 0.05, 0.28, 0.3, 0.4),
        (0.45, -0.1, 0.22, 0.35, 0.35),
        (0.3, 0.5, 0.15, 0.1, -0.2),
    ):
        shift = generator.normal(0, 0.03, 2)
        inside = ((x - centre_x - shift[0]) / wide) ** 2 + (
            (y - centre_y - shift[1]) / high
        ) ** 2
        image[inside < 1] += value
    return np.clip(image, 0, 1)


def _columns(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: np.asarray([float(row[name]) for row in rows])
        for name in ("psnr_db", "ssim", "nmse")
    }


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("template") / "hearts", examples=1)


@pytest.fixture
def run(template, tmp_path) -> Path:
    """A run's folder that a test may change."""
    return Path(shutil.copytree(template, tmp_path / "hearts"))


@pytest.fixture(scope="session")
def reported(tmp_path_factory) -> Path:
    """A run's folder with its report, not to be changed."""
    path = write_run(tmp_path_factory.mktemp("reporting") / "hearts")
    write_report(path)
    return path


@pytest.fixture(scope="session")
def compared(tmp_path_factory) -> Path:
    """A run of many networks with its report, not to be changed.

    One fold has curves and examples: figures take most of a report's time.
    """
    path = write_comparison(tmp_path_factory.mktemp("compared") / "hearts", examples=1)
    for fold in (path / "fold_2", path / "fold_3"):
        for file in (*fold.rglob("metrics.jsonl"), *fold.rglob("examples.npz")):
            file.unlink()
    write_report(path)
    return path
