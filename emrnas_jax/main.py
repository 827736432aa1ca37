"""From files to a searched, trained, tested network with a report.

    python -m emrnas_jax.main --config=configs/cardiac.py --workdir=runs/cardiac

The same command continues a run that was stopped.
"""

import logging
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from emrnas_jax.errors import InputError
from emrnas_jax.experiment.config_files import ConfigParser
from emrnas_jax.experiment.protocol import STAGES, run_protocol
from emrnas_jax.machine import host, processes
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.results import read_results

LOG = logging.getLogger("emrnas_jax")

CONFIG = config_flags.DEFINE_config_file(
    "config",
    help_string="A file of configs/ or of your own, with a variant after a colon.",
)
PARSER = ConfigParser()
# Set afterwards, because config_flags gives the flag a parser of its own.
flags.FLAGS["config"].parser = PARSER
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, new or continued.")
STAGE = flags.DEFINE_enum(
    "stage",
    "all",
    ["all", *STAGES],
    "What to do; all does everything that is not done yet.",
)
DISTRIBUTED = flags.DEFINE_bool(
    "distributed",
    False,
    "Work with the other processes of this job, each of which gives this command; see "
    "docs/cluster.md.",
)


def main(argv: Sequence[str]) -> None:
    """Run the protocol of the config."""
    if len(argv) > 1:
        raise app.UsageError(f"not understood: {' '.join(argv[1:])}")
    with host.clear_errors():
        # First of all: JAX must not look for devices before the processes have met.
        if DISTRIBUTED.value:
            processes.join()
        host.prepare(Path(CONFIG.value.data.cache).expanduser())
        if PARSER.packaged:
            LOG.info("the config is that of the package, %s", PARSER.packaged)
        # absl requires the flag, but takes an empty one.
        if not WORKDIR.value:
            raise InputError("--workdir is empty; name a folder for the run")
        run = Path(WORKDIR.value)
        run_protocol(CONFIG.value, run, STAGE.value, command_line(sys.argv[1:]))
        # One process answers for all of them.
        if processes.is_first() and STAGE.value in ("all", "evaluate", "report"):
            print(summary(run))  # noqa: T201 - the program's answer


def command_line(arguments: Sequence[str]) -> str:
    """Return the command as it was given, without where Python and this file are."""
    return shlex.join(["python", "-m", "emrnas_jax.main", *arguments])


def summary(run: Path) -> str:
    """Return the results of a run in a few lines."""
    results = read_results(RunFolder(run).results)
    width = 2 + max(map(len, results.networks))
    lines = [
        f"{name:{width}s}{network.psnr_db_mean:6.2f} ± {network.psnr_db_std:.2f} dB"
        f"   SSIM {network.ssim_mean:.4f} ± {network.ssim_std:.4f}"
        f"   {network.parameters:>9,} parameters"
        for name, network in results.networks.items()
    ]
    lines.append(f"metrics      {results.metrics}")
    if results.architecture:
        lines.append(f"architecture {results.architecture}")
    if RunFolder(run).page.exists():
        lines.append(f"report       {RunFolder(run).page}")
    return "\n".join(lines)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main, flags_parser=host.parse_or_exit)
