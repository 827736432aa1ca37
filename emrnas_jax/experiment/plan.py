"""The lines with which a run begins: its data, searches, trainings, what is done."""

from collections.abc import Sequence

from emrnas_jax.data.targets import TargetKind
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.networks import RunNetwork, RunSearch
from emrnas_jax.models.networks import build_network
from emrnas_jax.training.fit_total_variation import is_fitted


def plan(experiment: Experiment) -> list[str]:
    """Return what a run is made of, and what of it is finished already.

    Args:
        experiment: the run; its data are opened, which may build their cache.
    """
    images, path = experiment.image_set, experiment.sections.data.path
    # Phantoms come from no folder.
    where = "" if path == "phantom" else f" of {path}"
    # Reading the folds also checks the run and writes what it is begun with.
    count = len(experiment.folds)
    lines = [
        f"data: {len(images)} {experiment.sections.data.images} images of "
        f"{len(set(images.subjects))} subjects, {images.sizes_in_words()} pixels"
        f"{_coils(experiment)}, {images.name}{where}"
    ]
    for search in experiment.searches:
        warmup, own = search.settings.warmup_epochs, search.settings.search_epochs
        lines.append(
            f"search for {_listed(search.networks)} in each of {count} folds: "
            f"{_epochs(warmup)} of warm-up and {_epochs(own)} of search"
        )
    lines.append(f"training in each of {count} folds: {_networks(experiment.networks)}")
    finished = _finished(experiment)
    return [*lines, f"finished before: {finished}"] if finished else lines


def _coils(experiment: Experiment) -> str:
    coils = experiment.image_set.coils
    simulated = "simulated " * bool(experiment.sections.data.simulated_coils)
    rss = experiment.image_set.target_kind is TargetKind.RSS
    target = ", whose root of the sum of squares is the target" * rss
    return f", {coils} {simulated}coils{target}" if coils else ""


def _networks(networks: dict[str, RunNetwork]) -> str:
    """Return the networks of each length of training together."""
    by_length: dict[str, list[str]] = {}
    for name, network in networks.items():
        by_length.setdefault(_length(network), []).append(name)
    return "; ".join(
        f"{_listed(names)}, {length}" for length, names in by_length.items()
    )


def _length(network: RunNetwork) -> str:
    # One with an architecture may not be built yet: it is searched first.
    if not network.source and is_fitted(build_network(network.kind, network.settings)):
        return "whose strength is fitted"
    return network.training.length


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count != 1)}"


def _finished(experiment: Experiment) -> str:
    """Return which searches are over and which networks scored, folds together."""
    folds = range(1, len(experiment.folds) + 1)
    scored_as = experiment.evaluation.convention, experiment.evaluation.crop
    last_files = {
        _search(s): [folder.architecture for folder in experiment.search_folders(s)]
        for s in experiment.searches
    } | {
        name: [experiment.network_folder(k, name).scores(*scored_as) for k in folds]
        for name in experiment.networks
    }
    # Parts that are finished in the same folds share a clause.
    by_folds: dict[str, list[str]] = {}
    for part, paths in last_files.items():
        done = [k for k, path in zip(folds, paths, strict=True) if path.exists()]
        if done:
            by_folds.setdefault(_folds(done, len(folds)), []).append(part)
    return "; ".join(
        f"{_listed(parts)} in {where}" for where, parts in by_folds.items()
    )


def _search(search: RunSearch) -> str:
    return "search" if search.is_first else f"search for {search.name}"


def _folds(done: list[int], count: int) -> str:
    if len(done) == count:
        return "every fold"
    return f"fold{'s' * (len(done) > 1)} {_listed([str(k) for k in done])}"


def _listed(names: Sequence[str]) -> str:
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last
