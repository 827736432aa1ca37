# pyright: reportMissingImports=false
"""Measure everything that matters on a GPU, in order of importance, in minutes.

Every row is written as soon as it is measured. A row that fails is kept with its error.
Rows that the budget has no time for are marked as skipped, and the same command with
the same folder measures them. benchmarks/GPU.md states the targets.
"""

import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from emrnas_jax.benchmark import plots, tables
from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.convolutions import (
    DILATIONS,
    FORMS,
    convolution_row,
    is_exact_enough,
)
from emrnas_jax.benchmark.pipeline import pipeline_rows
from emrnas_jax.benchmark.rows import STEPS, Row
from emrnas_jax.evaluation.roofline import MATRIX_FORMS
from emrnas_jax.machine.files import write_text
from emrnas_jax.machine.json_files import write_json

PRECISIONS = tuple(MATRIX_FORMS)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
# Batches that have a target; they come first, the most important one before all.
FIRST = (8, 1, 32)
EPOCH_FRAMES = 2900
EPOCH_TARGET_S = 31.0


class Planned(NamedTuple):
    """A row to measure.

    Attributes:
        section: heading of the table that the row is part of.
        label: name of the row, unique in the plan.
        measure: function that measures the row.
    """

    section: str
    label: str
    measure: Callable[[], Row]


def plan(case: Case, batches: Sequence[int], repeats: int) -> list[Planned]:
    """Return all rows, those that have a target first.

    Args:
        case: size, width and architecture; batch and precision are varied.
        batches: batch sizes of the reconstruction; steps take those of `FIRST` above 1.
        repeats: number of timings whose median is taken.
    """
    # Asked once: without PyTorch its columns are missing, and the rest is measured.
    beside = torch_is_installed()

    def step(command: str, batch: int, precision: str) -> Planned:
        own = case_with(case, batch, precision)
        label = f"{command}, batch {batch}, {precision}"
        return Planned(command, label, lambda: STEPS[command](own, repeats, beside))

    def convolution(form: str, dilation: int, precision: str) -> Planned:
        # Batch 8 has the targets, and the forms of a convolution are compared at one.
        own = case_with(case, min(8, max(batches)), precision)
        label = f"{form}, dilation {dilation}, {precision}"
        return Planned(
            "convolution",
            label,
            lambda: convolution_row(form, own, dilation, repeats, beside),
        )

    # A session on a GPU may end early, so what has a target is measured first.
    ordered = [batch for batch in FIRST if batch in batches]
    # A training of one frame a step is no use, so steps have no batch of 1.
    trained = [batch for batch in ordered if batch > 1] or [max(batches)]
    rest = [batch for batch in batches if batch not in ordered]
    rows = [step("reconstruct", b, p) for b in ordered for p in PRECISIONS]
    rows += [
        step(command, trained[0], p)
        for command in ("train-step", "search-step")
        for p in PRECISIONS
    ]
    rows.append(Planned("epoch", "training epoch", lambda: _epoch(case, trained[0])))
    rows += [
        convolution(form, dilation, precision)
        for precision in PRECISIONS
        for form in FORMS
        for dilation in DILATIONS
        if is_exact_enough(form, precision)
    ]
    # The largest of the other batches first: throughput saturates there.
    rows += [step("reconstruct", b, p) for b in reversed(rest) for p in PRECISIONS]
    rows += [
        step(command, batch, p)
        for batch in trained[1:]
        for command in ("train-step", "search-step")
        for p in PRECISIONS
    ]
    return rows


def torch_is_installed() -> bool:
    """Return whether PyTorch can be timed beside our programs."""
    return importlib.util.find_spec("torch") is not None


def case_with(case: Case, batch: int, precision: str) -> Case:
    """Return the case with another batch and precision."""
    # Not `dataclasses.replace`: a step of alphas here is always that of one path.
    return Case(case.architecture, case.size, batch, case.width, precision)


def measure_all(rows: Sequence[Planned], folder: Path, budget_s: float) -> list[Row]:
    """Measure rows until the budget is spent, and write the results after each row.

    Args:
        rows: rows to measure, the most important first.
        folder: folder of the results; rows that it has already are not measured again.
        budget_s: seconds after which no further row is started.

    Returns:
        The figures of each row, or its error, or a mark that it was skipped.
    """
    # Unlike the wall clock, this one is never set back.
    start = time.monotonic()
    path = folder / "results.json"
    known = {row["label"]: row for row in _earlier(path)}
    found: dict[str, Row] = {}
    for planned in rows:
        label = planned.label
        spent = time.monotonic() - start
        if label in known:
            found[label] = known[label]
        elif spent > budget_s:
            note = f"skipped: the budget of {budget_s:.0f} s was spent; run it again"
            found[label] = {"skipped": True, "note": note}
        else:
            found[label] = _measured(planned)
        found[label] |= {"section": planned.section, "label": label}
        # After every row, so that a run that is stopped keeps what it measured.
        _write(path, list(found.values()))
    return list(found.values())


def _measured(planned: Planned) -> Row:
    jax.clear_caches()  # programs of earlier rows hold memory
    try:
        row = planned.measure()
    except Exception as error:  # noqa: BLE001 - any library may fail; others go on
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"error": text, "note": text}
    # A variant that failed to compile is a note of the row; the other one is timed.
    notes = [f"PyTorch {k}: {v}" for k, v in row.get("torch_errors", {}).items()]
    if row["command"] == "reconstruct":
        row["ms_per_frame"] = row["step_ms"] / row["batch"]
        limit = target_ms_per_frame(row["batch"], row["precision"])
        if limit is not None:
            word = "met" if row["ms_per_frame"] <= limit else "missed"
            notes.append(f"target {limit:g} ms per frame: {word}")
    return {"note": "; ".join(notes)} | row


def target_ms_per_frame(batch: int, precision: str) -> float | None:
    """Return the target of a reconstruction at 256 x 256 pixels, or None.

    Args:
        batch: frames at once.
        precision: precision of the convolutions.
    """
    # The targets of benchmarks/GPU.md, which states no others.
    if batch == 1:
        return 5.0
    if batch < 8:
        return None
    return 0.4 if precision == "bf16" else 1.0


def _epoch(case: Case, batch: int) -> Row:
    own = case_with(case, batch, "float32")
    frames = 10 * batch
    # Ten steps a call and three repeats: an epoch as a training runs it, in seconds.
    constant, resident, streamed = pipeline_rows(own, frames, 10, 3)
    # A training drops the frames that fill no batch.
    steps = EPOCH_FRAMES // batch
    seconds = resident["step_ms"] * steps / 1e3
    word = "met" if seconds <= EPOCH_TARGET_S else "missed"
    note = (
        f"{seconds:.1f} s per epoch of {EPOCH_FRAMES} frames; target "
        f"{EPOCH_TARGET_S:g} s: {word}; data {resident['percent']:+.1f} %, streamed "
        f"{streamed['percent']:+.1f} % against a constant batch"
    )
    return resident | {
        "constant_step_ms": constant["step_ms"],
        "streamed_step_ms": streamed["step_ms"],
        "seconds_per_epoch": seconds,
        "note": note,
    }


def _versions() -> dict[str, Any]:
    device = jax.devices()[0]
    found = {
        "device": device.device_kind,
        "platform": device.client.platform_version,
        "jax": jax.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }
    if torch_is_installed():
        # Imported here, because it is optional and takes seconds.
        import torch

        found |= {"torch": torch.__version__, "torch_cuda": torch.version.cuda}
    return found


def _earlier(path: Path) -> list[Row]:
    """Return the rows that an earlier run measured on this device with this JAX.

    Rows that failed or were skipped are left out, so that they are measured again.
    """
    if not path.is_file():
        return []
    record, now = json.loads(path.read_text()), _versions()
    # Figures of another card or another JAX do not belong in one table.
    if any(record[key] != now[key] for key in ("device", "jax")):
        return []
    return [row for row in record["rows"] if not row.keys() & {"error", "skipped"}]


def _write(path: Path, rows: list[Row]) -> None:
    versions = _versions()
    write_json(path, versions | {"rows": rows})
    parts = [
        f"# Measured on {versions['device']}, {versions['date']}\n",
        *(f"- {name}: {value}" for name, value in versions.items()),
        "",
    ]
    for section in dict.fromkeys(row["section"] for row in rows):
        own = [row for row in rows if row["section"] == section]
        parts.append(tables.markdown(section, "Medians.", own))
    write_text(path.with_suffix(".md"), "\n".join(parts))
    drawn = [row for row in rows if "arithmetic_fraction" in row]
    if drawn:
        plots.write_roofline(path.with_name("roofline.png"), drawn)
