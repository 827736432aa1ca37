"""From files to a searched, trained, tested network with a report.

    python -m emrnas_jax.main --config=configs/cardiac.py --workdir=runs/cardiac

The same command continues a run that was stopped.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags
from ml_collections import config_flags

from emrnas_jax.host import clear_errors, keep_compiled_programs, keep_freed_memory
from emrnas_jax.protocol import run_protocol

CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run, new or continued.")
STAGE = flags.DEFINE_enum(
    "stage",
    "all",
    ["all", "search", "ensemble", "retrain", "evaluate", "report"],
    "What to do; all does everything that is not done yet.",
)


def main(argv: Sequence[str]) -> None:
    """Run the protocol of the config."""
    if len(argv) > 1:
        raise app.UsageError(f"not understood: {' '.join(argv[1:])}")
    with clear_errors():
        keep_freed_memory()
        keep_compiled_programs(Path(CONFIG.value.data.cache) / "compiled")
        run = Path(WORKDIR.value)
        run_protocol(CONFIG.value, run, STAGE.value)
        if STAGE.value in ("all", "evaluate", "report"):
            print(summary(run))  # noqa: T201 - the program's answer


def summary(run: Path) -> str:
    """Return the results of a run in a few lines."""
    results = json.loads((run / "results.json").read_text())
    lines = [
        f"{name:12s} {network['psnr_db_mean']:6.2f} ± {network['psnr_db_std']:.2f} dB"
        f"   SSIM {network['ssim_mean']:.4f} ± {network['ssim_std']:.4f}"
        f"   {network['parameters']:>9,} parameters"
        for name, network in results["networks"].items()
    ]
    if results["architecture"]:
        lines.append(f"architecture {results['architecture']}")
    if (run / "report" / "index.html").exists():
        lines.append(f"report       {run / 'report' / 'index.html'}")
    return "\n".join(lines)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main)
