"""Score the networks of a run on its test frames at chosen rates, one after the other.

    python scripts/score_at_rates.py RUN --rates=0.25,0.125 --center_fractions=0.08,0.04

A run that trains at several rates draws one of them for every test frame. Here every
frame is measured at each rate, and the table has a row per rate and network: PSNR, SSIM
and milliseconds per frame, in batches of the size of `evaluation.batch`. Every network
is compared with the last one of the run, or with --reference, frame by frame; intervals
are of 95 %, over subjects. The convention of the scores is the run's.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import app, flags
from ml_collections import ConfigDict

from emrnas_jax.data.dataset import DataSettings
from emrnas_jax.data.pipeline import fixed_mask_key
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.batches import MeasuredFrames
from emrnas_jax.evaluation.comparison import paired_difference
from emrnas_jax.evaluation.evaluate import Evaluation, evaluate
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.scoring import compiled_network
from emrnas_jax.machine import host
from emrnas_jax.models.catalogue import ZERO_FILLED
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.runs.begun_with import read_config
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.training.retrain import load_trained

FOLD = 1


def evaluations(
    experiment: Experiment, sampling: Sampling, names: Sequence[str]
) -> dict[str, Evaluation]:
    """Score networks of the first fold on its test frames.

    Args:
        experiment: the run, whose networks are trained.
        sampling: how the frames are measured.
        names: names of networks, or `ZERO_FILLED`.
    """
    frames = MeasuredFrames(
        experiment.image_set,
        experiment.indices(experiment.folds[FOLD - 1].test),
        sampling,
        fixed_mask_key(experiment.seed),
    )
    found = {}
    for name in names:
        record, variables = None, {"params": {}}
        if name != ZERO_FILLED:
            folder = experiment.network_folder(FOLD, name).path
            record, _, variables = load_trained(folder)
        network = compiled_network(record)
        settings = experiment.evaluation
        found[name] = evaluate(name, network, variables, frames, settings)
    return found


def lines(found: dict[str, Evaluation], reference: str) -> list[str]:
    """Return a line of text per network."""
    last = found[reference].scores
    written = []
    for name, own in found.items():
        psnr, ssim = own.scores.psnr_db, own.scores.ssim
        line = f"{name:18} {psnr.mean():6.2f} dB   SSIM {ssim.mean():.4f}"
        line += f"   {1e3 * own.seconds_per_frame:7.1f} ms"
        if name != reference:
            gain = paired_difference(last.psnr_db, psnr, 0, own.scores.subject)
            line += f"   {reference} - this {gain.mean:+.2f} dB"
            line += f" [{gain.low:+.2f}, {gain.high:+.2f}]"
        written.append(line)
    return written


def main(argv: Sequence[str]) -> None:
    """Print the scores as the flags say."""
    if len(argv) != 2:
        raise app.UsageError("give the folder of one run")
    given: Any = flags.FLAGS
    with host.clear_errors():
        host.prepare(Path(DataSettings.cache).expanduser())
        rates = [float(rate) for rate in given.rates]
        centres = [float(own) for own in given.center_fractions]
        if len(centres) not in (0, len(rates)):
            raise InputError(
                f"--center_fractions: found {len(centres)} for {len(rates)} values of "
                "--rates; give as many, or none"
            )
        run = RunFolder(Path(argv[1]))
        experiment = Experiment(ConfigDict(read_config(run.config)), run.path)
        names = [ZERO_FILLED, *experiment.networks]
        reference = given.reference or names[-1]
        if reference not in names:
            raise InputError(
                f"--reference={reference}: the run has {', '.join(names)}; name one"
            )
        for number, rate in enumerate(rates):
            centre = centres[number] if centres else experiment.sampling.center_fraction
            own = replace(
                experiment.sampling, rate=rate, center_fraction=centre, others=()
            )
            print(f"rate {rate}, center_fraction {centre}")
            print("\n".join(lines(evaluations(experiment, own, names), reference)))


if __name__ == "__main__":
    flags.DEFINE_list("rates", None, "Fractions of the lines or points.")
    flags.DEFINE_list("center_fractions", [], "Centre of each; the run's unless given.")
    flags.DEFINE_string("reference", "", "Network to compare with.")
    flags.mark_flag_as_required("rates")
    app.run(main, flags_parser=host.parse_or_exit)
