r"""Measure how long each operation of the search space takes on this device.

    python -m emrnas_jax.latency --config=configs/cardiac.py --output=table.json

Prints the time of every operation and of the rest of the network, in milliseconds per
frame, and how well their sums agree with whole architectures; FILE gets all of it. The
network, its width and precision, and the size of the frames are those of the config. No
data are read. Nothing else should run meanwhile.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags
from ml_collections import config_flags

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.latency import REPEATS, measure_table, measured_here
from emrnas_jax.experiment.config_files import ConfigParser
from emrnas_jax.experiment.networks import read_networks
from emrnas_jax.experiment.sections import read_sections
from emrnas_jax.machine import host
from emrnas_jax.nas.latency_table import LatencyTable, write_table
from emrnas_jax.nas.space import OPERATIONS


def define_flags() -> None:
    """Define the flags of this program; not at import, where they would collide."""
    config_flags.DEFINE_config_file(
        "config", help_string="A file of configs/ or of your own, with a variant."
    )
    # Set afterwards, because config_flags gives the flag a parser of its own.
    flags.FLAGS["config"].parser = ConfigParser()
    flags.DEFINE_string("output", None, "File for the table, which ends in .json.")
    flags.DEFINE_string(
        "network",
        None,
        "Name of the network in the config; its first with an architecture by default.",
    )
    flags.DEFINE_integer(
        "batch", 1, "Frames that are reconstructed at once.", lower_bound=1
    )
    flags.DEFINE_integer(
        "repeats", REPEATS, "Timings whose median is taken.", lower_bound=1
    )
    flags.DEFINE_integer(
        "check", 12, "Random architectures that are run as a whole.", lower_bound=0
    )


def main(argv: Sequence[str]) -> None:
    """Measure, print and write the table."""
    if len(argv) > 1:
        raise app.UsageError(f"not understood: {' '.join(argv[1:])}")
    given: Any = flags.FLAGS
    with host.clear_errors():
        host.prepare(Path(given.config.data.cache).expanduser())
        output = Path(given.output).expanduser()
        if output.suffix != ".json":
            raise InputError(f"--output={output}: expected a name that ends in .json")
        settings, numbers = given.config.to_dict(), (given.repeats, given.check)
        table = measured_table(settings, given.network, given.batch, *numbers)
        write_table(output, table)
    print(in_words(table))  # noqa: T201 - the program's answer


def measured_table(
    settings: dict[str, Any], name: str | None, batch: int, repeats: int, checked: int
) -> LatencyTable:
    """Measure the table of a network of a config.

    Args:
        settings: the config.
        name: name of the network; None for the first one that has an architecture.
        batch: frames that are reconstructed at once.
        repeats: timings whose median is taken.
        checked: number of architectures that are run as a whole.

    Raises:
        InputError: the config has no such network, or one without cells to search.
    """
    sections = read_sections(settings, len(OPERATIONS))
    networks = read_networks(
        settings["networks"], settings["retrain"], settings["search"]
    )
    if name is None:
        name = next((own for own in networks if networks[own].source), "emrnas")
    if name not in networks:
        raise InputError(
            f"--network={name}: the config has {', '.join(networks)}; name one of these"
        )
    network = networks[name]
    if not network.source:
        raise InputError(
            f"--network={name}: a {network.kind} has no cells whose operations could "
            "be timed; name a network that has an architecture"
        )
    data = sections.data
    size = (data.height // data.downsample, data.width // data.downsample)
    coils = data.coils or data.simulated_coils
    measured = measured_here(network.kind, network.settings, size, batch, coils)
    return measure_table(measured, sections.sampling.load(), repeats, checked)


def in_words(table: LatencyTable) -> str:
    """Return a table as lines of text."""
    height, width = table.measured.size
    lines = [
        f"device       {table.measured.device}",
        f"frames       {height} x {width}, {table.measured.batch} at once",
        *(f"{name:12} {ms:8.3f} ms" for name, ms in table.operations_ms.items()),
        f"{'the rest':12} {table.rest_ms:8.3f} ms",
        f"{'fastest':12} {table.fastest_ms:8.3f} ms, of all architectures",
    ]
    if (check := table.check) is not None:
        lines.append(
            f"check        {len(check.architectures)} architectures: median error "
            f"{check.median_error:.1%}, rank correlation {check.rank_correlation:.3f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    define_flags()
    flags.mark_flags_as_required(["config", "output"])
    app.run(main, flags_parser=host.parse_or_exit)
