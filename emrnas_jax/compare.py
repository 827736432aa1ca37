"""Compare the networks of several runs, for example of several seeds.

    python -m emrnas_jax.compare runs/seed_0 runs/seed_1 [--reference emrnas]

Prints, for every network that all runs have, its mean and those of each run, and the
difference to the reference on the same frames. With --output=FILE it writes the tables
into a file instead: FILE.md in Markdown, FILE.tex for LaTeX, FILE.csv as plain numbers.
"""

import argparse
import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison, or write it into a file."""
    options = _parser().parse_args(arguments)
    with host.clear_errors():
        if options.output:
            refuse_output(options.output)
        comparison = compare_runs(options.runs, options.reference)
        if options.output:
            write_text(options.output, FORMATS[_ending(options.output)](comparison))
            print(f"wrote {options.output}")  # noqa: T201 - the program's answer
        else:
            width = shutil.get_terminal_size().columns
            print(shown(comparison, width))  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emrnas_jax.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="its folder")
    parser.add_argument(
        "--reference", help="network to compare with; the first unless given"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write instead of printing; it ends in .md, .tex or .csv",
    )
    return parser


def shown(comparison: RunComparison, width: int) -> str:
    """Return the text for a terminal with lines of `width` letters."""
    tables = [to_text(table, width) for table in run_tables(comparison)]
    return "\n".join([*tables, textwrap.fill(caption(comparison), width)])


def _markdown(comparison: RunComparison) -> str:
    tables = [to_markdown(table) for table in run_tables(comparison)]
    return "\n".join([f"<!-- {MARK} -->", "", *tables])


def _latex(comparison: RunComparison) -> str:
    return f"% {MARK}\n{latex(comparison)}"


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
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline()
        # A comment is no part of CSV: there the columns tell.
        if MARK not in first and not first.startswith(",".join(CSV_COLUMNS)):
            raise InputError(
                f"--output: {path} is there and was not written by this command; "
                "name another file, or delete it"
            )


def _ending(path: Path) -> str:
    return path.suffix.lower()


if __name__ == "__main__":
    main()
