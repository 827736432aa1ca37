"""The table of work per frame: a roofline in words, from the figures of evaluation."""

from emrnas_jax.evaluation.roofline import ROOFLINE, Ceilings, Work, fractions
from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.reporting.names import display_name, in_order, percent
from emrnas_jax.reporting.run import Run


def cost_table(run: Run) -> Table:
    """What a frame's reconstruction takes, and which part of the device it achieves."""
    rows = []
    for name in in_order(run.results.networks):
        line = run.results.networks[name]
        values = [getattr(line, key) for key in ROOFLINE]
        if None in values or not line.seconds_per_frame:
            continue
        gflop, mbytes, gflops, gbytes = values
        arithmetic, memory = fractions(
            Work(1e9 * gflop, 1e6 * mbytes),
            1 / line.seconds_per_frame,
            Ceilings(1e9 * gflops, 1e9 * gbytes),
        )
        texts = (
            display_name(name),
            f"{gflop:.3g}",
            f"{mbytes:.3g}",
            f"{1e3 * gflop / mbytes:.3g}",
            _of_ceiling(arithmetic, gflops, "GFLOP/s"),
            _of_ceiling(memory, gbytes, "GB/s"),
        )
        rows.append(tuple(Cell(text) for text in texts))
    return Table(
        name="cost",
        title="Work per frame",
        caption=(
            "Arithmetic of the convolutions, and bytes of feature maps read and "
            "written once per use, for one frame. Beside them the part that the "
            "reconstruction achieves of what a large matrix product and a large copy "
            "reached on the same device: the larger part is of the limit that is "
            "nearer. Work is that of plain convolutions; forms with fewer products can "
            "reach more than all of the arithmetic."
        ),
        header=(
            "Network",
            "GFLOP",
            "MB",
            "FLOP per byte",
            "Of the arithmetic",
            "Of the memory",
        ),
        align="lrrrrr",
        rows=tuple(rows),
    )


def _of_ceiling(fraction: float, ceiling: float, unit: str) -> str:
    return f"{percent(round(fraction, 2))} of {ceiling:.0f} {unit}"
