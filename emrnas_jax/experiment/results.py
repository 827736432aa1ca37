"""The results of a run, from the scores of its folds."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.comparison import fold_statistics, paired_difference
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.results import ROOFLINE
from emrnas_jax.runs.scores import Scores, read_scores, scores_path

COST = ("parameters", "seconds_per_frame", "device")


def network_results(folders: Sequence[Path], scores: Sequence[Scores]) -> dict:
    """Return what `results.json` says of one network.

    Args:
        folders: of the network in each fold, with `cost.json`.
        scores: of the network in each fold.
    """
    costs = [_read_cost(folder / "cost.json") for folder in folders]
    values = {}
    for measure in ("psnr_db", "ssim", "nmse"):
        means = [float(getattr(s, measure).mean()) for s in scores]
        values[f"{measure}_mean"], values[f"{measure}_std"] = fold_statistics(means)
    seconds = np.median([cost["seconds_per_frame"] for cost in costs])
    return values | {
        "parameters": costs[0]["parameters"],
        "seconds_per_frame": float(seconds),
        "seconds_per_epoch": seconds_per_epoch(folders),
        "device": costs[0]["device"],
        "frames": sum(len(s.subject) for s in scores),
        # Absent where they were not measured: of zero-filling, or by older versions.
        **{key: costs[0][key] for key in ROOFLINE if key in costs[0]},
    }


def seconds_per_epoch(folders: Sequence[Path]) -> float | None:
    """Return the median seconds of a training epoch, averaged over folds.

    The first epoch of a fold, which compiles, does not count. None where nothing was
    trained, or for one epoch alone.
    """
    medians = []
    for folder in folders:
        rows = metrics_log.read(folder / "metrics.jsonl")[1:]
        if rows:
            medians.append(float(np.median([row["seconds"] for row in rows])))
    return float(np.mean(medians)) if medians else None


def _read_cost(path: Path) -> dict:
    try:
        cost = json.loads(path.read_text())
        return {key: cost[key] for key in COST} | {
            key: float(cost[key]) for key in ROOFLINE if key in cost
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not the cost of a network ({error}); delete scores.csv beside it "
            "and run --stage=evaluate again"
        ) from error


def compare(scores: dict[str, list[Scores]], seed: int) -> list[dict]:
    """Compare every network with every one before it, frame by frame."""
    names = list(scores)
    rows = []
    for i, name in enumerate(names):
        for reference in names[:i]:
            subjects = [s for part in scores[name] for s in part.subject]
            for measure in ("psnr_db", "ssim"):
                difference = paired_difference(
                    _joined(scores[name], measure),
                    _joined(scores[reference], measure),
                    seed,
                    subjects,
                )
                rows.append(
                    {
                        "network": name,
                        "reference": reference,
                        "measure": measure,
                        "mean_difference": difference.mean,
                        "low": difference.low,
                        "high": difference.high,
                        "frames": difference.frames,
                    }
                )
    return rows


def collect(
    folders: dict[str, list[Path]], seed: int, convention: str
) -> tuple[dict, list[dict]]:
    """Return results and comparisons of networks, from their folders in each fold.

    Scores are those of one convention; rows, in "frames", are what it scores.

    Raises:
        InputError: a table of scores is missing or damaged.
    """
    scores = {
        name: [read_scores(scores_path(folder, convention)) for folder in own]
        for name, own in folders.items()
    }
    networks = {
        name: network_results(own, scores[name]) for name, own in folders.items()
    }
    return networks, compare(scores, seed)


def _joined(scores: list[Scores], measure: str) -> Float[np.ndarray, " frame"]:
    return np.concatenate([getattr(part, measure) for part in scores])
