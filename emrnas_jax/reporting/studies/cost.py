"""What networks cost: size and time, and how well a frame's work uses the device."""

from emrnas_jax.evaluation.roofline import Ceilings, Work, fractions
from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.reporting.networks import in_order, title_of
from emrnas_jax.reporting.numbers import percent
from emrnas_jax.runs.results import ROOFLINE
from emrnas_jax.runs.run import Run


def efficiency_table(run: Run) -> Table | None:
    """Section 3.3: size and time of every network; None if no training was timed."""
    networks = run.results.networks
    # Runs of older versions timed nothing, and imported weights were not trained here.
    if all(line.seconds_per_epoch is None for line in networks.values()):
        return None
    rows = [
        (
            Cell(title_of(run.results, name)),
            Cell(f"{line.parameters:,}" if line.parameters else "–"),
            Cell(seconds(line.seconds_per_epoch)),
            Cell(seconds(line.seconds_per_frame)),
        )
        for name in in_order(run.results, networks)
        for line in (networks[name],)
        if line.parameters or line.seconds_per_frame
    ]
    return Table(
        name="efficiency",
        title="Size and time",
        caption=(
            f"{run.results.dataset}, all measured in this run on "
            f"{devices(run) or 'one machine'}: trainable parameters; seconds of an "
            "epoch of training, the median after the first epoch, mean over folds; "
            "and seconds of reconstruction per frame. Compare times within the table."
        ),
        header=(
            "Network",
            "Parameters",
            "Seconds per training epoch",
            "Seconds per frame",
        ),
        align="lrrr",
        rows=tuple(rows),
    )


def devices(run: Run) -> str:
    """Return the devices that times were measured on."""
    # A dictionary keeps their order, where a set would change it from run to run.
    lines = run.results.networks.values()
    return ", ".join(dict.fromkeys(line.device for line in lines if line.device))


def seconds(value: float | None) -> str:
    """Return a time with three digits."""
    return "–" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def cost_table(run: Run) -> Table:
    """Return the work of a frame, and the part of the device's speed that it uses."""
    rows = []
    for name in in_order(run.results, run.results.networks):
        line = run.results.networks[name]
        values = [getattr(line, key) for key in ROOFLINE]
        # Zero-filling has no convolutions, so that it uses nothing of the device.
        if None in values or not line.seconds_per_frame:
            continue
        gflop, mbytes, gflops, gbytes = values
        arithmetic, memory = fractions(
            Work(1e9 * gflop, 1e6 * mbytes),
            1 / line.seconds_per_frame,
            Ceilings(1e9 * gflops, 1e9 * gbytes),
        )
        texts = (
            title_of(run.results, name),
            f"{gflop:.3g}",
            f"{mbytes:.3g}",
            _of_ceiling(arithmetic, gflops, "billion/s"),
            _of_ceiling(memory, gbytes, "GB/s"),
        )
        rows.append(tuple(Cell(text) for text in texts))
    return Table(
        name="cost",
        title="Work per frame",
        caption=(
            "What the reconstruction of one frame asks of the device. Computation "
            "counts the multiplications and additions of the network's convolutions. "
            "Data moved counts the feature maps, which are the images between the "
            "layers, each time one is read or written. The last two columns say how "
            "much of the device's speed is used, beside the fastest that it did in "
            "this run: a large matrix product for computation, a large copy for "
            "memory. The larger of the two percentages belongs to what limits the "
            "network. The counts are those of plain convolutions; forms that need "
            "fewer multiplications can use more than 100\u00a0%."
        ),
        header=(
            "Network",
            "Computation (billions)",
            "Data moved (MB)",
            "Speed of computation used",
            "Speed of memory used",
        ),
        align="lrrrr",
        rows=tuple(rows),
    )


def _of_ceiling(fraction: float, ceiling: float, unit: str) -> str:
    return f"{percent(round(fraction, 2))} of {ceiling:,.0f} {unit}"
