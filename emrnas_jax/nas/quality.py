"""Predict how good an architecture is from a few that were judged.

The predictor is additive: a mean, and for each cell what each of its operations adds to
it. Each of these values averages over all judged architectures that have the operation
there, so it is far more certain than the loss of any one of them. An operation is worth
much the same in every cell, so its mean over the cells is shrunk less than what it is
worth in one of them: a few dozen architectures can tell the former. Where components
may be left out, the number of those that are present adds to the loss, too: the first
ones gain far more than the last.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

PENALTIES = np.logspace(-4, 4, 65)  # of ridge regression, to choose from
# An operation's worth in one cell is penalised ten times as much as that in all cells.
IN_ONE_CELL = 10**-0.5


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
    present = np.eye(operations)[choices]
    features = np.hstack(
        [IN_ONE_CELL * present.reshape(count, cells * operations), present.sum(1)]
    )
    # What the number of components is worth is not penalised: it is worth most.
    curve = _of_counts(cells, 0 if absent is None else count // 4)
    curves = curve[_present(choices, absent)]
    free = _orthonormal(np.hstack([np.ones((count, 1)), curves]))
    rest_features = features - free @ (free.T @ features)
    rest_losses = losses - free @ (free.T @ losses)
    u, s, vt = np.linalg.svd(rest_features, full_matrices=False)
    weights = u.T @ rest_losses
    best: tuple[float, Float[np.ndarray, " value"]] | None = None
    for penalty in PENALTIES:
        shrunk = s**2 / (s**2 + penalty)
        rest = rest_losses - u @ (shrunk * weights)
        # What the fit says of its own points, without their own part in it.
        own = (free**2).sum(1) + (u**2) @ shrunk
        error = float(np.sqrt(np.mean((rest / np.maximum(1 - own, 1e-9)) ** 2)))
        if best is None or error < best[0]:
            best = error, vt.T @ (s / (s**2 + penalty) * weights)
    assert best is not None
    error, effects = best
    in_one, in_all = np.split(effects, [cells * operations])
    table = IN_ONE_CELL * in_one.reshape(cells, operations) + in_all
    left = losses - features @ effects
    average = curves.mean(0)
    slopes = np.linalg.lstsq(curves - average, left - left.mean(), rcond=None)[0]
    by_count = (curve - average) @ slopes
    return Quality(float(left.mean()), table, by_count, absent, error)


def _of_counts(cells: int, most: int) -> Float[np.ndarray, "count curve"]:
    """Return curves of the number of components, from none to all: at most three.

    Args:
        cells: number of components.
        most: number of curves that the judged architectures are enough for.
    """
    counts = np.arange(cells + 1) / cells
    # No architecture has none of them; its logarithm is not asked for.
    logarithm = np.log(np.maximum(counts, 1 / cells))
    return np.stack([logarithm, counts, counts**2], 1)[:, :most]


def _orthonormal(
    columns: Float[np.ndarray, "row column"],
) -> Float[np.ndarray, "row rank"]:
    """Return an orthonormal basis of what some columns span."""
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    return u[:, s > 1e-9 * s[0]]


def _present(
    choices: Int[np.ndarray, "architecture cell"], absent: int | None
) -> Int[np.ndarray, " architecture"]:
    """Return how many components of each architecture are present."""
    return (choices != (-1 if absent is None else absent)).sum(1)
