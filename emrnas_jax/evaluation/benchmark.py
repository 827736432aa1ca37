"""Speed and memory of the compiled programs, on this machine, in one run.

    python -m emrnas_jax.evaluation.benchmark search-step --size 64 --batch 2
    python -m emrnas_jax.evaluation.benchmark train-step
    python -m emrnas_jax.evaluation.benchmark reconstruct --batch 8 --json

Seconds are medians. Fractions compare with ceilings measured here: arithmetic by a
large matrix product, memory by a large copy. Arithmetic and traffic are counted from
the network: two operations per kernel value and pixel; every feature map read and
written once per use, in float32; a training step counts three times a reconstruction.
The temporary memory is the compiled program's own figure.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from emrnas_jax import host
from emrnas_jax.data.phantom import PhantomSettings, subject_images
from emrnas_jax.data.pipeline import Batch, make_batch
from emrnas_jax.models.emrnas import SearchNetwork, fixed_network
from emrnas_jax.models.networks import parameter_count
from emrnas_jax.models.rows import padding
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.gates import GATES
from emrnas_jax.nas.space import architecture_named
from emrnas_jax.training import retrain, search
from emrnas_jax.training.optimizers import adam_with_l2, search_weight_optimizer
from emrnas_jax.training.steps import architecture_step, jit, train_step, weight_step

Row = dict[str, float | int | str]


class Program(NamedTuple):
    """A compiled program with its arguments."""

    run: Callable[[], None]
    compile_s: float
    temporary_mib: float


def compiled(function: Callable, *args: PyTree) -> Program:
    """Compile `function` for `args`; the program's results are dropped."""
    start = time.perf_counter()
    program = jit(function).lower(*args).compile()
    seconds = time.perf_counter() - start
    return Program(
        lambda: jax.block_until_ready(program(*args)), seconds, temporary_mib(program)
    )


def temporary_mib(program: jax.stages.Compiled) -> float:
    """Return the temporary memory of a compiled program, NaN where it is not told."""
    memory = program.memory_analysis()
    return float("nan") if memory is None else memory.temp_size_in_bytes / 2**20


def compiled_step(function: Callable, state: PyTree, *args: PyTree) -> Program:
    """Compile a step that takes over its state's memory, as a training does."""
    start = time.perf_counter()
    program = jit(function, donate_argnums=0).lower(state, *args).compile()
    seconds = time.perf_counter() - start
    current = [jax.tree.map(jnp.copy, state)]

    def run() -> None:
        current[0] = jax.block_until_ready(program(current[0], *args))

    return Program(run, seconds, temporary_mib(program))


def median_ms(programs: Sequence[Program], repeats: int) -> list[float]:
    """Time programs in turn, so that a busy moment of the machine hits all alike."""
    seconds: list[list[float]] = [[] for _ in programs]
    for repeat in range(repeats + 1):
        for program, own in zip(programs, seconds, strict=True):
            start = time.perf_counter()
            program.run()
            if repeat:  # the first round faults in memory
                own.append(time.perf_counter() - start)
    return [1e3 * float(np.median(own)) for own in seconds]


def phantom_batch(size: int, batch: int) -> Batch:
    """Return under-sampled phantoms, `batch` of `size` x `size`."""
    settings = PhantomSettings(subjects=1, slices=1, frames=batch, size=size)
    images = [named.image for named in subject_images(settings, False, 0)]
    ids = jnp.arange(batch, dtype=jnp.uint32)
    stacked = jnp.asarray(np.stack(images[:batch]))
    return jax.jit(
        lambda images, ids: make_batch(images, ids, jax.random.key(0), Sampling())
    )(stacked, ids)


def forward_work(params: PyTree, pixels: int) -> tuple[float, float]:
    """Return the arithmetic operations and the bytes of one frame's reconstruction."""
    shapes = [leaf.shape for leaf in jax.tree.leaves(params) if leaf.ndim == 4]
    operations = sum(2.0 * np.prod(shape) for shape in shapes) * pixels
    traffic = sum(4.0 * (shape[2] + shape[3]) for shape in shapes) * pixels
    return operations, traffic


def ceilings() -> tuple[float, float]:
    """Measure this machine's float32 operations and bytes of memory per second."""
    matrix = jax.random.normal(jax.random.key(0), (2048, 2048))
    # Larger than any cache; read once and written once.
    line = jnp.zeros(64 * 2**20 if jax.default_backend() == "cpu" else 2**29)
    product, copy = compiled(lambda a: a @ a, matrix), compiled(lambda a: a + 1, line)
    product_ms, copy_ms = median_ms([product, copy], 5)
    return 2 * 2048**3 / (product_ms / 1e3), 2 * line.nbytes / (copy_ms / 1e3)


def benchmark_reconstruct(options: argparse.Namespace) -> Row:
    """Measure the reconstruction of a batch."""
    network, weights, data = _fixed(options)
    program = compiled(lambda w, b: network.apply({"params": w}, *b[:3]), weights, data)
    (step,) = median_ms([program], options.repeats)
    return _row(options, program, step, weights, passes=1)


def benchmark_train_step(options: argparse.Namespace) -> Row:
    """Measure a training step of the fixed network, its optimizer included."""
    program, weights = _train_program(options)
    (step,) = median_ms([program], options.repeats)
    return _row(options, program, step, weights, passes=3)


def benchmark_search_step(options: argparse.Namespace) -> Row:
    """Measure both steps of the search beside the fixed network's training step."""
    fixed, weights = _train_program(options)
    architecture = architecture_named(options.architecture)
    settings = search.SearchSettings(batch=options.batch)
    network = SearchNetwork(
        components=len(architecture.blocks),
        cells_per_block=len(architecture.blocks[0]),
        width=options.width,
    )
    weight_tx = search_weight_optimizer(settings.weight_decay, settings.momentum)
    alpha_tx = adam_with_l2(settings.alpha_weight_decay, settings.alpha_momentum)
    state = search.initial_state(network, settings, jax.random.key(0))
    data = phantom_batch(options.size, options.batch)
    choices = jnp.array(architecture.cells)
    rate = jnp.array(1e-3)
    program = compiled_step(
        lambda s, b, c, r: weight_step(network, weight_tx, s, b, c, r),
        state,
        data,
        choices,
        rate,
    )
    alpha_program = compiled_step(
        lambda s, b, k: architecture_step(
            network, alpha_tx, s, b, k, 1e-3, options.paths, "sample"
        ),
        state,
        data,
        jax.random.key(1),
    )
    unused = len(architecture.cells) * padding(options.width, batch_norm=False)
    step, alpha_step, fixed_step = median_ms(
        [program, alpha_program, fixed], options.repeats
    )
    return _row(options, program, step, weights, passes=3) | {
        "parameters": parameter_count(state.weights) - unused,
        "architecture_step_ms": alpha_step,
        "architecture_compile_s": alpha_program.compile_s,
        "architecture_temporary_mib": alpha_program.temporary_mib,
        "fixed_step_ms": fixed_step,
        "fixed_temporary_mib": fixed.temporary_mib,
        "time_ratio": step / fixed_step,
        "memory_ratio": program.temporary_mib / fixed.temporary_mib,
        "architecture_time_ratio": alpha_step / fixed_step,
        "architecture_memory_ratio": alpha_program.temporary_mib / fixed.temporary_mib,
    }


def _fixed(options: argparse.Namespace) -> tuple[nn.Module, PyTree, Batch]:
    network = fixed_network(architecture_named(options.architecture), options.width)
    variables = retrain.initial_variables(network, jax.random.key(0))
    return network, variables["params"], phantom_batch(options.size, options.batch)


def _train_program(options: argparse.Namespace) -> tuple[Program, PyTree]:
    network, _, data = _fixed(options)
    settings = retrain.RetrainSettings()
    optimizer = adam_with_l2(settings.weight_decay, settings.momentum)
    state = retrain.initial_state(network, settings, jax.random.key(0))
    program = compiled_step(
        lambda s, b, r: train_step(network, optimizer, s, b, r),
        state,
        data,
        jnp.array(1e-3),
    )
    return program, state.weights


def _row(
    options: argparse.Namespace,
    program: Program,
    step_ms: float,
    weights: PyTree,
    passes: int,
) -> Row:
    operations, traffic = forward_work(weights, options.size**2)
    arithmetic, memory = ceilings()
    per_second = passes * options.batch / (step_ms / 1e3)
    return {
        "command": options.command,
        "size": options.size,
        "batch": options.batch,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "step_ms": step_ms,
        "compile_s": program.compile_s,
        "temporary_mib": program.temporary_mib,
        "frames_per_second": options.batch / (step_ms / 1e3),
        "parameters": parameter_count(weights),
        "gflops_ceiling": arithmetic / 1e9,
        "gbytes_per_second_ceiling": memory / 1e9,
        "arithmetic_fraction": operations * per_second / arithmetic,
        "memory_fraction": traffic * per_second / memory,
    }


COMMANDS = {
    "search-step": benchmark_search_step,
    "train-step": benchmark_train_step,
    "reconstruct": benchmark_reconstruct,
}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m emrnas_jax.evaluation.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--size", type=int, default=256, help="pixels a side")
    parser.add_argument("--batch", type=int, default=4, help="frames at once")
    parser.add_argument("--width", type=int, default=16, help="channels")
    parser.add_argument(
        "--architecture", default="cardiac", help="a preset or [O5 O8 O8|...]"
    )
    parser.add_argument(
        "--paths",
        type=int,
        default=1,
        choices=sorted(GATES),
        help="paths per cell in the step of alphas",
    )
    parser.add_argument("--repeats", type=int, default=7, help="medians of so many")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    for name in ("size", "batch", "width", "repeats"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one benchmark and print its figures."""
    options = parse(arguments)
    host.keep_freed_memory()  # compiled programs are not kept: compiling is measured
    with host.clear_errors():
        row = COMMANDS[options.command](options)
    if options.json:
        print(json.dumps(row))  # noqa: T201 - the program's answer
        return
    for name, value in row.items():
        shown = f"{value:,.3f}" if isinstance(value, float) else value
        print(f"{name:28s} {shown}")  # noqa: T201


if __name__ == "__main__":
    main()
