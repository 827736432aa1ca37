"""How time, memory and compilation grow with N, T, width, image size and batch.

Each is varied alone around a reduced network in which every cell runs O1, so that the
work per cell is the same. The exponent is the slope of a straight line through the
measurements on log axes: 1 is "as the work" for N, T and batch, 2 for width and size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emrnas_jax.benchmark.jax_steps import PROGRAMS, Case
from emrnas_jax.benchmark.programs import Program, median_ms
from emrnas_jax.benchmark.rows import Row, figures
from emrnas_jax.nas.space import Architecture

O1 = 0

# What is varied, at which values, and the value of each while another is varied.
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
COMPILATIONS = 3  # the least of so many counts: the machine does other things


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
    """Measure every program at every value of every setting."""
    return [
        row
        for axis, values in ranges.items()
        for value in values
        for row in _rows_at(axis, value, base, repeats)
    ]


def _rows_at(axis: str, value: int, base: Base, repeats: int) -> list[Row]:
    setting = base._replace(**{axis: value})
    blocks = ((O1,) * setting.cells_per_block,) * setting.components
    case = Case(Architecture(blocks), setting.size, setting.batch, setting.width)
    often = COMPILATIONS if axis == "components" else 1
    programs = {name: _built(name, case, often) for name in PROGRAMS}
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
    """Return the slope of the line through the points on log axes."""
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
    """Return how much longer the slowest compilation of the search is over N."""
    _, seconds = curve(rows, "search-step", "components", "compile_s")
    return max(seconds) / min(seconds)
