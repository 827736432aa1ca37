"""A space whose networks differ in quality and in time: that of `models.wide`.

A component of the half-resolution cascade has one cell, its body. The candidates differ
in depth, width, resolution and reach, and one of them leaves the component out. A
search thus decides how many components there are and how many convolutions stand
between two data consistencies, which the paper's space has fixed.

Not published: this package's own space.
"""

from collections.abc import Sequence

from emrnas_jax.nas.space import Operation

WIDE = (
    Operation("skip", (), (), is_present=False),
    # The component's first and last convolutions alone.
    Operation("thin", (), ()),
    # The body of the half-resolution cascade as it is.
    Operation("pair", (1, 1), ()),
    Operation("four", (1, 1, 1, 1), ()),
    Operation("dilated", (1, 2), ()),
    Operation("narrow", (1, 1), (), expansion=0.5),
    Operation("broad", (1, 1), (), expansion=2.0),
    # Two levels: the component adds what the lower one finds to its own features.
    Operation("low", (1, 1), (), expansion=2.0, level=1),
    Operation("high", (1, 1), (), expansion=0.25, level=-1),
    # Lines that were not measured alias along the phase encoding, over the whole image.
    Operation("long", (1,), (), reach=17),
)


def is_wide(operations: Sequence[Operation]) -> bool:
    """Return whether all operations are bodies of this space, by their names."""
    names = {own.name for own in WIDE}
    return all(own.name in names for own in operations)
