"""Networks compared over several runs: seeds, whose folds and masks differ.

Within a run two networks are compared on the same frames with the same masks. The
differences of all runs are pooled, and the bootstrap draws subjects, each with its
frames of every run. PSNR is in dB, SSIM has no unit.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.comparison import Difference, paired_difference
from emrnas_jax.models.catalogue import ZERO_FILLED
from emrnas_jax.reporting.markup import LATEX_PREAMBLE, Cell, Table, to_latex
from emrnas_jax.reporting.numbers import MEASURES, counted, number, signed
from emrnas_jax.runs.results import metrics_sentence
from emrnas_jax.runs.run_scores import (
    RunScores,
    read_run_scores,
    refuse_other_conventions,
    refuse_repeated_paths,
    refuse_repeated_scores,
)

SEED = 0  # of the bootstrap
CSV_COLUMNS = ("network", "measure", "reference", "difference", "low", "high", "mean")


@dataclass(frozen=True)
class Line:
    """One network under one measure.

    Attributes:
        network: its name, or that of a group.
        measure: a key of `MEASURES`.
        means: mean over folds, of each run.
        difference: network minus reference, pooled; None for the reference itself.
    """

    network: str
    measure: str
    means: tuple[float, ...]
    difference: Difference | None

    @property
    def mean(self) -> float:
        """The mean over runs."""
        return float(np.mean(self.means))


@dataclass(frozen=True)
class RunComparison:
    """Several runs beside each other.

    Attributes:
        runs: names of the folders.
        reference: the network to which the others are compared.
        frames: how many scores of each network were pooled.
        subjects: how many subjects they are of.
        metrics: the convention of the scores, by its name and in words.
        unit: what one score covers, "frame" or "volume".
        lines: of every network and measure.
    """

    runs: tuple[str, ...]
    reference: str
    frames: int
    subjects: int
    metrics: str
    unit: str
    lines: tuple[Line, ...]


def compare_runs(runs: Sequence[Path], reference: str | None = None) -> RunComparison:
    """Compare the networks that all runs have.

    Args:
        runs: their folders, evaluated.
        reference: the network or group to which the others are compared; the first
            that all runs have unless given.

    Raises:
        InputError: a run was given twice or not evaluated, or the runs differ in what
            must be alike.
    """
    refuse_repeated_paths(runs)
    refuse_other_conventions(runs)
    scores = [read_run_scores(run) for run in runs]
    refuse_repeated_scores(runs, scores)
    names = [n for n in scores[0].values if all(n in own.values for own in scores)]
    if reference is None:
        reference = next((n for n in names if n != ZERO_FILLED), names[0])
    if reference not in names:
        raise InputError(
            f"--reference: no network {reference!r} in all runs; there are "
            f"{', '.join(names)}"
        )
    return RunComparison(
        runs=_labels(runs),
        reference=reference,
        frames=sum(len(own.subjects) for own in scores),
        subjects=len({subject for own in scores for subject in own.subjects}),
        metrics=scores[0].metrics,
        unit=scores[0].unit,
        lines=tuple(
            _line(scores, name, reference, measure)
            for name in names
            for measure in MEASURES
        ),
    )


def _labels(runs: Sequence[Path]) -> tuple[str, ...]:
    """Name runs by their folders; by their paths where two folders have one name."""
    names = tuple(run.resolve().name for run in runs)
    return names if len(set(names)) == len(names) else tuple(map(str, runs))


def _line(scores: list[RunScores], name: str, reference: str, measure: str) -> Line:
    means = tuple(own.mean(name, measure) for own in scores)
    if name == reference:
        return Line(name, measure, means, None)
    first, second = (
        np.concatenate([own.values[n][measure] for own in scores])
        for n in (name, reference)
    )
    # A subject may be tested in several runs; it is drawn with all its frames.
    subjects = [subject for own in scores for subject in own.subjects]
    difference = paired_difference(first, second, SEED, subjects)
    return Line(name, measure, means, difference)


def run_tables(comparison: RunComparison) -> list[Table]:
    """Return one table for each measure."""
    header = ("Network", "Mean", *comparison.runs)
    header += (f"Minus {comparison.reference} [95\u00a0%]",)
    return [
        Table(
            name=f"runs_{measure}",
            title=f"{counted(len(comparison.runs), 'run')}: {title}",
            caption=f"{title}. {caption(comparison)}",
            header=header,
            align="l" + "r" * (len(header) - 1),
            rows=tuple(
                tuple(Cell(text) for text in _texts(line, digits))
                for line in comparison.lines
                if line.measure == measure
            ),
        )
        for measure, (title, digits) in MEASURES.items()
    ]


def _texts(line: Line, digits: int) -> tuple[str, ...]:
    means = [number(value, digits) for value in (line.mean, *line.means)]
    if line.difference is None:
        return line.network, *means, "–"
    mean, low, high = (signed(value, digits) for value in line.difference[:3])
    return line.network, *means, f"{mean} [{low}, {high}]"


def caption(comparison: RunComparison) -> str:
    """Sentences that say what the numbers of the tables are."""
    unit = comparison.unit
    return (
        "Means over folds, of each run and over runs. Differences to "
        f"{comparison.reference} on the same {unit}s with the same masks, pooled over "
        f"runs: {counted(comparison.frames, unit)} of "
        f"{counted(comparison.subjects, 'subject')}; 95\u00a0% intervals of a "
        "bootstrap over subjects. Draws of one random architecture are averaged as one "
        f"group. {metrics_sentence(comparison.metrics)}"
    )


def latex(comparison: RunComparison) -> str:
    """Return the tables for LaTeX."""
    tables = [to_latex(table) for table in run_tables(comparison)]
    return "\n".join([LATEX_PREAMBLE, "", *tables])


def csv_text(comparison: RunComparison) -> str:
    """Write one line of plain numbers for every network and measure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *comparison.runs])
    for line in comparison.lines:
        found = line.difference
        paired = (found.mean, found.low, found.high) if found else ("", "", "")
        numbers = (*paired, line.mean, *line.means)
        writer.writerow(
            [
                *(line.network, line.measure, comparison.reference),
                *(n if isinstance(n, str) else f"{n:.6f}" for n in numbers),
            ]
        )
    return text.getvalue()
