"""Checks that a run can come to its end, before it writes or computes anything."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax

from emrnas_jax.data.folds import Fold
from emrnas_jax.data.strips import require_strip
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.metrics import WINDOW
from emrnas_jax.experiment.networks import RunNetwork, RunSearch
from emrnas_jax.machine.devices import mesh_for
from emrnas_jax.mri.sampling import Sampling, draw_mask
from emrnas_jax.training.side_by_side import meshes_apart
from emrnas_jax.training.start import require_start, start_of

LOG = logging.getLogger("emrnas_jax")

Subjects = tuple[str, ...]


def require_images(path: str, sampling: Sampling, shape: tuple[int, int]) -> None:
    """Check that images can be measured and scored.

    Args:
        path: config value `data.path`, for the message.
        sampling: pattern from which masks are drawn.
        shape: height and width of the images, pixels.

    Raises:
        InputError: the images are smaller than the window of SSIM, or no mask of their
            size can be drawn.
    """
    height, width = shape
    if min(height, width) < WINDOW:
        raise InputError(
            f"{path}: images of {height} x {width} are smaller than the "
            f"{WINDOW} x {WINDOW} window of SSIM; raise data.height and data.width "
            "or lower data.downsample"
        )
    # Traced and not run: a mask that cannot be drawn is found by its shape alone.
    jax.eval_shape(lambda: draw_mask(sampling, jax.random.key(0), shape))


def require_strips(
    networks: Mapping[str, RunNetwork],
    searches: Sequence[RunSearch],
    sampling: Sampling,
    shape: tuple[int, int],
) -> None:
    """Check that the strips of every search and training fit into the images.

    Args:
        networks: networks of the run by name.
        searches: searches of the run.
        sampling: pattern from which masks are drawn, which strips leave whole.
        shape: height and width of the images, pixels.

    Raises:
        InputError: a strip is wider than the images along the readout, or masks are
            not of whole lines.
    """
    readout = shape[1 if sampling.phase_encode == "rows" else 0]
    strips = [(own.training.strip, "retrain.strip") for own in networks.values()]
    strips += [(own.settings.strip, "search.strip") for own in searches]
    for strip, setting in strips:
        require_strip(strip, readout, setting)
        if strip and not sampling.has_lines:
            raise InputError(
                f"{setting}: a strip of {strip} pixels needs masks of whole lines, and "
                "these measure points; set it to 0 or choose another sampling.kind"
            )


def require_starts(networks: Mapping[str, RunNetwork], folds: Sequence[Fold]) -> None:
    """Check that every training can start from the model that it names.

    A network with an architecture is compared when its training starts: a search may
    have to find it first. Subjects that are tested and bear the name of one that the
    model has seen are warned of; they may be those of other data.

    Args:
        networks: networks of the run by name.
        folds: folds of the run.

    Raises:
        InputError: there is no such model, or it is another network.
    """
    for network in networks.values():
        start = network.training.start
        if not start or network.source:
            continue
        model = start_of(require_start(start, network.kind, network.settings))
        tested = {subject for fold in folds for subject in fold.test}
        seen = sorted(tested.intersection(model.subjects))
        if seen:
            LOG.warning(
                "retrain.start: %s was trained on subjects with these names, which "
                "this run tests: %s; if they are the same people, the scores are too "
                "good",
                start,
                ", ".join(seen),
            )


def require_batches(
    networks: Mapping[str, RunNetwork],
    searches: Sequence[RunSearch],
    folds: Sequence[Fold],
    frames_of: Callable[[Subjects], int],
) -> None:
    """Check that every search and training has devices and frames for its batches.

    Args:
        networks: networks of the run by name.
        searches: searches of the run.
        folds: folds of the run.
        frames_of: number of frames of some subjects that have one size, the most
            frequent one: a batch is never mixed.

    Raises:
        InputError: a batch is larger than its split or cannot be divided among the
            processes, or there are too few devices for folds side by side.
    """
    for search in searches:
        if search.settings.folds_in_parallel:
            meshes_apart(len(folds), search.settings.batch, "search.folds_in_parallel")
    for k, fold in enumerate(folds, 1):
        for section, batch, subjects in _batches(networks, searches, fold):
            # The mesh knows no setting, so the key is put before its message.
            try:
                mesh_for(batch)
            except InputError as error:
                raise InputError(f"{section}.batch: {error}") from error
            found = frames_of(subjects)
            if found < batch:
                raise InputError(
                    f"{section}.batch: a batch of {batch} frames was asked of the "
                    f"{found} frames of one size that fold {k} has for it; lower it or "
                    "use more subjects"
                )


def _batches(
    networks: Mapping[str, RunNetwork], searches: Sequence[RunSearch], fold: Fold
) -> Iterator[tuple[str, int, Subjects]]:
    """Yield each section with its batch and the subjects whose frames fill it."""
    for network in networks.values():
        # A network is trained on S_val too; S_test alone is kept from it.
        yield "retrain", network.training.batch, (*fold.train, *fold.validation)
    for search in searches:
        # A step of the weights and one of alphas have a batch of one size.
        yield "search", search.settings.batch, fold.train
        yield "search", search.settings.batch, fold.validation
