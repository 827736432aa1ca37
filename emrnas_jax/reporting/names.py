"""How networks, operations and sampling rules are called and coloured in a report."""

import math
from collections.abc import Iterable

from emrnas_jax.nas.space import OPERATIONS

# Also the order of the rows, as in Table 2 of the paper: the searched network last.
_NETWORKS = {
    "zero_filled": "Zero-filled",
    "unet": "U-Net",
    "dccnn": "DC-CNN",
    "rdn": "RDN",
    "cddntdc": "CDDNTDC",
}
_LAST = {"emrnas": "EMR-NAS"}

# Paul Tol's "muted" scheme, told apart with any colour vision, one per operation.
_OPERATION_COLOURS = (
    "#332288",
    "#88ccee",
    "#44aa99",
    "#117733",
    "#999933",
    "#ddcc77",
    "#cc6677",
    "#882255",
    "#aa4499",
)
# Okabe and Ito's scheme for networks and folds.
SERIES_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#4d4d4d",
)


def display_name(network: str) -> str:
    """The name a reader knows, such as `DC-CNN` for `dccnn`; unknown names stay."""
    return (_NETWORKS | _LAST).get(network, network)


def in_order(networks: Iterable[str]) -> list[str]:
    """Zero-filled first, then the paper's order, others, and the searched last."""
    known = list(_NETWORKS)
    return sorted(
        networks,
        key=lambda name: (
            name in _LAST,
            known.index(name) if name in known else len(known),
        ),
    )


def operation_name(index: int) -> str:
    """Name of operation `index`, counted from 0."""
    return OPERATIONS[index].name if index < len(OPERATIONS) else f"O{index + 1}"


def operation_colour(index: int) -> str:
    """Colour of operation `index`, the same in every figure."""
    return _OPERATION_COLOURS[index % len(_OPERATION_COLOURS)]


def series_colour(index: int) -> str:
    """Colour of a network or a fold by its position."""
    return SERIES_COLOURS[index % len(SERIES_COLOURS)]


def number(value: float | None, digits: int) -> str:
    """`value` with so many decimals and a true minus sign; a dash for no number."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int) -> str:
    """As `number`, with a plus sign where it is not negative."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def percent(fraction: float) -> str:
    """`fraction` in percent with at most one decimal, such as `15 %`."""
    return f"{100 * fraction:.1f}".removesuffix(".0") + "\u00a0%"
