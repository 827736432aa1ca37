"""The sentences of the page, made from the numbers and the config of a run."""

from typing import Any

from emrnas_jax.reporting.commands import command_facts
from emrnas_jax.reporting.names import (
    counted,
    display_name,
    number,
    percent,
    signed,
)
from emrnas_jax.reporting.studies.cost import devices
from emrnas_jax.reporting.studies.pairs import (
    BASELINE,
    SEARCHED,
    best_other,
    difference,
    main_network,
)
from emrnas_jax.runs.run import Run

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
    "file": "each mask is drawn from those in {file}",
}


def heading(run: Run) -> str:
    """The page's first line: the data set and the name of the run's folder."""
    return f"{run.results.dataset}: run {run.path.resolve().name}"


def warnings(run: Run) -> list[str]:
    """Warnings to show before anything else."""
    return ["Reduced-size run"] if run.config.get("reduced") is True else []


def lead(run: Run) -> list[str]:
    """What came out, in a few sentences."""
    results = run.results
    network = main_network(run.results)
    if network is None:
        only = results.networks[BASELINE]
        return [
            f"Zero-filling reaches {number(only.psnr_db_mean, 2)} dB on "
            f"{_frames(run, BASELINE)}; the run has no network yet."
        ]
    score = results.networks[network]
    subject = _subject(run, network)
    sentences = []
    if BASELINE in results.networks:
        base = results.networks[BASELINE]
        gain = score.psnr_db_mean - base.psnr_db_mean
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
    """The run at a glance, label and value; what is not known is left out."""
    results, config = run.results, run.config
    tested = max(score.frames for score in results.networks.values())
    seeds = find_setting(config, "seed")
    found = {
        "Data set": results.dataset,
        "Sampling rate": percent(results.sampling_rate),
        "Folds": str(results.folds),
        f"Test {results.unit}s": f"{tested:,}",
        "Seed": str(seeds[0]) if seeds else "",
        "Consistency": ", ".join(dict.fromkeys(_consistencies(config))),
    }
    found |= command_facts(run) or {"Device": devices(run)}
    return {name: value for name, value in found.items() if value}


def protocol(run: Run) -> list[str]:
    """Paragraphs on masks, averages and what else a reader must know to compare."""
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
    if "real" in _consistencies(run.config):
        paragraphs.append(
            'The data consistency is "real": it uses that the k-space of a real '
            "image is Hermitian, so every measured sample also fixes its mirror "
            "image. This holds for magnitude images only."
        )
    return paragraphs


def find_setting(config: dict[str, Any], name: str) -> list[Any]:
    """All values named `name` in the nested `config`, outermost first."""
    found = [config[name]] if name in config else []
    for value in config.values():
        if isinstance(value, dict):
            found += find_setting(value, name)
    return found


def _consistencies(config: dict[str, Any]) -> list[str]:
    found = find_setting(config, "consistency")
    return [value for value in found if isinstance(value, str) and value]


def _subject(run: Run, network: str) -> str:
    if network.startswith("ablation_"):
        return f"Model {display_name(network)}"
    if network not in SEARCHED:
        return display_name(network)
    searched = any(fold.searched for fold in run.folds)
    return "The searched network" if searched else "The network"


def _frames(run: Run, network: str) -> str:
    results = run.results
    frames = counted(results.networks[network].frames, f"test {results.unit}")
    return f"{frames} of {counted(results.folds, 'fold')}"


def _against_zero_filling(run: Run, network: str) -> list[str]:
    line = difference(run.results, network, BASELINE, "psnr_db")
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
    if best is None:
        return []
    ahead = scores[network].psnr_db_mean - scores[best].psnr_db_mean
    place = "ahead of" if ahead >= 0 else "behind"
    name = display_name(best)
    name = f"model {name}" if best.startswith("ablation_") else name
    return [
        f"It is {number(abs(ahead), 2)} dB {place} {name}, the best of the other "
        "networks."
    ]


def _masks(run: Run) -> str:
    results = run.results
    sections = find_setting(run.config, "sampling")
    sampling = sections[0] if sections and isinstance(sections[0], dict) else {}
    rule = _MASKS.get(str(sampling.get("kind")), "").format(
        center=percent(float(sampling.get("center_fraction") or 0)),
        file=sampling.get("file"),
    )
    along = {"rows": "rows of k-space", "columns": "columns of k-space"}.get(
        str(sampling.get("phase_encode")), "lines of k-space"
    )
    achieved = (
        f" ({percent(results.achieved_rate)} in the test masks)"
        if results.achieved_rate is not None
        else ""
    )
    return (
        f"Masks: Cartesian, {percent(results.sampling_rate)}{achieved} of the {along}"
        f"{'; ' + rule if rule else ''}. Training draws a new mask for every frame in "
        "every epoch; a validation or test frame always has the mask given by the "
        "seed and its subject, slice and frame, so all networks see the same ones."
    )
