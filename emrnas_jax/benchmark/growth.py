"""Measure how time, memory and compilation grow with N, T, width, size and batch.

Each is varied alone around a reduced network in which every cell runs O1, so that the
work per cell is the same. The exponent is the slope of a straight line through the
measurements on log axes: 1 is "as the work" for N, T and batch, 2 for width and size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.jax_steps import PROGRAMS
from emrnas_jax.benchmark.programs import Program
from emrnas_jax.benchmark.rows import Row, figures
from emrnas_jax.machine.timing import median_ms
from emrnas_jax.nas.space import Architecture

O1 = 0

# Values of each setting that is varied; `Base` has its value while another is varied.
RANGES = {
    "components": (1, 2, 5, 10, 20),
    "cells_per_block": (1, 2, 4, 8),
    "width": (8, 16, 32, 64),
    "size": (64, 128, 256, 512),
    "batch": (1, 2, 4, 8, 16),
}
QUICK = {
    "components": (1, 2, 4),
    "cells_per_block": (1, 2, 4),
    "width": (4, 8, 16),
    "size": (16, 32, 64),
    "batch": (1, 2, 4),
}
# The fastest of so many compilations counts: other programs of the machine slow some.
COMPILATIONS = 3


class Base(NamedTuple):
    """The network around which one setting is varied."""

    components: int = 2
    cells_per_block: int = 3
    width: int = 8
    size: int = 64
    batch: int = 2


QUICK_BASE = Base(components=1, cells_per_block=1, width=4, size=16)


def growth_rows(
    ranges: dict[str, tuple[int, ...]], base: Base, repeats: int
) -> list[Row]:
    """Measure every program at every value of every setting.

    Args:
        ranges: values of each setting that is varied, a field of `Base`.
        base: values of the other settings.
        repeats: number of timings whose median is taken.
    """
    return [
        row
        for axis, values in ranges.items()
        for value in values
        for row in _rows_at(axis, value, base, repeats)
    ]


def _rows_at(axis: str, value: int, base: Base, repeats: int) -> list[Row]:
    setting = base._replace(**{axis: value})
    # Every cell runs the same operation, or the work per cell would differ with N.
    blocks = ((O1,) * setting.cells_per_block,) * setting.components
    case = Case(Architecture(blocks), setting.size, setting.batch, setting.width)
    # Only the growth over N is a claim about compilation, which takes most of the time.
    often = COMPILATIONS if axis == "components" else 1
    programs = {name: _built(name, case, often) for name in PROGRAMS}
    # All programs of a setting in turn; settings follow each other, since only the
    # slope over them is reported.
    times = median_ms([program.run for program in programs.values()], repeats)
    return [
        figures(name, case, program, step_ms)
        | {"program": name, "axis": axis, "value": value}
        for (name, program), step_ms in zip(programs.items(), times, strict=True)
    ]


def _built(name: str, case: Case, often: int) -> Program:
    programs = [PROGRAMS[name](case) for _ in range(often)]
    return min(programs, key=lambda program: program.compile_s)


def exponent(values: Sequence[int | float], figures: Sequence[float]) -> float:
    """Return the slope of the line through the points on log axes.

    Args:
        values: values of a setting, above 0.
        figures: figure at each of them, above 0.
    """
    return float(np.polyfit(np.log(values), np.log(figures), 1)[0])


def curve(
    rows: Sequence[Row], program: str, axis: str, figure: str
) -> tuple[list[int | float], list[float]]:
    """Return the values of `axis`, and a figure of a program at each."""
    own = [row for row in rows if (row["program"], row["axis"]) == (program, axis)]
    return [row["value"] for row in own], [row[figure] for row in own]


def summary_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the exponents, one row per program and setting."""
    found = []
    for program in PROGRAMS:
        for axis in dict.fromkeys(row["axis"] for row in rows):
            row: Row = {"program": program, "label": axis}
            for name in ("step_ms", "temporary_mib", "compile_s"):
                row[f"{name}_exponent"] = exponent(*curve(rows, program, axis, name))
            found.append(row)
    return found


def compile_ratio(rows: Sequence[Row]) -> float:
    """Return the longest over the shortest compilation of the search, over N."""
    _, seconds = curve(rows, "search-step", "components", "compile_s")
    return max(seconds) / min(seconds)
