"""Plots of benchmarks, all on log axes: growth, throughput, roofline."""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from emrnas_jax.benchmark.growth import curve, exponent
from emrnas_jax.benchmark.jax_steps import PROGRAMS
from emrnas_jax.benchmark.rows import Row
from emrnas_jax.machine.files import write_bytes
from emrnas_jax.reporting.colours import series_colour
from emrnas_jax.reporting.figures.picture import INK, STYLE, render

# Markers tell lines apart in a grey print and for readers who see few colours.
MARKERS = "os^DvPX*"
AXES = {
    "components": "components N",
    "cells_per_block": "cells per block (T = N × cells)",
    "width": "width, channels",
    "size": "image size, pixels a side",
    "batch": "batch, frames",
}


def _in_style(draw: Callable[..., Figure]) -> Callable[..., None]:
    """Draw in the style of the report, and write the figure to the path given first."""

    @wraps(draw)
    def write(path: Path, *args: Any) -> None:
        # "default" first, so that a user's own matplotlibrc changes no plot.
        with style.context(["default", STYLE]):
            write_bytes(path, render(draw(*args)))

    return write


@_in_style
def write_growth(rows: Sequence[Row], figure: str, label: str) -> Figure:
    """Plot a figure of the programs against each setting, the exponents in legends.

    Args:
        rows: rows of `growth.growth_rows`.
        figure: field of the rows, such as "step_ms".
        label: label of the vertical axis, with its unit.
    """
    # A dict keeps the order in which the settings were varied; a set would not.
    axes_of = list(dict.fromkeys(row["axis"] for row in rows))
    drawing = Figure(figsize=(2.9 * len(axes_of), 3.0), layout="constrained")
    grid = drawing.subplots(1, len(axes_of), squeeze=False)[0]
    for axes, axis in zip(grid, axes_of, strict=True):
        values: list[int | float] = []
        for index, program in enumerate(PROGRAMS):
            values, measured = curve(rows, program, axis, figure)
            slope = exponent(values, measured)
            _line(axes, index, values, measured, f"{program}: {slope:.2f}")
        _log(axes, AXES[axis], values)
        axes.legend(title="exponents", fontsize=7, title_fontsize=7)
    grid[0].set_ylabel(label)
    return drawing


@_in_style
def write_throughput(rows: Sequence[Row]) -> Figure:
    """Plot frames per second against batch size, PyTorch's variants beside ours."""
    drawing = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = drawing.subplots()
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        where = f"{row['size']} × {row['size']}"
        point = (row["batch"], row["frames_per_second"])
        lines.setdefault(f"ours, {where}", []).append(point)
        # A variant that failed has no time, and so no point on its line.
        for variant, milliseconds in row.get("torch_variants_ms", {}).items():
            point = (row["batch"], row["batch"] / (milliseconds / 1e3))
            lines.setdefault(f"PyTorch {variant}, {where}", []).append(point)
    for index, (name, points) in enumerate(lines.items()):
        batches, rates = zip(*sorted(points), strict=True)
        _line(axes, index, batches, rates, name)
    _log(axes, AXES["batch"], sorted({row["batch"] for row in rows}))
    axes.set_ylabel("frames per second")
    axes.legend(fontsize=7)
    return drawing


@_in_style
def write_roofline(rows: Sequence[Row]) -> Figure:
    """Plot every program's arithmetic against its intensity, below the ceilings."""
    drawing = Figure(figsize=(5.6, 3.6), layout="constrained")
    axes = drawing.subplots()
    # Wide enough to show where memory and where arithmetic bounds a program.
    intensities = np.geomspace(1, 1000, 200)
    for precision in dict.fromkeys(row["precision"] for row in rows):
        # Ceilings are measured once for each precision, so any row of it has them.
        row = next(row for row in rows if row["precision"] == precision)
        roof = np.minimum(
            row["gflops_ceiling"], row["gbytes_per_second_ceiling"] * intensities
        )
        axes.plot(intensities, roof, color=INK, linewidth=1)
        axes.annotate(precision, (intensities[-1], roof[-1]), ha="right", va="bottom")
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(f"{row['command']}, {row['precision']}", []).append(row)
    for index, (name, own) in enumerate(lines.items()):
        axes.scatter(
            [row["operations_per_byte"] for row in own],
            # The fraction of the ceiling is what was measured; the rate follows.
            [row["arithmetic_fraction"] * row["gflops_ceiling"] for row in own],
            marker=MARKERS[index % len(MARKERS)],
            color=series_colour(index),
            s=18,
            label=name,
            zorder=3,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("operations per byte of feature maps")
    axes.set_ylabel("GFLOP per second")
    axes.legend(fontsize=7)
    return drawing


def _line(
    axes: Axes,
    index: int,
    values: Sequence[int | float],
    measured: Sequence[int | float],
    label: str,
) -> None:
    axes.plot(
        values,
        measured,
        marker=MARKERS[index % len(MARKERS)],
        color=series_colour(index),
        markersize=4,
        label=label,
    )


def _log(axes: Axes, label: str, values: Sequence[int | float]) -> None:
    # Base 2, because most values double from one measurement to the next.
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    # Ticks at the measured values alone, written as numbers instead of powers.
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.xaxis.minorticks_off()
    axes.set_xlabel(label)
    axes.yaxis.set_major_formatter("{x:g}")
    # Within little more than a decade the powers of ten alone would be one tick or two.
    low, high = axes.get_ylim()
    axes.yaxis.set_minor_formatter("{x:g}" if high < 20 * low else NullFormatter())
