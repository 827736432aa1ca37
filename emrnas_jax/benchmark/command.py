"""Measure speed and memory of the compiled programs on this machine, in one run.

    python -m emrnas_jax.benchmark COMMAND [--flags]
    python -m emrnas_jax.benchmark COMMAND --help

    python -m emrnas_jax.benchmark search-step --size=64 --batch=2
    python -m emrnas_jax.benchmark train-step --against=torch
    python -m emrnas_jax.benchmark reconstruct --batch=1,4,8 --json
    python -m emrnas_jax.benchmark networks --batch=4
    python -m emrnas_jax.benchmark coils --against=sigpy,torch
    python -m emrnas_jax.benchmark memory
    python -m emrnas_jax.benchmark pipeline
    python -m emrnas_jax.benchmark growth --output=FOLDER
    python -m emrnas_jax.benchmark gpu --output=FOLDER

Seconds are medians. Fractions compare with ceilings measured here; arithmetic and
traffic are counted from the network (`evaluation.roofline`); a training step counts
three times a reconstruction. The temporary memory is the compiled program's own figure.
"""

import itertools
import json
import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from absl import flags

from emrnas_jax.benchmark import gpu, growth, plots, tables
from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.coils import coil_rows
from emrnas_jax.benchmark.memory import memory_rows
from emrnas_jax.benchmark.networks import network_rows
from emrnas_jax.benchmark.options import (
    Options,
    cases,
    define_case,
    define_coils,
    define_count,
    define_gpu,
    define_growth,
    define_pipeline,
    define_search_step,
    define_step,
    define_table,
    numbers,
)
from emrnas_jax.benchmark.peers import require_peer
from emrnas_jax.benchmark.pipeline import pipeline_rows
from emrnas_jax.benchmark.rows import STEPS, Row
from emrnas_jax.machine import host
from emrnas_jax.nas.space import architecture_named

PROGRAM = "python -m emrnas_jax.benchmark"
HELP = {"--help", "-help", "-h"}


def measure_steps(command: str, options: Options) -> None:
    """Measure a reconstruction, a training step or the steps of a search."""
    with_torch = options.against == "torch"
    if with_torch:
        require_peer("torch")
    rows = [
        STEPS[command](case, options.repeats, with_torch) for case in cases(options)
    ]
    _answer(rows, options, command)
    # A plot of one point says nothing, so throughput needs several batches.
    if options.output:
        folder = Path(options.output)
        plots.write_roofline(folder / f"{command}_roofline.png", rows)
        if len(options.batch) > 1:
            plots.write_throughput(folder / f"{command}_frames_per_second.png", rows)


def measure_memory(command: str, options: Options) -> None:
    """Measure the steps of a search beside the training of one fixed network."""
    rows = [r for case in cases(options) for r in memory_rows(case, options.repeats)]
    _answer(rows, options, command)


def measure_networks(command: str, options: Options) -> None:
    """Measure every network, trained and applied, in turn."""
    rows = [
        row
        for size, batch in itertools.product(
            numbers(options.size), numbers(options.batch)
        )
        for row in network_rows(size, batch, options.repeats)
    ]
    _answer(rows, options, command)


def measure_coils(command: str, options: Options) -> None:
    """Measure coil maps, SENSE, total variation and a cascade on several coils."""
    shape = options.height, options.width
    rows = coil_rows(options.coils, shape, options.repeats, options.against)
    _answer(rows, options, command)


def measure_pipeline(command: str, options: Options) -> None:
    """Measure what masks and under-sampling add to the time of a training."""
    rows = [
        row
        for case in cases(options)
        for row in pipeline_rows(case, options.frames, options.steps, options.repeats)
    ]
    _answer(rows, options, command)


def measure_growth(_: str, options: Options) -> None:
    """Measure and plot how time and memory grow with the size of the network."""
    # Small networks show the shape of the plots; their exponents mean little.
    ranges, base = growth.RANGES, growth.Base()
    if options.quick:
        ranges, base = growth.QUICK, growth.QUICK_BASE
    ranges = {axis: ranges[axis] for axis in options.axes}
    folder = Path(options.output)
    rows = growth.growth_rows(ranges, base, options.repeats)
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


def measure_gpu(_: str, options: Options) -> None:
    """Measure everything that benchmarks/GPU.md asks for."""
    architecture = architecture_named(options.architecture)
    case = Case(architecture, options.size, 1, options.width)
    planned = gpu.plan(case, numbers(options.batches), options.repeats)
    rows = gpu.measure_all(planned, Path(options.output), options.budget)
    # Rows that failed for lack of memory are no error of the command: large batches
    # are meant to find the limit.
    missing = [row["label"] for row in rows if row.keys() & {"error", "skipped"}]
    _print(f"{options.output}/results.md: {len(rows) - len(missing)} rows measured")
    for label in missing:
        _print(f"not measured: {label}")


class Command(NamedTuple):
    """A command of this program.

    Attributes:
        run: function that measures and answers, with the command's name and options.
        define: function that defines the command's flags, all but `--repeats`.
    """

    run: Callable[[str, Options], None]
    define: Callable[[flags.FlagValues], None]


COMMANDS = {
    "reconstruct": Command(measure_steps, define_step),
    "train-step": Command(measure_steps, define_step),
    "search-step": Command(measure_steps, define_search_step),
    "networks": Command(measure_networks, define_table),
    "coils": Command(measure_coils, define_coils),
    "memory": Command(measure_memory, define_case),
    "pipeline": Command(measure_pipeline, define_pipeline),
    "growth": Command(measure_growth, define_growth),
    "gpu": Command(measure_gpu, define_gpu),
}


def parse(arguments: Sequence[str]) -> tuple[str, Options]:
    """Return the command and its options.

    Args:
        arguments: words of the command line after the program's name.

    Raises:
        SystemExit: help was asked for (status 0), or the command line is wrong (2).
    """
    if not arguments or arguments[0] not in COMMANDS:
        if HELP & set(arguments[:1]):
            _print(_overview())
            sys.exit(0)
        _refuse(f"name a command: {', '.join(COMMANDS)}", PROGRAM)
    command, *rest = arguments
    # Each command has flags of its own, so they are not absl's global ones.
    values = flags.FlagValues()
    values.set_gnu_getopt(True)  # a word that is not understood hides no flag
    define_count("repeats", 7, "Number of timings whose median is taken.", values)
    COMMANDS[command].define(values)
    if HELP & set(rest):  # before flags that are required are missed
        _print(_help(command, values))
        sys.exit(0)
    try:
        _, *unknown = values([PROGRAM, *rest])
    except flags.Error as error:
        _refuse(str(error), f"{PROGRAM} {command}")
    if unknown:
        _refuse(
            f"not understood: {' '.join(unknown)}; several values of a flag are "
            "separated by commas, such as --batch=1,4",
            f"{PROGRAM} {command}",
        )
    return command, values


def _overview() -> str:
    lines = [f"  {name:12s} {_summary(name)}" for name in COMMANDS]
    return "\n".join([__doc__ or "", "Commands:", *lines])


def _help(command: str, values: flags.FlagValues) -> str:
    lines = [f"{PROGRAM} {command} [--flags]", "", _summary(command), ""]
    for name in values:
        flag = values[name]
        default = "" if flag.default is None else f" Default: {flag.default_as_str}."
        lines += textwrap.wrap(
            f"{flag.help}{default}",
            width=88,
            initial_indent=f"  --{name:13s} ",
            subsequent_indent=" " * 18,
        )
    return "\n".join(lines)


def _summary(command: str) -> str:
    return (COMMANDS[command].run.__doc__ or "").splitlines()[0]


def _refuse(message: str, program: str) -> NoReturn:
    print(f"{message}\nSee {program} --help.", file=sys.stderr)  # noqa: T201 - a command
    sys.exit(2)


def _answer(rows: list[Row], options: Options, name: str) -> None:
    """Print rows, and write them where a folder is given."""
    caption = tables.measured_on(rows[0])
    if options.output:
        tables.write_rows(Path(options.output), name, name, caption, rows)
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
    command, options = parse(sys.argv[1:] if arguments is None else arguments)
    # Both sides share the device's memory; by default JAX would take most of it.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    host.keep_freed_memory()  # compiled programs are not kept: compiling is measured
    with host.clear_errors():
        COMMANDS[command].run(command, options)
