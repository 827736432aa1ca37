"""The tables of a report, in the form of Table 2 of the paper and beside it.

PSNR is in dB, SSIM has no unit. A "mean ± std" is over folds, of each fold's mean over
its test frames (or volumes, where the metrics' convention scores those); a difference
is per frame, both networks on the same frame and mask.
"""

from collections.abc import Iterable

import numpy as np

from emrnas_jax.reporting.commands import command_table
from emrnas_jax.reporting.markup import (
    LATEX_PREAMBLE,
    Cell,
    Table,
    to_latex,
    to_markdown,
)
from emrnas_jax.reporting.networks import in_order, title_of
from emrnas_jax.reporting.numbers import counted, number, percent
from emrnas_jax.reporting.studies.ablations import ablation_table
from emrnas_jax.reporting.studies.architectures import architecture_table
from emrnas_jax.reporting.studies.consistencies import consistency_table
from emrnas_jax.reporting.studies.cost import (
    cost_table,
    devices,
    efficiency_table,
    seconds,
)
from emrnas_jax.reporting.studies.pairs import comparison_tables
from emrnas_jax.runs.results import metrics_sentence
from emrnas_jax.runs.run import Run


def all_tables(run: Run) -> list[Table]:
    """Return every table that the run has data for, scores first and cost last."""
    tables = [
        scores_table(run),
        ablation_table(run),
        consistency_table(run),
        *comparison_tables(run),
        fold_table(run),
        architecture_table(run),
        manifest_table(run),
        command_table(run),
        efficiency_table(run),
        cost_table(run),
    ]
    return [table for table in tables if table is not None and table.rows]


def markdown(run: Run) -> str:
    """Return the text of `tables.md`."""
    return "\n".join(to_markdown(table) for table in all_tables(run))


def latex(run: Run) -> str:
    """Return the text of `tables.tex`, one floating table after the other."""
    return "\n".join(
        [LATEX_PREAMBLE, "", *(to_latex(table) for table in all_tables(run))]
    )


def scores_table(run: Run) -> Table:
    """Mean and standard deviation over folds, parameters and seconds; best in bold."""
    results = run.results
    names = in_order(run.results, results.networks)
    lines = [results.networks[name] for name in names]
    # Networks that agree in every printed digit are equally good.
    psnr_db = _best([round(line.psnr_db_mean, 2) for line in lines])
    ssim = _best([round(line.ssim_mean, 4) for line in lines])
    rows = tuple(
        (
            Cell(title_of(run.results, name)),
            Cell(_mean_std(run, line.psnr_db_mean, line.psnr_db_std, 2), psnr_db[row]),
            Cell(_mean_std(run, line.ssim_mean, line.ssim_std, 4), ssim[row]),
            Cell("–" if line.parameters is None else f"{line.parameters:,}"),
            Cell(seconds(line.seconds_per_frame)),
        )
        for row, (name, line) in enumerate(zip(names, lines, strict=True))
    )
    spread = (
        f"Mean ± standard deviation over {results.folds} folds of each fold's mean "
        f"over its test {results.unit}s"
        if results.folds > 1
        else f"Mean over the test {results.unit}s of one fold"
    )
    return Table(
        name="scores",
        title=f"Test scores on {results.dataset}",
        caption=" ".join(
            [
                f"{results.dataset}, {_rate(run)} of the phase-encode lines measured.",
                f"{spread} ({_count([line.frames for line in lines], results.unit)} "
                "in all).",
                f"Best in bold. {metrics_sentence(results.metrics)}",
                f"Seconds per frame are for inference on {devices(run)}."
                if devices(run)
                else "",
            ]
        ).strip(),
        header=("Network", "PSNR (dB)", "SSIM", "Parameters", "Seconds per frame"),
        align="lrrrr",
        rows=rows,
    )


def fold_table(run: Run) -> Table:
    """Return the mean of every fold: PSNR and SSIM of each network."""
    folds = [fold for fold in run.folds if fold.scores]
    # No set: its order would change from one process to the next.
    scored = dict.fromkeys(name for fold in folds for name in fold.scores)
    names = in_order(run.results, scored)
    means = {
        (name, fold.number): (
            float(np.mean(fold.scores[name].psnr_db)),
            float(np.mean(fold.scores[name].ssim)),
        )
        for fold in folds
        for name in names
        if name in fold.scores
    }
    rows = []
    for name in names:
        row = [Cell(title_of(run.results, name))]
        for fold in folds:
            psnr_db, ssim = means.get((name, fold.number), (None, None))
            row.append(
                Cell(
                    "–"
                    if psnr_db is None
                    else f"{number(psnr_db, 2)} / {number(ssim, 4)}"
                )
            )
        rows.append(tuple(row))
    return Table(
        name="folds",
        title="Means per fold",
        caption=(
            f"{run.results.label}: PSNR in dB / SSIM, mean over the test "
            f"{run.results.unit}s of each fold. Which subjects are tested moves every "
            "network up or down together; compare networks within a column."
        ),
        header=("Network", *(f"Fold {fold.number}" for fold in folds)),
        align="l" + "r" * len(folds),
        rows=tuple(rows),
    )


def manifest_table(run: Run) -> Table:
    """Return the subjects that every fold tested, searched and trained on."""
    return Table(
        name="subjects",
        title="Subjects of each fold",
        caption=(
            f"{run.results.dataset}: no subject is in two columns of one fold. "
            "A search updates weights on the training and the architecture on the "
            "validation subjects; retraining uses both."
        ),
        header=("Fold", "Tested", "Validation", "Training"),
        align="lppp",
        rows=tuple(
            (
                Cell(str(index)),
                Cell(_subjects(split.test)),
                Cell(_subjects(split.validation)),
                Cell(_subjects(split.train)),
            )
            for index, split in enumerate(run.splits, start=1)
        ),
    )


def _rate(run: Run) -> str:
    asked, achieved = run.results.sampling_rate, run.results.achieved_rate
    text = percent(asked)
    # Masks measure whole lines, so the rate may differ from the one asked for.
    if achieved is not None and percent(achieved) != text:
        text += f" (test masks: {percent(achieved)})"
    return text


def _best(values: list[float]) -> list[bool]:
    # NaN compares false with everything, so `max` would depend on the order.
    best = max((value for value in values if not np.isnan(value)), default=np.nan)
    return [value == best for value in values]


def _mean_std(run: Run, mean: float, std: float, digits: int) -> str:
    text = number(mean, digits)
    # One fold has no spread; "± 0" would claim perfect agreement.
    return f"{text} ± {number(std, digits)}" if run.results.folds > 1 else text


def _count(counts: Iterable[int], noun: str) -> str:
    # Counts differ where a network lacks the scores of a fold.
    low, high = min(counts), max(counts)
    most = counted(high, noun)
    return most if low == high else f"{low:,} to {most}"


def _subjects(names: tuple[str, ...]) -> str:
    return f"{', '.join(names)} ({len(names)})" if names else "–"
