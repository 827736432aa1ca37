"""Compare the networks of several runs, for example of several seeds.

    python -m emrnas_jax.compare runs/seed_0 runs/seed_1 [--reference emrnas]

Prints a table of Markdown: for every network that all runs have, its mean and those of
each run, and the difference to the reference on the same frames; see `across_runs`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from emrnas_jax import host
from emrnas_jax.across_runs import comparison_of_runs
from emrnas_jax.reporting.markup import to_markdown


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(
        prog="python -m emrnas_jax.compare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="its folder")
    parser.add_argument(
        "--reference", help="network to compare with; the first unless given"
    )
    options = parser.parse_args(arguments)
    with host.clear_errors():
        table = comparison_of_runs(options.runs, options.reference)
        print(to_markdown(table), end="")  # noqa: T201 - the program's answer


if __name__ == "__main__":
    main()
