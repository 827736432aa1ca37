"""Apply compiled functions to any number of frames, in batches of one size."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from emrnas_jax.evaluation.batches import padded_batches
from emrnas_jax.machine.devices import divisible

BATCH = 8  # frames at once unless given

Progress = Callable[[int], Any]


def silent(_: int) -> None:
    """Report no progress."""


def batch_of(kspace: np.ndarray, batch: int) -> int:
    """Return how many frames of k-space to take at once, `batch` at most.

    A slice of many coils costs seconds, so it is not computed again for the copies
    that would fill a batch; fewer frames at once are compiled for themselves.
    """
    return min(batch, len(kspace)) if kspace.ndim == 4 else batch


def in_batches(
    function: Callable[..., PyTree],
    batch: int,
    *arrays: np.ndarray,
    progress: Progress = silent,
) -> PyTree:
    """Apply a function of batches to whole arrays, always with batches of one size.

    Args:
        function: function of as many arrays that returns a tree of arrays, each with
            one entry per frame.
        batch: number of frames at once, enlarged to what all devices share evenly.
        arrays: arrays with one entry per frame.
        progress: function that gets the number of frames after each batch.

    Returns:
        The tree, with one entry per frame of `arrays`.
    """
    # A smaller last batch would be compiled again; copies fill it, and are cut off.
    parts = []

    def fetch(found: PyTree, real: int) -> None:
        parts.append(jax.tree.map(lambda leaf: np.asarray(leaf)[:real], found))
        progress(real)

    running = None
    for positions, real in padded_batches(len(arrays[0]), divisible(batch)):
        found = function(*(jnp.asarray(array[positions]) for array in arrays))
        for leaf in jax.tree.leaves(found):
            leaf.copy_to_host_async()
        # The next batch waits on the device before the last one is waited for here.
        if running is not None:
            fetch(*running)
        running = found, real
    if running is not None:
        fetch(*running)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
