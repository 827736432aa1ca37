"""Rows of benchmarks as tables of Markdown, and as files of a folder."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emrnas_jax.machine.files import write_text
from emrnas_jax.reporting.markup import Cell, Table, to_markdown

# Fields of a row that a table shows, in this order, each with its heading.
COLUMNS = {
    "program": "program",
    "label": "row",
    "coils": "coils",
    "size": "size",
    "batch": "batch",
    "precision": "precision",
    "parameters": "parameters",
    "step_ms": "ms",
    "train_ms": "training step, ms",
    "ms_per_frame": "ms per frame",
    "frames_per_second": "frames/s",
    "nrmse": "NRMSE",
    "sigpy_ms": "SigPy, ms",
    "sigpy_ratio": "ratio",
    "sigpy_mib": "SigPy, MiB",
    "sigpy_nrmse": "SigPy, NRMSE",
    "torch_ms": "PyTorch, ms",
    "torch_variant": "variant",
    "torch_ratio": "ratio",
    "architecture_step_ms": "alphas, ms",
    "torch_architecture_ratio": "ratio, alphas",
    "time_ratio": "time / fixed",
    "memory_ratio": "memory / fixed",
    "temporary_mib": "temporary MiB",
    "compile_s": "compile, s",
    "arithmetic_fraction": "of arithmetic",
    "memory_fraction": "of memory",
    "step_ms_exponent": "time",
    "temporary_mib_exponent": "temporary memory",
    "compile_s_exponent": "compilation",
    "note": "note",
}


def markdown(title: str, caption: str, rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a table of Markdown, with the columns that any of them has.

    Args:
        title: heading of the table.
        caption: sentences below the heading.
        rows: rows; fields that are not in `COLUMNS` are left out.
    """
    # A column that no row has would be empty, and rows differ by command.
    keys = [key for key in COLUMNS if any(key in row for row in rows)]
    # Numbers stand right, so that their digits line up; words stand left.
    numbers = [any(isinstance(row.get(k), int | float) for row in rows) for k in keys]
    table = Table(
        name="benchmark",
        title=title,
        caption=caption,
        header=tuple(COLUMNS[key] for key in keys),
        align="".join("r" if number else "l" for number in numbers),
        rows=tuple(
            tuple(Cell(shown(key, row.get(key))) for key in keys) for row in rows
        ),
    )
    return to_markdown(table)


def write_rows(
    folder: Path, name: str, title: str, caption: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Write `name.json` and `name.md` into `folder`."""
    write_text(folder / f"{name}.json", json.dumps(list(rows), indent=1) + "\n")
    write_text(folder / f"{name}.md", markdown(title, caption, rows))


def measured_on(row: dict[str, Any]) -> str:
    """Return a table's caption, which names the device and the versions of its rows."""
    parts = [f"{row['device']}, JAX {row['jax']}"]
    if "torch" in row:
        threads = row["torch_threads"]
        parts.append(f"PyTorch {row['torch']} with {threads} threads")
    return (
        ", ".join(parts) + ". Medians; ratio = ours / PyTorch's best variant in the "
        "same run; fractions are of the ceilings measured on the device."
    )


def shown(key: str, value: Any) -> str:
    """Return a figure in words, with the digits that it deserves.

    Args:
        key: name of the field; its ending says what kind of figure it is.
        value: value of the field; a dash stands for None and NaN.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if not isinstance(value, float):
        return str(value)
    if key.endswith("_fraction"):
        return f"{100 * value:.0f} %"
    if key.endswith(("_ratio", "_exponent")):
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
