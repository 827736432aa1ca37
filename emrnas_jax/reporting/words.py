"""The sentences of the page, made from the numbers and the config of a run."""

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.models.catalogue import ABLATION, ZERO_FILLED
from emrnas_jax.reporting.commands import command_facts
from emrnas_jax.reporting.networks import (
    SEARCHED,
    best_other,
    main_network,
    shown,
    title_of,
)
from emrnas_jax.reporting.numbers import counted, number, percent, signed
from emrnas_jax.reporting.studies.cost import devices
from emrnas_jax.reporting.studies.pairs import difference
from emrnas_jax.runs.run import Run

# By the config's `sampling.kind`; an unknown kind adds no rule to the sentence.
_MASKS = {
    "cartesian": (
        "lines are drawn independently, densely in the middle of k-space and sparsely "
        "outside, with the line density of the published masks"
    ),
    "random": (
        "the middle {center} of the lines is always measured, the others are drawn "
        "uniformly at random (fastMRI's random masks)"
    ),
    "equispaced": (
        "the middle {center} of the lines is always measured, the others at equal "
        "distances (fastMRI's equispaced masks)"
    ),
    "equispaced_fraction": (
        "the middle {center} of the lines is always measured, the others at such equal "
        "distances that the total fits (fastMRI's equispaced fraction)"
    ),
    "poisson": (
        "an ellipse of {center} of both sides is always measured, and outside of it "
        "points at random that keep their distance (Poisson discs)"
    ),
    "file": "each mask is drawn from those in {file}",
}


def heading(run: Run) -> str:
    """Return the page's first line: the data set and the name of the run's folder."""
    return f"{run.results.dataset}: run {run.path.resolve().name}"


def warnings(run: Run) -> list[str]:
    """Return the warnings that are shown before anything else."""
    return ["Reduced-size run"] if run.config.get("reduced") is True else []


def lead(run: Run) -> list[str]:
    """Return the result of the run in a few sentences."""
    results = run.results
    network = main_network(run.results)
    if network is None:
        only = results.networks[ZERO_FILLED]
        return [
            f"Zero-filling reaches {number(only.psnr_db_mean, 2)} dB on "
            f"{_frames(run, ZERO_FILLED)}; the run has no network yet."
        ]
    score = results.networks[network]
    subject = _subject(run, network)
    sentences = []
    if ZERO_FILLED in results.networks:
        base = results.networks[ZERO_FILLED]
        gain = score.psnr_db_mean - base.psnr_db_mean
        # A loss has a verb of its own: "gains −0.10 dB" would hide it.
        verb = "gains {} dB over" if gain >= 0 else "loses {} dB against"
        sentences.append(
            f"{subject} {verb.format(number(abs(gain), 2))} zero-filling on "
            f"{_frames(run, network)}: {number(score.psnr_db_mean, 2)} against "
            f"{number(base.psnr_db_mean, 2)} dB, SSIM {number(score.ssim_mean, 4)} "
            f"against {number(base.ssim_mean, 4)}."
        )
    else:
        sentences.append(
            f"{subject} reaches {number(score.psnr_db_mean, 2)} dB and SSIM "
            f"{number(score.ssim_mean, 4)} on {_frames(run, network)}."
        )
    sentences += _against_zero_filling(run, network)
    sentences += _against_best(run, network)
    if score.parameters:
        sentences.append(f"It has {score.parameters:,} parameters.")
    return sentences


def facts(run: Run) -> dict[str, str]:
    """Return the run at a glance as names and values; unknown ones are left out."""
    results, config = run.results, run.config
    # Counts differ where a network lacks the scores of a fold.
    tested = max(score.frames for score in results.networks.values())
    found = {
        "Data set": results.dataset,
        "Sampling rate": percent(results.sampling_rate),
        "Folds": str(results.folds),
        f"Test {results.unit}s": f"{tested:,}",
        "Seed": str(config.get("seed", "")),
        "Consistency": ", ".join(_consistencies(run)),
    }
    # Runs of older versions recorded no commands; their timings still name a device.
    found |= command_facts(run) or {"Device": devices(run)}
    return {name: value for name, value in found.items() if value}


def protocol(run: Run) -> list[str]:
    """Return paragraphs on masks, averages and whatever a comparison depends on."""
    paragraphs = []
    if run.config.get("reduced") is True:
        paragraphs.append(
            "This is a reduced-size run: its scores tell whether everything works, "
            "and are not comparable with those of a full-size run."
        )
    paragraphs += [
        _masks(run),
        f"Scores are averaged over the test {run.results.unit}s of a fold first, then "
        "over folds.",
    ]
    if "real" in _consistencies(run):
        paragraphs.append(
            'The data consistency is "real": it uses that the k-space of a real '
            "image is Hermitian, so every measured sample also fixes its mirror "
            "image. This holds for magnitude images only."
        )
    return paragraphs


def _consistencies(run: Run) -> list[str]:
    """Return each kind of data consistency of the run's networks once."""
    networks = run.config.get("networks")
    # Older configs describe their only network in a section of its own.
    sections = [run.config.get("model"), *(networks or {}).values()]
    found = [own.get("consistency") for own in sections if isinstance(own, dict)]
    return list(dict.fromkeys(name for name in found if name))


def _subject(run: Run, network: str) -> str:
    if shown(run.results, network).group == ABLATION:
        return f"Model {title_of(run.results, network)}"
    if network not in SEARCHED:
        return title_of(run.results, network)
    searched = any(fold.searched for fold in run.folds)
    return "The searched network" if searched else "The network"


def _frames(run: Run, network: str) -> str:
    results = run.results
    frames = counted(results.networks[network].frames, f"test {results.unit}")
    return f"{frames} of {counted(results.folds, 'fold')}"


def _against_zero_filling(run: Run, network: str) -> list[str]:
    # An interval and no p-value: its ends say how large the difference may be.
    line = difference(run.results, network, ZERO_FILLED, "psnr_db")
    if line is None:
        return []
    unit = run.results.unit
    return [
        f"{unit.capitalize()} by {unit} the difference is "
        f"{signed(line.mean_difference, 2)} dB on average (95\u00a0% interval "
        f"{signed(line.low, 2)} to {signed(line.high, 2)})."
    ]


def _against_best(run: Run, network: str) -> list[str]:
    scores, best = run.results.networks, best_other(run.results)
    # Zero-filling has a sentence of its own; it is no rival.
    if best is None:
        return []
    ahead = scores[network].psnr_db_mean - scores[best].psnr_db_mean
    place = "ahead of" if ahead >= 0 else "behind"
    name = title_of(run.results, best)
    name = f"model {name}" if shown(run.results, best).group == ABLATION else name
    return [
        f"It is {number(abs(ahead), 2)} dB {place} {name}, the best of the other "
        "networks."
    ]


def _masks(run: Run) -> str:
    results = run.results
    sampling = run.config.get("sampling", {})
    rule = _MASKS.get(str(sampling.get("kind")), "").format(
        # Rules without a center ignore it, so 0 stands in for a missing one.
        center=percent(float(sampling.get("center_fraction") or 0)),
        file=sampling.get("file"),
    )
    along = {"rows": "rows of k-space", "columns": "columns of k-space"}.get(
        str(sampling.get("phase_encode")), "lines of k-space"
    )
    if sampling.get("kind") == "poisson":
        along = "points of k-space"
    achieved = (
        f" ({percent(results.achieved_rate)} in the test masks)"
        if results.achieved_rate is not None
        else ""
    )
    rates = [percent(rate) for rate, _ in SamplingSettings(**sampling).pairs]
    several = f" (one of {', '.join(rates)} in each)" if len(rates) > 1 else ""
    rule = several + (f"; {rule}" if rule else "")
    return (
        f"Masks: Cartesian, {percent(results.sampling_rate)}{achieved} of the {along}"
        f"{rule}. Training draws a new mask for every frame in every epoch; a "
        "validation or test frame always has the mask given by the seed and its "
        "subject, slice and frame, so all networks see the same ones."
    )
