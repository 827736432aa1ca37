"""The results of a run, from the scores of its folds and the costs of its networks."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from emrnas_jax.data.pipeline import fixed_mask_key
from emrnas_jax.evaluation.comparison import fold_statistics, paired_difference
from emrnas_jax.evaluation.conventions import CONVENTIONS, in_words
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.models.catalogue import ZERO_FILLED, named
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import read_cost
from emrnas_jax.runs.results import (
    ROOFLINE,
    Comparison,
    NetworkScore,
    Results,
    SearchLine,
)
from emrnas_jax.runs.scores import Scores, read_scores


def collect_results(experiment: Experiment) -> Results:
    """Return the results of a run whose networks are all scored.

    Raises:
        InputError: a file of scores or of a cost is missing or damaged.
    """
    folds = range(1, len(experiment.folds) + 1)
    convention, crop = experiment.evaluation.convention, experiment.evaluation.crop
    folders = {
        name: [experiment.network_folder(k, name) for k in folds]
        for name in (ZERO_FILLED, *experiment.networks)
    }
    scores = {
        name: [read_scores(folder.scores(convention, crop)) for folder in own]
        for name, own in folders.items()
    }
    achieved, sampling = achieved_rate(experiment), experiment.sampling
    # Masks of a file have the rate that they have; several rates have their mean.
    drawn = sampling.kind == "file" or sampling.others
    return Results(
        dataset=experiment.image_set.name,
        sampling_rate=achieved if drawn else sampling.rate,
        achieved_rate=achieved,
        folds=len(folds),
        architecture=_first_architecture(experiment),
        searches=_searches(experiment),
        convention=convention,
        unit=CONVENTIONS[convention].unit,
        metrics=in_words(convention, crop, experiment.image_set.target_kind),
        crop=crop,
        networks={
            name: network_score(experiment, name, own, scores[name])
            for name, own in folders.items()
        },
        comparisons=compare(scores, experiment.seed),
    )


def _first_architecture(experiment: Experiment) -> str | None:
    for name, network in experiment.networks.items():
        if network.source:
            return str(experiment.architecture(name, 1))
    return None


def _searches(experiment: Experiment) -> dict[str, SearchLine]:
    found = {}
    for search in experiment.searches:
        path = experiment.run.architecture(search.own_name)
        architecture, _ = read_architecture(path)
        # A network that was given up may have asked for the search.
        networks = tuple(n for n in search.networks if n in experiment.networks)
        found[search.name] = SearchLine(
            architecture=str(architecture), networks=networks
        )
    return found


def network_score(
    experiment: Experiment,
    name: str,
    folders: Sequence[NetworkFolder],
    scores: Sequence[Scores],
) -> NetworkScore:
    """Return the results of one network.

    Args:
        experiment: the run.
        name: the network, or the zero-filled images.
        folders: the network's folder in each fold.
        scores: the network's scores in each fold.
    """
    costs = [read_cost(folder.cost) for folder in folders]
    values = {}
    for measure in ("psnr_db", "ssim", "nmse"):
        means = [float(getattr(s, measure).mean()) for s in scores]
        values[f"{measure}_mean"], values[f"{measure}_std"] = fold_statistics(means)
    network = experiment.networks.get(name)  # None for the zero-filled images
    shown = named(name)
    return NetworkScore(
        **values,
        parameters=costs[0].parameters,
        # Folds share one program; the median leaves out one that was timed while the
        # machine was busy.
        seconds_per_frame=float(np.median([cost.seconds_per_frame for cost in costs])),
        seconds_per_epoch=seconds_per_epoch(folders),
        device=costs[0].device,
        frames=sum(len(s.subject) for s in scores),
        **{field: getattr(costs[0], field) for field in ROOFLINE},
        kind=network.kind if network else "",
        settings=experiment.settings(name) if network else {},
        architecture_source=network.source if network else "",
        title=shown.title,
        group=shown.group,
        reference=shown.reference,
    )


def seconds_per_epoch(folders: Sequence[NetworkFolder]) -> float | None:
    """Return the median seconds of a training epoch, averaged over folds.

    The first epoch of a fold, which compiles, does not count. None where nothing was
    trained, or for one epoch alone.
    """
    medians = []
    for folder in folders:
        rows = metrics_log.read(folder.metrics)[1:]  # the first epoch compiles
        if rows:
            medians.append(float(np.median([row["seconds"] for row in rows])))
    return float(np.mean(medians)) if medians else None


def compare(scores: dict[str, list[Scores]], seed: int) -> tuple[Comparison, ...]:
    """Compare every network with every one before it, frame by frame.

    Args:
        scores: scores of each fold, by network.
        seed: the run's seed, for the bootstrap.
    """
    names = list(scores)
    return tuple(
        _comparison(scores, name, reference, measure, seed)
        for i, name in enumerate(names)
        for reference in names[:i]
        for measure in ("psnr_db", "ssim")
    )


def _comparison(
    scores: dict[str, list[Scores]], name: str, reference: str, measure: str, seed: int
) -> Comparison:
    difference = paired_difference(
        _joined(scores[name], measure),
        _joined(scores[reference], measure),
        seed,
        # The bootstrap needs them: frames of one subject are alike.
        [subject for part in scores[name] for subject in part.subject],
    )
    return Comparison(
        network=name,
        reference=reference,
        measure=measure,
        mean_difference=difference.mean,
        low=difference.low,
        high=difference.high,
        frames=difference.frames,
    )


def _joined(scores: list[Scores], measure: str) -> Float[np.ndarray, " frame"]:
    return np.concatenate([getattr(part, measure) for part in scores])


def achieved_rate(experiment: Experiment) -> float:
    """Return the mean fraction of lines that the masks of all test frames measure."""
    key, images = fixed_mask_key(experiment.seed), experiment.image_set

    @partial(jax.jit, static_argnums=1)
    def rate(ids: Array, shape: tuple[int, int]) -> Array:
        # The keys of the evaluation: every frame is a test frame of one fold.
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(ids)
        masks = jax.vmap(lambda k: draw_mask(experiment.sampling, k, shape))(keys)
        return masks.mean()

    by_shape = images.of_each_shape(np.arange(len(images)))
    rates = {
        shape: float(rate(jnp.asarray(images.frame_ids[own]), shape))
        for shape, own in by_shape.items()
    }
    # The parts of all frames, which are 1 exactly where all have one size.
    return sum(len(own) / len(images) * rates[s] for s, own in by_shape.items())
