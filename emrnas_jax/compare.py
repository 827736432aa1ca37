"""Compare the networks of several runs, for example of several seeds.

    python -m emrnas_jax.compare runs/seed_0 runs/seed_1 [--reference emrnas]

Prints, for every network that all runs have, its mean and those of each run, and the
difference to the reference on the same frames. With --output=FILE it writes the tables
into a file instead: FILE.md in Markdown, FILE.tex for LaTeX, FILE.csv as plain numbers.
"""

import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

from emrnas_jax.errors import InputError
from emrnas_jax.machine import host
from emrnas_jax.machine.files import write_text
from emrnas_jax.reporting.markup import to_markdown, to_text
from emrnas_jax.reporting.studies.across_runs import (
    CSV_COLUMNS,
    RunComparison,
    caption,
    compare_runs,
    csv_text,
    latex,
    run_tables,
)

MARK = "written by emrnas_jax.compare"


def define_flags() -> None:
    """Define the flags of this program; not at import, where they would collide."""
    flags.DEFINE_string(
        "reference",
        None,
        "Network to compare with; the first that all runs have if not given.",
    )
    flags.DEFINE_string(
        "output",
        None,
        "File to write in place of printing; it ends in .md, .tex or .csv.",
    )


def main(argv: Sequence[str]) -> None:
    """Print the comparison, or write it into a file.

    Args:
        argv: name of the program, then the folders of the runs.
    """
    given: Any = flags.FLAGS
    with host.clear_errors():
        runs = [Path(folder).expanduser() for folder in argv[1:]]
        if not runs:
            raise InputError("no run is given; name the folders of one run or more")
        output = None if given.output is None else Path(given.output).expanduser()
        if output is not None:
            # Before the bootstrap, which takes seconds that a mistake need not wait.
            refuse_output(output)
        comparison = compare_runs(runs, given.reference)
        if output is not None:
            write_text(output, FORMATS[_ending(output)](comparison))
            print(f"wrote {output}")  # noqa: T201 - the program's answer
        else:
            # 80 letters where the output is no terminal, such as a pipe.
            width = shutil.get_terminal_size().columns
            print(shown(comparison, width))  # noqa: T201 - the program's answer


def shown(comparison: RunComparison, width: int) -> str:
    """Return the text for a terminal with lines of `width` letters."""
    tables = [to_text(table, width) for table in run_tables(comparison)]
    return "\n".join([*tables, textwrap.fill(caption(comparison), width)])


def _markdown(comparison: RunComparison) -> str:
    tables = [to_markdown(table) for table in run_tables(comparison)]
    return "\n".join([f"<!-- {MARK} -->", "", *tables])


def _latex(comparison: RunComparison) -> str:
    # The mark lets a later comparison replace this file, and no other.
    return f"% {MARK}\n{latex(comparison)}"


# The ending alone chooses the format, as nothing else need be remembered.
FORMATS: dict[str, Callable[[RunComparison], str]] = {
    ".md": _markdown,
    ".tex": _latex,
    ".csv": csv_text,
}


def refuse_output(path: Path) -> None:
    """Refuse a file that cannot be written, or that another program wrote.

    Raises:
        InputError: the ending is unknown, or the file is there and not of this command.
    """
    if _ending(path) not in FORMATS:
        raise InputError(
            f"--output: {path} ends in none of {', '.join(FORMATS)}; name a file that "
            "does"
        )
    if path.exists():
        # The file may be any: bytes that are no text must not raise.
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
        # A comment is no part of CSV: there the columns tell.
        if MARK not in first and not first.startswith(",".join(CSV_COLUMNS)):
            raise InputError(
                f"--output: {path} is there and was not written by this command; "
                "name another file, or delete it"
            )


def _ending(path: Path) -> str:
    # An ending in capitals names the same format.
    return path.suffix.lower()


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=host.parse_or_exit)
