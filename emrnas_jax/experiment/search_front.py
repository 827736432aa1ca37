"""The latency table of a search, given or measured, and the front that follows."""

import logging
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.latency import measure_table, measured_here
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.networks import RunSearch
from emrnas_jax.nas.latency_table import (
    LatencyTable,
    Measured,
    load_table,
    read_table,
    write_table,
)
from emrnas_jax.nas.space import Architecture
from emrnas_jax.runs.front import write_front
from emrnas_jax.training.candidates import require_budget
from emrnas_jax.training.front_search import front_of_folds
from emrnas_jax.training.random_search import certain

LOG = logging.getLogger("emrnas_jax")

CHECKED = 12  # random architectures that are run as a whole


def table_of(experiment: Experiment, search: RunSearch) -> LatencyTable | None:
    """Return the time of every operation of a search; None if it needs no times.

    It is the one that the settings name, or that of another search of the run, or it is
    measured, in a minute or two at the size of the paper. The run keeps it: continued
    on another device, it goes on with the times that it was begun with.

    Raises:
        InputError: the table is of another device or network, the budget is below the
            fastest architecture, or there are several processes.
    """
    settings = search.settings
    if not settings.needs_times:
        return None
    images = experiment.image_set
    own = search.kind, search.network
    wanted = measured_here(*own, images.shape, 1, images.coils)
    own = experiment.run.latency(search.own_name)
    if own.exists():
        table = read_table(own, wanted, any_device=True)
        if table.measured.device != wanted.device:
            found = table.measured.device
            LOG.warning("%s: the times are those of %s, not of this device", own, found)
    elif settings.latency:
        table = read_table(Path(settings.latency).expanduser(), wanted)
        write_table(own, table)
    elif found := _table_of_another(experiment, wanted):
        table = found
        write_table(own, table)
    else:
        if jax.process_count() > 1:
            raise InputError(
                "search.latency: several processes cannot measure one table; make it "
                "with python -m emrnas_jax.latency, and name it"
            )
        LOG.info("%s: measuring the time of every operation", search.folder_name)
        table = measure_table(wanted, experiment.sampling, checked=CHECKED)
        write_table(own, table)
    require_budget(settings, table)
    return table


def _table_of_another(experiment: Experiment, wanted: Measured) -> LatencyTable | None:
    """Return the table of another search of the run that holds for the same network."""
    for search in experiment.searches:
        path = experiment.run.latency(search.own_name)
        if path.exists():
            table = load_table(path)
            if table.measured == wanted:
                return table
    return None


def front_of(
    experiment: Experiment, search: RunSearch, folders: Sequence[Path]
) -> tuple[Architecture, Float[np.ndarray, "cell op"]]:
    """Write the front that all folds together find, and return what it chooses.

    Args:
        experiment: the run.
        search: a search that makes a front.
        folders: folders of the folds' searches, which must have ended.

    Returns:
        the architecture, and p = 1 for its operations.

    Raises:
        InputError: a search did not end, or the table cannot be used.
    """
    table, network = table_of(experiment, search), search.build()
    assert table is not None  # the method needs times
    front = front_of_folds(folders, network, search.settings, table)
    write_front(experiment.run.front(search.own_name), front)
    architecture = Architecture.parse(front.chosen, network.operations)
    return architecture, certain(architecture)
