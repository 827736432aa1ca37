"""The memory table: a search's steps beside the training of one fixed network.

The paper promises that a search needs the memory of a single network. Two paths per
cell, as in ProxylessNAS, and eight, as in DARTS, are measured for comparison. A
candidate of random search needs a forward pass for each batch of S_val.
"""

import dataclasses

from emrnas_jax.benchmark import jax_steps
from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.rows import Row, figures
from emrnas_jax.machine.timing import median_ms
from emrnas_jax.nas.gates import GATES
from emrnas_jax.nas.space import OPERATIONS


def memory_rows(case: Case, repeats: int) -> list[Row]:
    """Measure time and temporary memory of every step of a search, in turn.

    Args:
        case: architecture, precision and size of the batch; its paths are varied.
        repeats: number of timings whose median is taken.

    Returns:
        A row of each program; its ratios are to the fixed network's training step.
    """
    programs = {
        "fixed network, training": jax_steps.training_step(case),
        "search, weights, 1 path": jax_steps.search_weight_step(case),
    }
    for paths in GATES:
        # Eight paths are all operations of Table 1: DARTS's weighted sum.
        name = "1 path" if paths == 1 else f"{paths} paths"
        name += " (mixture)" if paths == len(OPERATIONS) else ""
        programs[f"search, alphas, {name}"] = jax_steps.search_alpha_step(
            dataclasses.replace(case, paths=paths)
        )
    programs["search, a candidate's pass"] = jax_steps.candidate_pass(case)
    # One after the other, so that a ratio compares two programs of the same minute.
    times = median_ms([program.run for program in programs.values()], repeats)
    fixed = programs["fixed network, training"]
    return [
        {
            # A candidate's pass has no gradients, so its work is a reconstruction's.
            **figures(
                "reconstruct" if "candidate" in name else "train-step",
                case,
                program,
                step_ms,
            ),
            "program": name,
            "time_ratio": step_ms / times[0],
            "memory_ratio": program.temporary_mib / fixed.temporary_mib,
        }
        for (name, program), step_ms in zip(programs.items(), times, strict=True)
    ]
