"""The colours of operations, networks and folds, the same in every figure."""

# Paul Tol's "muted" scheme and the grey of his "bright" one, told apart with any
# colour vision, one per operation.
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
    "#bbbbbb",
)
# Okabe and Ito's scheme for networks and folds: a second scheme, so that nobody reads
# a network's colour as an operation's.
SERIES_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#4d4d4d",
)


def operation_colour(index: int) -> str:
    """Colour of operation `index`, the same in every figure."""
    # An operation keeps its colour, so that figures of several runs can be compared. A
    # space of more operations than colours repeats them rather than fails.
    return _OPERATION_COLOURS[index % len(_OPERATION_COLOURS)]


def series_colour(index: int) -> str:
    """Colour of a network or a fold by its position."""
    return SERIES_COLOURS[index % len(SERIES_COLOURS)]
