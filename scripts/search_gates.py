"""Say what the runs of the variants `gate_variance` to `gate_paper` show.

    python scripts/search_gates.py variance RUN_OF_SEED_0 RUN_OF_SEED_1 ...
    python scripts/search_gates.py ranking RUN
    python scripts/search_gates.py random RUN_OF_SEED_0 RUN_OF_SEED_1 ...

`variance` compares how much architectures differ with how much trainings of one from
several seeds do. `ranking` has Kendall's tau between the search's quality of
architectures and their PSNR after training. `random`, which reads runs of `gate_paper`
as well, compares what the search predicts to be best within a time with the best of
random candidates, seed by seed: PSNR at each time, and the area below the curve of PSNR
against time (hypervolume), with the exact test that turns the signs of the seeds'
differences. Times are predicted ones.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.stats import kendalltau, permutation_test

from emrnas_jax.errors import InputError
from emrnas_jax.models.catalogue import ZERO_FILLED
from emrnas_jax.nas.wide_space import WIDE
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.front import read_front
from emrnas_jax.runs.results import Results, read_results


def main(arguments: Sequence[str]) -> int:
    """Print what is asked for; return the exit status."""
    questions = {"variance": variance, "ranking": ranking, "random": random}
    if len(arguments) < 2 or arguments[0] not in questions:
        print(__doc__, file=sys.stderr)
        return 2
    runs = [RunFolder(Path(own)) for own in arguments[1:]]
    try:
        lines = questions[arguments[0]](runs)
    except (InputError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


def variance(runs: Sequence[RunFolder]) -> list[str]:
    """Compare the spread of architectures with that of seeds."""
    found = [_trained(read_results(run.results)) for run in runs]
    names = list(found[0])
    psnr = np.array([[own[name] for name in names] for own in found])
    # A seed's masks and order of frames are those of all its networks.
    apart = psnr - psnr.mean(1, keepdims=True)
    architectures = apart.mean(0).std(ddof=1)
    free = (len(runs) - 1) * (len(names) - 1)
    seeds = np.sqrt(np.sum((apart - apart.mean(0)) ** 2) / free)
    return [
        *(f"{n:12} {psnr[:, i].mean():.3f} dB" for i, n in enumerate(names)),
        f"standard deviation of {len(names)} architectures: {architectures:.4f} dB, "
        f"of {len(runs)} seeds: {seeds:.4f} dB, ratio {architectures / seeds:.1f}",
    ]


def ranking(runs: Sequence[RunFolder]) -> list[str]:
    """Compare the order of the search with that of whole trainings."""
    [run] = runs
    results, front = read_results(run.results), read_front(run.front())
    judged = {own.architecture: own for own in front.judged}
    trained = _trained(results)
    own = [judged[results.networks[name].settings["architecture"]] for name in trained]
    psnr = np.array(list(trained.values()))
    gains, times = np.array([p.gain_db for p in own]), np.array([p.ms for p in own])
    absent = {body.name for body in WIDE if not body.is_present}
    counts = np.array([_present(p.architecture, absent) for p in own])
    left = _left_over(psnr, np.log(times))
    return [
        f"Kendall's tau of {len(psnr)} architectures with PSNR after training:",
        f"  the search's quality:         {_tau(gains, psnr)}",
        f"  their predicted time:         {_tau(times, psnr)}",
        "  quality, where the number of components is taken out of both: "
        + _tau(_left_over(gains, counts), _left_over(psnr, counts)),
        f"what time leaves of PSNR: standard deviation {left.std():.3f} dB, from "
        f"{left.min():+.2f} to {left.max():+.2f} dB",
    ]


def _present(architecture: str, absent: set[str]) -> float:
    names = architecture.strip("[]").split("|")
    return float(sum(name not in absent for name in names))


def _left_over(
    values: Float[np.ndarray, " point"], by: Float[np.ndarray, " point"]
) -> Float[np.ndarray, " point"]:
    """Return what a cubic polynomial of another quantity does not explain."""
    return values - np.polyval(np.polyfit(by, values, 3), by)


def _tau(
    first: Float[np.ndarray, " point"], second: Float[np.ndarray, " point"]
) -> str:
    tau, p = kendalltau(first, second)
    return f"{tau:.2f} (p = {p:.1e})"


def random(runs: Sequence[RunFolder]) -> list[str]:
    """Compare the front with the best of random candidates."""
    gains, areas, lines = [], [], []
    for run in runs:
        points = _points(run)
        gains.append([f[1] - j[1] for f, j in zip(*points.values(), strict=True)])
        ends = [pair for own in points.values() for pair in own]
        last, lowest = max(ms for ms, _ in ends), min(psnr for _, psnr in ends)
        front, judged = (_area(own, last, lowest) for own in points.values())
        areas.append(front - judged)
        told = " ".join(
            f"{f[0]:.2f} ms {f[1]:.2f} dB ({j[0]:.2f} ms {j[1]:.2f} dB)"
            for f, j in zip(*points.values(), strict=True)
        )
        lines.append(f"{run.path.name}: {told}; hypervolume {areas[-1]:+.4f} ms dB")
    table = np.array(gains)
    for number, own in enumerate(table.T, 1):
        lines.append(f"time {number}: front - candidate {_in_words(own)} dB")
    lines.append(f"all times: {_in_words(table.mean(1))} dB")
    lines.append(f"hypervolume: {_in_words(np.array(areas))} ms dB")
    return lines


def _points(run: RunFolder) -> dict[str, list[tuple[float, float]]]:
    """Return predicted milliseconds and PSNR of the front's and of judged networks."""
    results = read_results(run.results)
    fronts = [read_front(path) for path in run.path.glob("front*.json")]
    every = [own for front in fronts for own in (*front.points, *front.judged)]
    ms = {own.architecture: own.ms for own in every}
    if any(own.ms != ms[own.architecture] for own in every):
        raise InputError(f"{run.path}: its searches have different latency tables")
    trained = _trained(results)
    return {
        which: [
            (ms[results.networks[name].settings["architecture"]], psnr)
            for name, psnr in trained.items()
            if name.startswith(which)
        ]
        for which in ("front", "judged")
    }


def _area(points: list[tuple[float, float]], last: float, lowest: float) -> float:
    """Return the area between the best PSNR within each time and the lowest of all."""
    area, best, before = 0.0, lowest, 0.0
    for ms, psnr in sorted(points):
        area += (best - lowest) * (ms - before)
        best, before = max(best, psnr), ms
    return area + (best - lowest) * (last - before)


def _in_words(differences: Float[np.ndarray, " seed"]) -> str:
    """Return the mean, how many are positive, and the exact p of turned signs."""
    count = len(differences)
    if count == 1:
        return f"{differences[0]:+.3f} (one seed)"
    p = permutation_test(
        (differences,),
        lambda own, axis: np.mean(own, axis=axis),
        permutation_type="samples",
        alternative="greater",
        n_resamples=2**count,
    ).pvalue
    return (
        f"{differences.mean():+.3f}, positive in {np.sum(differences > 0)} of {count} "
        f"seeds (one-sided p = {p:.4f})"
    )


def _trained(results: Results) -> dict[str, float]:
    return {
        name: own.psnr_db_mean
        for name, own in results.networks.items()
        if name != ZERO_FILLED
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
