"""How networks, operations and sampling rules are called and coloured in a report."""

import math
import re
from collections.abc import Iterable

# Also the order of the rows, as in Table 2 of the paper, whose own network comes last.
_NETWORKS = {
    "zero_filled": "Zero-filled",
    "tv": "Total variation",
    "unet": "U-Net",
    "dccnn": "DC-CNN",
    "rdn": "RDN",
    "cddntdc": "CDDNTDC",
}
_LAST = {"emrnas": "EMR-NAS"}
# What follows a network's name, and the order of its variations.
_FORMS = {
    "matched": "size-matched",
    "single": "single",
    "two_step": "two-step",
    "real": "real",
}
_VARIANTS = {
    "one_path": "One path",
    "no_decay": "One path, no decay",
    "two_paths": "Two paths",
    "darts": "DARTS",
    "argmax": "Argmax",
    "random_search": "Random search",
}

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
    """The name a reader knows, such as `DC-CNN, real` for `dccnn_real`.

    Ablations have the letters of Table 3. Unknown names stay.
    """
    known = _NETWORKS | _LAST | _VARIANTS
    if network in known:
        return known[network]
    if match := re.fullmatch(r"ablation_([a-z])(_single)?", network):
        return match[1].upper() + (", one operation" if match[2] else "")
    if match := re.fullmatch(r"random_(\d+)", network):
        return f"Random {match[1]}"
    base, form = _split(network)
    return f"{known[base]}, {_FORMS[form]}" if form else network


def in_order(networks: Iterable[str]) -> list[str]:
    """Zero-filled first, then the paper's order, others, ablations, and EMR-NAS last.

    A network's variations follow it; EMR-NAS follows its own. Others keep their order.
    """
    return sorted(networks, key=_rank)


def _rank(network: str) -> tuple[int, int, str]:
    base, form = _split(network)
    position = list(_FORMS).index(form) if form else -1
    if base in _LAST:
        return len(_NETWORKS) + 2, position if form else len(_FORMS), ""
    if base in _NETWORKS:
        return list(_NETWORKS).index(base), position, ""
    if network.startswith("ablation_"):
        return len(_NETWORKS) + 1, 0, network
    return len(_NETWORKS), 0, ""


def _split(network: str) -> tuple[str, str]:
    """The known network and the form that a name is made of; else itself and ""."""
    for form in _FORMS:
        base = network.removesuffix(f"_{form}")
        if base != network and base in _NETWORKS | _LAST:
            return base, form
    return network, ""


def operation_colour(index: int) -> str:
    """Colour of operation `index`, the same in every figure."""
    return _OPERATION_COLOURS[index % len(_OPERATION_COLOURS)]


def series_colour(index: int) -> str:
    """Colour of a network or a fold by its position."""
    return SERIES_COLOURS[index % len(SERIES_COLOURS)]


def counted(count: int, noun: str) -> str:
    """`count` with its noun, such as `1 run` and `1,200 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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
