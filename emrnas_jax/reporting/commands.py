"""The commands that worked on a run: when, for how long, with what and on what.

Times are UTC. A run that was begun before they were recorded has none.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from emrnas_jax.machine.progress import duration
from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.runs.provenance import Command
from emrnas_jax.runs.run import Run


def command_facts(run: Run) -> dict[str, str]:
    """Date, total time, device and versions of a run; empty where none is recorded."""
    commands = run.commands
    if not commands:
        return {}
    days = [_began(line).strftime("%Y-%m-%d") for line in commands]
    return {
        # A run within one day shows that day, not a range of equal ends.
        "Date": " to ".join(dict.fromkeys((min(days), max(days)))),
        "Total time": _time(sum(line.seconds for line in commands)),
        "Device": _each(line.device for line in commands),
        "Versions": _each(versions(line) for line in commands),
    }


def command_table(run: Run) -> Table:
    """Return every command with its time; successive equal ones are one row."""
    groups: list[list[Command]] = []
    for line in run.commands:
        # Only neighbours are joined, so the table keeps the order of the work.
        if groups and _same(groups[-1][-1], line):
            groups[-1].append(line)
        else:
            groups.append([line])
    return Table(
        name="commands",
        title="Commands",
        caption=(
            "What worked on this run, in order. Time is that of the commands alone, "
            "without the pauses between them; a command that was killed and started "
            "again has several starts. The last row counts up to this report."
        ),
        header=("First start (UTC)", "Starts", "Time", "Command", "Versions", "Device"),
        align="lrrppp",
        rows=tuple(tuple(Cell(text) for text in _texts(group)) for group in groups),
    )


def _texts(group: list[Command]) -> tuple[str, ...]:
    first = group[0]
    return (
        _began(first).strftime("%Y-%m-%d %H:%M"),
        str(len(group)),
        _time(sum(line.seconds for line in group)),
        first.command,
        versions(first),
        first.device,
    )


def _same(one: Command, other: Command) -> bool:
    return (one.command, versions(one), one.device) == (
        other.command,
        versions(other),
        other.device,
    )


def _began(line: Command) -> datetime:
    # A run may move between time zones; one zone keeps its starts in order.
    return datetime.fromisoformat(line.began).astimezone(UTC)


def _each(texts: Iterable[str]) -> str:
    # A dict keeps the order in which they were used; a set would not.
    return "; ".join(dict.fromkeys(texts))


def versions(line: Command) -> str:
    """Return the versions that a command worked with."""
    # A non-breaking space keeps each version on the line of its name.
    named = ("emrnas_jax", line.emrnas_jax), ("JAX", line.jax), ("Python", line.python)
    return ", ".join(f"{name}\u00a0{version}" for name, version in named)


def _time(seconds: float) -> str:
    """Return a time in which no line breaks between a number and its unit."""
    return duration(seconds).replace(" ", "\u00a0")
