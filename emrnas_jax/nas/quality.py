"""Predict how good an architecture is from a few that were judged.

The predictor is additive: a mean, and for each cell what each of its operations adds to
it. Each of these values averages over all judged architectures that have the operation
there, so it is far more certain than the loss of any one of them. Where components may
be left out, the number of those that are present adds to the loss, too: the first ones
gain far more than the last.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

PENALTIES = np.logspace(-2, 4, 49)  # of ridge regression, to choose from


class Quality(NamedTuple):
    """An additive predictor of a loss.

    Attributes:
        mean: mean loss of the judged architectures.
        effects: what each operation of each cell adds to it.
        by_count: what the number of present components adds to it, from none to all;
            zero where none can be left out.
        absent: position of the operation that leaves a component out; None without.
        error: root mean square error of architectures that were left out of the fit in
            turn, in the unit of the loss.
    """

    mean: float
    effects: Float[np.ndarray, "cell op"]
    by_count: Float[np.ndarray, " count"]
    absent: int | None
    error: float

    def predict(
        self, choices: Int[np.ndarray, "architecture cell"]
    ) -> Float[np.ndarray, " architecture"]:
        """Return the predicted loss of architectures."""
        cells = np.arange(self.effects.shape[0])
        counts = _present(choices, self.absent)
        return self.mean + self.effects[cells, choices].sum(1) + self.by_count[counts]


def fit_quality(
    choices: Int[np.ndarray, "architecture cell"],
    losses: Float[np.ndarray, " architecture"],
    operations: int,
    absent: int | None = None,
) -> Quality:
    """Fit the predictor by ridge regression.

    The penalty is the one whose predictions of left-out architectures are best, each
    left out in turn.

    Args:
        choices: the operation of each cell of the judged architectures, from 0.
        losses: the loss of each, such as the logarithm of the squared error.
        operations: number of candidate operations of a cell.
        absent: position of the operation that leaves a component out; None without.
    """
    count, cells = choices.shape
    present = np.eye(operations)[choices].reshape(count, cells * operations)
    if absent is not None:
        present = np.hstack([present, np.eye(cells + 1)[_present(choices, absent)]])
    average = present.mean(0)
    mean = float(losses.mean())
    u, s, vt = np.linalg.svd(present - average, full_matrices=False)
    weights = u.T @ (losses - mean)
    best: tuple[float, Float[np.ndarray, " value"]] | None = None
    for penalty in PENALTIES:
        shrunk = s**2 / (s**2 + penalty)
        rest = losses - mean - u @ (shrunk * weights)
        # What the fit says of its own points, without their own part in it.
        own = 1 / count + (u**2) @ shrunk
        error = float(np.sqrt(np.mean((rest / np.maximum(1 - own, 1e-9)) ** 2)))
        if best is None or error < best[0]:
            best = error, vt.T @ (s / (s**2 + penalty) * weights)
    assert best is not None
    error, effects = best
    constant = mean - float(average @ effects)
    of_counts = np.zeros(cells + 1)
    if absent is not None:
        effects, of_counts = np.split(effects, [cells * operations])
    table = effects.reshape(cells, operations)
    return Quality(constant, table, of_counts, absent, error)


def _present(
    choices: Int[np.ndarray, "architecture cell"], absent: int | None
) -> Int[np.ndarray, " architecture"]:
    """Return how many components of each architecture are present."""
    return (choices != (-1 if absent is None else absent)).sum(1)
