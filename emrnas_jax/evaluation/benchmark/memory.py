"""The memory table: a search's steps beside the training of one fixed network.

The paper's promise is the memory of a single model; two and eight paths per cell are
ProxylessNAS's and DARTS's ways, for comparison.
"""

import dataclasses

from emrnas_jax.evaluation.benchmark import ours
from emrnas_jax.evaluation.benchmark.ours import Case
from emrnas_jax.evaluation.benchmark.programs import median_ms
from emrnas_jax.evaluation.benchmark.rows import Row, figures


def memory_rows(case: Case, repeats: int) -> list[Row]:
    """Measure time and temporary memory of five steps, in turn."""
    programs = {
        "fixed network, training": ours.training_step(case),
        "search, weights, 1 path": ours.search_weight_step(case),
    }
    for paths, name in ((1, "1 path"), (2, "2 paths"), (8, "8 paths (mixture)")):
        programs[f"search, alphas, {name}"] = ours.search_alpha_step(
            dataclasses.replace(case, paths=paths)
        )
    times = median_ms([program.run for program in programs.values()], repeats)
    fixed = programs["fixed network, training"]
    return [
        {
            **figures("train-step", case, program, step_ms),
            "program": name,
            "time_ratio": step_ms / times[0],
            "memory_ratio": program.temporary_mib / fixed.temporary_mib,
        }
        for (name, program), step_ms in zip(programs.items(), times, strict=True)
    ]
