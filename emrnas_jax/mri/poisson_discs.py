"""Masks of points for scans with two phase encodings: Poisson discs.

No two points are nearer to each other than a distance that grows towards the high
frequencies, so the points are random and yet spread evenly. An ellipse in the centre is
measured completely, for coil maps.

Such masks are drawn one point after another, which no accelerator is good at. A list of
them is therefore drawn once on the host, and compiled steps choose from it.

Source: the masks of the Calgary-Campinas challenge (Souza et al., NeuroImage 2018). The
distance grows such that the density falls towards high frequencies as theirs does.
"""

import functools

import numpy as np
from jaxtyping import Bool, Float

from emrnas_jax.errors import InputError

MASKS = 32  # in the list; mirrored along both axes they are four times as many
GROWTH = 0.2  # of the distance, from the zero frequency to the end of an axis
# Distances vary by this part from point to point. Those of a grid have few values, and
# without it only few rates could be had.
VARIATION = 0.25
HALVINGS = 12  # of the interval of the distance that gives the rate


@functools.lru_cache(maxsize=8)
def poisson_masks(
    shape: tuple[int, int], rate: float, center_fraction: float
) -> Bool[np.ndarray, "mask height width"]:
    """Return the list of masks, zero frequency in the middle; always the same one.

    Args:
        shape: height and width of k-space.
        rate: fraction of the points that is measured, in (0, 1]; every mask has it.
        center_fraction: axes of the ellipse in the centre, as a fraction of both sides.

    Raises:
        InputError: the ellipse has more points than are to be measured.
    """
    distance = _from_middle(shape)
    centre = distance <= center_fraction
    centre[shape[0] // 2, shape[1] // 2] = True
    wanted = round(rate * centre.size)
    if centre.sum() > wanted:
        raise InputError(
            f"sampling.center_fraction: {center_fraction} of {shape[0]} x {shape[1]} "
            f"points are {centre.sum()} in the centre, more than the {wanted} of rate "
            f"{rate}; lower it or raise the rate"
        )
    relative = 1 + GROWTH * distance**2
    # Fewer points fit the larger the distance is: halve the interval of the answer.
    low, high = 0.0, max(2 / np.sqrt(rate), 2.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        found = _thrown(centre, middle * relative, np.random.default_rng(0))
        low, high = (middle, high) if found.sum() >= wanted else (low, middle)
    masks = []
    for number in range(MASKS):
        random = np.random.default_rng(number)
        mask = _thrown(centre, low * relative, random)
        masks.append(_with_total(mask, centre, wanted, random))
    return np.stack(masks)


def _from_middle(shape: tuple[int, int]) -> Float[np.ndarray, "height width"]:
    """Return the distance from the zero frequency; 1 at the end of either axis."""
    rows, columns = ((np.arange(n) - n // 2) / max(n / 2, 1) for n in shape)
    return np.hypot(rows[:, None], columns)


def _thrown(
    centre: Bool[np.ndarray, "height width"],
    distance: Float[np.ndarray, "height width"],
    random: np.random.Generator,
) -> Bool[np.ndarray, "height width"]:
    """Measure points in random order, each unless one before it is too near."""
    distance = distance * random.uniform(1 - VARIATION, 1 + VARIATION, centre.shape)
    reach = int(np.ceil(distance.max()))
    beside = np.arange(-reach, reach + 1)
    squared = beside[:, None] ** 2 + beside**2
    height, width = centre.shape
    # A border around it, so that no disc has to be cut.
    closed = np.zeros((height + 2 * reach, width + 2 * reach), bool)
    closed[reach : reach + height, reach : reach + width] = centre
    side, mask = 2 * reach + 1, centre.copy()
    limits = (distance**2).ravel().tolist()
    for point in random.permutation(centre.size).tolist():
        row, column = divmod(point, width)
        if not closed[row + reach, column + reach]:
            mask[row, column] = True
            closed[row : row + side, column : column + side] |= squared < limits[point]
    return mask


def _with_total(
    mask: Bool[np.ndarray, "height width"],
    centre: Bool[np.ndarray, "height width"],
    wanted: int,
    random: np.random.Generator,
) -> Bool[np.ndarray, "height width"]:
    """Add or leave out points at random, outside of the centre."""
    surplus = int(mask.sum()) - wanted
    candidates = np.flatnonzero(mask & ~centre if surplus > 0 else ~mask)
    changed = random.choice(candidates, abs(surplus), replace=False)
    mask.flat[changed] = surplus < 0
    return mask
