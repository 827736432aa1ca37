"""Paired differences between networks: one of them, and the tables of all."""

from msgspec import structs

from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.reporting.networks import best_other, main_network, titles_of
from emrnas_jax.reporting.numbers import MEASURES, signed
from emrnas_jax.runs.results import Comparison, Results
from emrnas_jax.runs.run import Run

Pair = tuple[str, str]


def difference(
    results: Results, network: str, reference: str, measure: str
) -> Comparison | None:
    """Return `network` minus `reference`, turned round where the run has it so."""
    # The file has every pair once, in the order that the networks of the run had then.
    for line in results.comparisons:
        if line.measure != measure:
            continue
        if (line.network, line.reference) == (network, reference):
            return line
        if (line.network, line.reference) == (reference, network):
            return structs.replace(
                line,
                network=network,
                reference=reference,
                mean_difference=-line.mean_difference,
                # The ends of the interval change places with the sign.
                low=-line.high,
                high=-line.low,
            )
    return None


def difference_text(line: Comparison | None) -> str:
    """Return the mean difference, and its interval in brackets."""
    if line is None:
        return "–"
    digits = MEASURES[line.measure].digits
    low, high = signed(line.low, digits), signed(line.high, digits)
    return f"{signed(line.mean_difference, digits)} [{low}, {high}]"


def narrow_text(line: Comparison | None) -> str:
    """Return `difference_text` with the interval in a line of its own."""
    return difference_text(line).replace(" [", "\n[")


def comparison_tables(run: Run) -> list[Table]:
    """Return the pairs with the main network and the best other, then all others."""
    results, unit = run.results, run.results.unit
    main, best = main_network(results), best_other(results)
    pairs = list(
        dict.fromkeys((line.network, line.reference) for line in results.comparisons)
    )
    with_main = [_first(pair, main) for pair in pairs if main in pair]
    with_best = [_first(p, best) for p in pairs if best in p and main not in p]
    rest = [pair for pair in pairs if main not in pair and best not in pair]
    tables = []
    if with_main or with_best:
        tables.append(
            _table(
                run,
                "differences",
                "Paired differences",
                [*with_main, *with_best],
                f"{results.label}: mean difference per test {unit}, both networks on "
                f"the same {unit}s and the same masks, with the bootstrap 95\u00a0% "
                "interval of the mean in brackets, from whole subjects drawn anew. An "
                "interval without zero speaks for a true difference; with fewer than "
                "about ten subjects it is a rough guide.",
            )
        )
    if rest:
        tables.append(
            _table(
                run,
                "other_differences",
                "Paired differences of the other networks",
                rest,
                f"{results.label}: as in the table of paired differences, for the "
                "other pairs of networks.",
            )
        )
    return tables


def _first(pair: Pair, name: str | None) -> Pair:
    return pair if pair[0] == name else (pair[1], pair[0])


def _table(run: Run, name: str, title: str, pairs: list[Pair], caption: str) -> Table:
    measures = list(dict.fromkeys(line.measure for line in run.results.comparisons))
    rows = []
    for network, reference in pairs:
        lines = [difference(run.results, network, reference, m) for m in measures]
        frames = sorted({line.frames for line in lines if line})
        rows.append(
            (
                Cell(titles_of(run.results, (network, reference), " − ")),
                *(Cell(difference_text(line)) for line in lines),
                Cell(" to ".join(f"{count:,}" for count in frames)),
            )
        )
    return Table(
        name=name,
        title=title,
        caption=caption,
        header=(
            "Networks",
            *(MEASURES[measure].title for measure in measures),
            f"{run.results.unit.capitalize()}s",
        ),
        align="l" + "r" * (len(measures) + 1),
        rows=tuple(rows),
    )
