"""One row of a benchmark: the figures of a reconstruction, a training or search step.

Seconds are medians. Fractions compare with the ceilings of `evaluation.roofline`.
"""

from collections.abc import Callable
from typing import Any

import jax

from emrnas_jax.benchmark import against_torch, jax_steps
from emrnas_jax.benchmark.case import (
    Case,
    initial_weights,
    network_of,
    sampled_paths,
    search_state,
)
from emrnas_jax.benchmark.programs import Program
from emrnas_jax.evaluation.roofline import (
    TRAINING_PASSES,
    forward_work,
    fractions,
    measure_ceilings,
)
from emrnas_jax.machine.timing import median_ms, rest
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.networks import parameter_count
from emrnas_jax.models.operations import weight_shapes
from emrnas_jax.models.stacked_weights import padding
from emrnas_jax.nas.space import OPERATIONS

Row = dict[str, Any]


def reconstruct_row(case: Case, repeats: int, with_torch: bool) -> Row:
    """Measure the reconstruction of a batch.

    Args:
        case: network, precision and size of the batch.
        repeats: number of timings whose median is taken.
        with_torch: whether PyTorch's reconstruction is timed in turn.
    """
    program = jax_steps.reconstruction(case)
    if with_torch:
        (step_ms,), theirs = against_torch.compare_reconstruction(
            case, program, repeats
        )
    else:
        (step_ms,), theirs = median_ms([program.run], repeats), {}
    return figures("reconstruct", case, program, step_ms) | theirs


def train_row(case: Case, repeats: int, with_torch: bool) -> Row:
    """Measure a training step of the fixed network, its optimizer included.

    Args:
        case: network, precision and size of the batch.
        repeats: number of timings whose median is taken.
        with_torch: whether PyTorch's step is timed in turn.
    """
    program = jax_steps.training_step(case)
    if with_torch:
        (step_ms,), theirs = against_torch.compare_training_step(case, program, repeats)
    else:
        (step_ms,), theirs = median_ms([program.run], repeats), {}
    return figures("train-step", case, program, step_ms) | theirs


def search_row(case: Case, repeats: int, with_torch: bool) -> Row:
    """Measure both steps of the search beside the fixed network's training step.

    Alone, the step of the weights runs the architecture's own path. Beside PyTorch's,
    `step_ms` is over several paths, the same on both sides; `fixed_path_step_ms` is
    always of the architecture's path, and `time_ratio` compares that one.

    Args:
        case: architecture, precision and size of the batch; paths per cell in the step
            of alphas.
        repeats: number of timings whose median is taken.
        with_torch: whether PyTorch's steps are timed in turn.
    """
    fixed, program = jax_steps.training_step(case), jax_steps.search_weight_step(case)
    alpha = jax_steps.search_alpha_step(case)
    theirs: Row = {}
    if with_torch:
        path = sampled_paths(case)[0]
        (step_ms, path_ms, fixed_ms), theirs = against_torch.compare_weight_step(
            case, program, [lambda: program.run(path), fixed.run], repeats
        )
        (alpha_ms,), other = against_torch.compare_alpha_step(case, alpha, repeats)
        theirs |= {
            f"torch_architecture_{name}": other[f"torch_{name}"]
            for name in ("ms", "variant", "ratio", "variants_ms", "errors")
        }
    else:
        path_ms, alpha_ms, fixed_ms = median_ms(
            [program.run, alpha.run, fixed.run], repeats
        )
        step_ms = path_ms
    # Stacked weights are padded to the longest operation. Nothing reads the padding, so
    # it counts as no parameter.
    layers = LayerSettings(case.width)
    shapes = [weight_shapes(own, layers) for own in OPERATIONS]
    unused = len(case.architecture.cells) * padding(shapes)
    weights = search_state(case).weights
    return (
        figures("search-step", case, program, step_ms)
        | {
            "parameters": parameter_count(weights) - unused,
            "architecture_step_ms": alpha_ms,
            "architecture_compile_s": alpha.compile_s,
            "architecture_temporary_mib": alpha.temporary_mib,
            "fixed_path_step_ms": path_ms,
            "fixed_step_ms": fixed_ms,
            "fixed_temporary_mib": fixed.temporary_mib,
            "time_ratio": path_ms / fixed_ms,
            "memory_ratio": program.temporary_mib / fixed.temporary_mib,
            "architecture_time_ratio": alpha_ms / fixed_ms,
            "architecture_memory_ratio": alpha.temporary_mib / fixed.temporary_mib,
        }
        | theirs
    )


# (case, repeats, whether PyTorch is timed) -> row, by the name of the command.
STEPS: dict[str, Callable[[Case, int, bool], Row]] = {
    "search-step": search_row,
    "train-step": train_row,
    "reconstruct": reconstruct_row,
}


def figures(command: str, case: Case, program: Program, step_ms: float) -> Row:
    """Return the figures that every measured program has.

    Args:
        command: key of `STEPS`; all but reconstructions count as training steps.
        case: network, precision and size of the batch.
        program: compiled program.
        step_ms: median time of one run, milliseconds.
    """
    weights = initial_weights(case)
    # A search runs one path, so its work is that of the fixed network.
    work = forward_work(network_of(case), case.shape, case.precision)
    # The ceilings are measured with all cores idle, as the programs were.
    rest()
    ceilings = measure_ceilings(case.precision)
    frames_per_second = case.batch / (step_ms / 1e3)
    passes = 1 if command == "reconstruct" else TRAINING_PASSES
    arithmetic, memory = fractions(work, frames_per_second, ceilings, passes)
    return {
        "command": command,
        "network": case.network,
        "size": case.size,
        "strip": case.strip,
        "batch": case.batch,
        "width": case.width,
        "architecture": str(case.architecture),
        "precision": case.precision,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "step_ms": step_ms,
        "compile_s": program.compile_s,
        "temporary_mib": program.temporary_mib,
        "frames_per_second": frames_per_second,
        "parameters": parameter_count(weights),
        "gflop_per_frame": passes * work.operations / 1e9,
        "mbytes_per_frame": passes * work.traffic / 1e6,
        "operations_per_byte": work.intensity,
        "gflops_ceiling": ceilings.operations / 1e9,
        "gbytes_per_second_ceiling": ceilings.traffic / 1e9,
        "arithmetic_fraction": arithmetic,
        "memory_fraction": memory,
    }
