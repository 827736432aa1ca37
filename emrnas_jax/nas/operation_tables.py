"""Tables of candidate operations: complete those of older files, and compare two.

A run keeps the operations that it was begun with, names, dilations and connections, so
that it can be read when the package has others.
"""

from collections.abc import Sequence

from emrnas_jax.errors import InputError
from emrnas_jax.nas.space import OPERATIONS, TABLE_1, Operation


def completed_operations(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Return the operations of a file, with the dilations that an older one leaves out.

    Raises:
        InputError: there are none, or two have one name.
    """
    names = [operation.name for operation in operations]
    if not names or len(set(names)) != len(names):
        raise InputError(f"expected operations of different names, found {names}")
    now = {operation.name: operation for operation in OPERATIONS}
    return tuple(own if own.dilations else now.get(own.name, own) for own in operations)


def unnamed_operations(count: int) -> tuple[Operation, ...]:
    """Return the operations of a file of an older version, which does not name them.

    Args:
        count: number of operations in the file.
    """
    known = (*TABLE_1, *OPERATIONS[len(TABLE_1) :])[:count]
    more = range(len(known) + 1, count + 1)
    return (*known, *(Operation(f"O{number}", (), ()) for number in more))


def with_newer(
    operations: tuple[Operation, ...], now: tuple[Operation, ...]
) -> tuple[Operation, ...]:
    """Return a run's operations, followed by those of now that have other names."""
    names = {operation.name for operation in operations}
    return (*operations, *(own for own in now if own.name not in names))


def in_words(operations: Sequence[Operation]) -> str:
    """Return, for example, `8 operations O1..O8`."""
    names = [operation.name for operation in operations]
    numbered = names == [f"O{number}" for number in range(1, len(names) + 1)]
    text = f"{names[0]}..{names[-1]}" if numbered else ", ".join(names)
    return f"{len(names)} operations {text}"


def changes(old: Sequence[Operation], new: Sequence[Operation]) -> str:
    """Return how the second operations differ from the first, for a message."""
    before, after = ({own.name: own for own in table} for table in (old, new))
    found = [f"{name} is new" for name in after if name not in before]
    found += [f"{name} is gone" for name in before if name not in after]
    found += [
        f"{name} has {_form(after[name])}, not {_form(own)}"
        for name, own in before.items()
        if name in after and after[name] != own
    ]
    return "; ".join(found) or "they are in another order"


def _form(operation: Operation) -> str:
    dilations = "-".join(map(str, operation.dilations))
    return f"dilations {dilations}, connections {list(operation.connections)}"
