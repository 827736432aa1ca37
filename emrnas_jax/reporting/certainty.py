"""Certainty of a search: p of the chosen operations beside a uniform choice.

In every cell p is one number for each operation, and they sum to 1. A choice is called
close to a draw when its p has gone less than a tenth of the way from a uniform choice
to certainty: with eight operations from 12.5 % to 100 %, so below 21.25 %. A search
that was repeated would then often choose another operation.
"""

import numpy as np
from jaxtyping import Bool, Float

from emrnas_jax.nas.space import Architecture
from emrnas_jax.reporting.numbers import percent

# Relative to a uniform choice, so that the limit means the same for any number of
# operations.
PART_OF_THE_WAY = 0.1


def uniform(p: Float[np.ndarray, "cell operation"]) -> float:
    """Return the p that every operation has before a search."""
    return 1 / p.shape[1]


def draw_limit(p: Float[np.ndarray, "cell operation"]) -> float:
    """Return the p below which a choice is close to a draw."""
    return uniform(p) + PART_OF_THE_WAY * (1 - uniform(p))


def moved(
    p: Float[np.ndarray, "cell operation"] | None,
) -> Float[np.ndarray, "cell operation"] | None:
    """Return p where a search moved it; None where each choice was simply given p = 1.

    A search that compares whole architectures has no p, and 100 % would read as one.
    """
    return None if p is None or np.isin(p, (0, 1)).all() else p


def chosen(
    architecture: Architecture, p: Float[np.ndarray, "cell operation"]
) -> Float[np.ndarray, " cell"]:
    """Return the p of the operation that the architecture has in every cell."""
    return p[np.arange(len(p)), list(architecture.cells)]


def near_draw(
    architecture: Architecture, p: Float[np.ndarray, "cell operation"]
) -> Bool[np.ndarray, " cell"]:
    """Mark the cells whose choice is close to a draw."""
    return chosen(architecture, p) < draw_limit(p)


def draws_sentence(
    architecture: Architecture, p: Float[np.ndarray, "cell operation"]
) -> str:
    """Count the choices that are close to a draw, and say what that means."""
    near = near_draw(architecture, p)
    count, cells = int(near.sum()), len(near)
    rule = (
        f"{percent(draw_limit(p))}, a tenth of the way from a uniform choice "
        f"({percent(uniform(p))}) to certainty"
    )
    if not count:
        return f"No choice is close to a draw: none has a p below {rule}."
    verb = "is" if count == 1 else "are"
    return (
        f"{count} of {cells} choices {verb} close to a draw, with a p below {rule}: a "
        "search that was repeated may well choose other operations."
    )


def chosen_text(
    architecture: Architecture, p: Float[np.ndarray, "cell operation"]
) -> str:
    """Return the range of p of the choices, and how many are close to a draw."""
    found, near = chosen(architecture, p), near_draw(architecture, p)
    # Compared as printed: ends that look alike are one value, not a range.
    ends = dict.fromkeys(percent(float(end)) for end in (found.min(), found.max()))
    return f"{' to '.join(ends)}; {int(near.sum())} of {len(near)} close to a draw"
