"""The one architecture that the folds' searches find together (section 3)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from emrnas_jax.errors import InputError
from emrnas_jax.nas.gates import ensemble
from emrnas_jax.nas.space import Architecture, Operation
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.runs.folder import SearchFolder
from emrnas_jax.runs.judged import common_losses
from emrnas_jax.runs.operations import refuse_mixed_operations
from emrnas_jax.training.random_search import certain
from emrnas_jax.training.search_settings import SearchSettings


def ensemble_of_folds(
    folders: Sequence[Path], settings: SearchSettings, cells_per_block: int
) -> tuple[Architecture, Float[np.ndarray, "cell op"]]:
    """Return the architecture of all folds, and its p.

    Args:
        folders: folders of the folds' searches, which must have ended.
        settings: settings of the searches.
        cells_per_block: number of cells of a block of the searched network.

    Returns:
        the operation of the largest mean p in each cell, and the mean p. A random
        search returns the best common candidate, with p = 1 for its operations.

    Raises:
        InputError: a search did not end, or they have nothing in common.
    """
    found = {f: read_architecture(SearchFolder(f).architecture) for f in folders}
    among = {folder: own.operations for folder, (own, _) in found.items()}
    refuse_mixed_operations(among)
    operations = among[folders[0]]
    # A random search has no alphas, so its folds vote with their losses.
    if not settings.moves_alphas:
        architecture = common_candidate(folders, operations, settings.loss)
        return architecture, certain(architecture)
    probabilities = []
    for folder, (_, p) in found.items():
        # A file may hold an architecture alone, of which no mean can be taken.
        if p is None:
            raise InputError(
                f"{SearchFolder(folder).architecture} has no probabilities; run "
                "--stage=search again"
            )
        probabilities.append(p)
    return ensemble(probabilities, cells_per_block, operations)


def common_candidate(
    folders: Sequence[Path], operations: tuple[Operation, ...], loss: str
) -> Architecture:
    """Return the candidate of a random search that is best for all folds together.

    Args:
        folders: folders of the folds' searches.
        operations: candidates of every cell.
        loss: loss of the searches, a key of `training.loss.LOSSES`.

    Raises:
        InputError: the folds have no candidate in common.
    """
    losses = common_losses(folders, operations, loss)
    return min(losses, key=losses.__getitem__)
