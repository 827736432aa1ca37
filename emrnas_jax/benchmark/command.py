"""Speed and memory of the compiled programs, on this machine, in one run.

    python -m emrnas_jax.benchmark search-step --size 64 --batch 2
    python -m emrnas_jax.benchmark train-step --against torch
    python -m emrnas_jax.benchmark reconstruct --batch 1 4 8 --json
    python -m emrnas_jax.benchmark networks --batch 4
    python -m emrnas_jax.benchmark memory
    python -m emrnas_jax.benchmark pipeline
    python -m emrnas_jax.benchmark growth --output FOLDER
    python -m emrnas_jax.benchmark gpu --output FOLDER

Seconds are medians. Fractions compare with ceilings measured here; arithmetic and
traffic are counted from the network (`evaluation.roofline`); a training step counts
three times a reconstruction. The temporary memory is the compiled program's own figure.
"""

import argparse
import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path

from emrnas_jax.benchmark import gpu, growth, plots, tables
from emrnas_jax.benchmark.comparison import require_torch
from emrnas_jax.benchmark.jax_steps import Case
from emrnas_jax.benchmark.memory import memory_rows
from emrnas_jax.benchmark.networks import system_rows
from emrnas_jax.benchmark.pipeline import pipeline_rows
from emrnas_jax.benchmark.rows import STEPS, Row
from emrnas_jax.evaluation.roofline import MATRIX_FORMS
from emrnas_jax.machine import host
from emrnas_jax.nas.gates import GATES
from emrnas_jax.nas.space import architecture_named


def steps(options: argparse.Namespace) -> None:
    """Measure one of the three programs, at every size and batch."""
    against_torch = options.against == "torch"
    if against_torch:
        require_torch()
    rows = [
        STEPS[options.command](case, options.repeats, against_torch)
        for case in _cases(options)
    ]
    _answer(rows, options, options.command)
    if options.output:
        folder, name = options.output, options.command
        plots.write_roofline(folder / f"{name}_roofline.png", rows)
        if len(options.batch) > 1:
            plots.write_throughput(folder / f"{name}_frames_per_second.png", rows)


def memory(options: argparse.Namespace) -> None:
    """Measure the memory table."""
    rows = [r for case in _cases(options) for r in memory_rows(case, options.repeats)]
    _answer(rows, options, "memory")


def networks(options: argparse.Namespace) -> None:
    """Measure every network, trained and applied, in turn."""
    rows = [
        row
        for size, batch in itertools.product(options.size, options.batch)
        for row in system_rows(size, batch, options.repeats)
    ]
    _answer(rows, options, "networks")


def pipeline(options: argparse.Namespace) -> None:
    """Measure what the data cost a training."""
    rows = [
        row
        for case in _cases(options)
        for row in pipeline_rows(case, options.frames, options.steps, options.repeats)
    ]
    _answer(rows, options, "pipeline")


def grow(options: argparse.Namespace) -> None:
    """Measure and plot growth."""
    ranges, base = growth.RANGES, growth.Base()
    if options.quick:
        ranges, base = growth.QUICK, growth.QUICK_BASE
    ranges = {axis: ranges[axis] for axis in options.axes}
    folder, rows = options.output, growth.growth_rows(ranges, base, options.repeats)
    for figure, label in (
        ("step_ms", "time, ms"),
        ("temporary_mib", "temporary memory, MiB"),
        ("compile_s", "compilation, s"),
    ):
        plots.write_growth(folder / f"{figure}.png", rows, figure, label)
    plots.write_roofline(folder / "roofline.png", rows)
    caption = (
        f"{tables.measured_on(rows[0])} Exponents on log axes around {base}, every "
        "cell O1."
    )
    if "components" in ranges:
        ratio = growth.compile_ratio(rows)
        caption += f" Compilation of the search over N: longest / shortest {ratio:.2f}."
    summary = growth.summary_rows(rows)
    tables.write_rows(folder, "growth", "Growth", caption, rows)
    tables.write_rows(folder, "exponents", "Exponents of growth", caption, summary)
    _print(tables.markdown("Exponents of growth", caption, summary))


def graphics_card(options: argparse.Namespace) -> None:
    """Measure everything that benchmarks/GPU.md asks for."""
    case = Case(
        architecture_named(options.architecture), options.size, 1, options.width
    )
    planned = gpu.plan(case, options.batches, options.repeats)
    rows = gpu.measure_all(planned, options.output, options.budget)
    missing = [row["label"] for row in rows if row.keys() & {"error", "skipped"}]
    _print(f"{options.output}/results.md: {len(rows) - len(missing)} rows measured")
    for label in missing:
        _print(f"not measured: {label}")


COMMANDS = {
    **dict.fromkeys(STEPS, steps),
    "networks": networks,
    "memory": memory,
    "pipeline": pipeline,
    "growth": grow,
    "gpu": graphics_card,
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m emrnas_jax.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        own = commands.add_parser(name, help=(function.__doc__ or "").split("\n")[0])
        own.add_argument(
            "--repeats", type=_positive, default=7, help="medians of so many"
        )
        if name == "growth":
            _growth_options(own)
            continue
        if name == "networks":
            _output_options(own)
            continue
        own.add_argument("--width", type=_positive, default=16, help="channels")
        own.add_argument(
            "--architecture", default="cardiac", help="a preset or [O5 O8 O8|...]"
        )
        if name == "gpu":
            _gpu_options(own)
        else:
            _case_options(own, name)
    return parser.parse_args(arguments)


def _output_options(parser: argparse.ArgumentParser, batch: int = 4) -> None:
    parser.add_argument(
        "--size", type=_positive, nargs="+", default=[256], help="pixels a side"
    )
    parser.add_argument(
        "--batch", type=_positive, nargs="+", default=[batch], help="frames at once"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--output", type=Path, help="folder for JSON, Markdown, plots")


def _case_options(parser: argparse.ArgumentParser, command: str) -> None:
    _output_options(parser, batch=8 if command == "pipeline" else 4)
    parser.add_argument(
        "--precision", default="float32", choices=MATRIX_FORMS, help="of convolutions"
    )
    if command == "pipeline":
        parser.add_argument("--frames", type=_positive, default=240, help="data set")
        parser.add_argument("--steps", type=_positive, default=2, help="per call")
    elif command != "memory":
        parser.add_argument("--against", choices=["torch"], help="timed in turn")
    if command == "search-step":
        parser.add_argument(
            "--paths",
            type=int,
            default=1,
            choices=sorted(GATES),
            help="paths per cell in the step of alphas",
        )


def _growth_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, help="folder for results")
    parser.add_argument("--quick", action="store_true", help="a minute, tiny networks")
    parser.add_argument(
        "--axes", nargs="+", default=list(growth.RANGES), choices=growth.RANGES
    )


def _gpu_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, help="folder for results")
    parser.add_argument("--size", type=_positive, default=256, help="pixels a side")
    parser.add_argument("--batches", type=_positive, nargs="+", default=gpu.BATCHES)
    parser.add_argument("--budget", type=float, default=450.0, help="seconds")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, found {text}")
    return value


def _cases(options: argparse.Namespace) -> list[Case]:
    architecture = architecture_named(options.architecture)
    paths = getattr(options, "paths", 1)
    return [
        Case(architecture, size, batch, options.width, options.precision, paths)
        for size, batch in itertools.product(options.size, options.batch)
    ]


def _answer(rows: list[Row], options: argparse.Namespace, name: str) -> None:
    """Print rows, and write them where a folder is given."""
    caption = tables.measured_on(rows[0])
    if options.output:
        tables.write_rows(options.output, name, name, caption, rows)
    if options.json:
        _print(json.dumps(rows[0] if len(rows) == 1 else rows))
    elif len(rows) > 1:
        _print(tables.markdown(name, caption, rows))
    else:
        for key, value in rows[0].items():
            _print(f"{key:32s} {_plain(value)}")


def _plain(value: object) -> str:
    return f"{value:,.3f}" if isinstance(value, float) else str(value)


def _print(text: str) -> None:
    print(text)  # noqa: T201 - the program's answer


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one benchmark and print its figures."""
    options = parse(arguments)
    # Both sides share the device's memory; by default JAX would take most of it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    host.keep_freed_memory()  # compiled programs are not kept: compiling is measured
    with host.clear_errors():
        COMMANDS[options.command](options)
