"""Paired differences between networks, and which of them a run is about."""

from collections.abc import Iterable

from msgspec import structs

from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.reporting.names import display_name, signed
from emrnas_jax.runs.results import Comparison, Results
from emrnas_jax.runs.run import Run

BASELINE = "zero_filled"
SEARCHED = ("emrnas", "ablation_a")  # model A of Table 3 is the paper's network

MEASURES = {"psnr_db": ("PSNR (dB)", 2), "ssim": ("SSIM", 4)}  # title and decimals

Pair = tuple[str, str]


def main_network(results: Results) -> str | None:
    """The network that a run is about: the paper's, else the best by PSNR."""
    for name in SEARCHED:
        if name in results.networks:
            return name
    return _best(results, results.networks)


def best_other(results: Results) -> str | None:
    """The best of the other networks by PSNR; zero-filling is none."""
    main = main_network(results)
    return _best(results, [name for name in results.networks if name != main])


def _best(results: Results, names: Iterable[str]) -> str | None:
    return max(
        (name for name in names if name != BASELINE),
        key=lambda name: results.networks[name].psnr_db_mean,
        default=None,
    )


def difference(
    results: Results, network: str, reference: str, measure: str
) -> Comparison | None:
    """The comparison of `network` minus `reference`, turned round where necessary."""
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
                low=-line.high,
                high=-line.low,
            )
    return None


def difference_text(line: Comparison | None) -> str:
    """The mean difference, and its interval in brackets."""
    if line is None:
        return "–"
    digits = MEASURES.get(line.measure, ("", 4))[1]
    low, high = signed(line.low, digits), signed(line.high, digits)
    return f"{signed(line.mean_difference, digits)} [{low}, {high}]"


def narrow_text(line: Comparison | None) -> str:
    """As `difference_text`, the interval in a line of its own: for wide tables."""
    return difference_text(line).replace(" [", "\n[")


def comparison_tables(run: Run) -> list[Table]:
    """The pairs with the main network and with the best other; then all the others."""
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
                Cell(f"{display_name(network)} − {display_name(reference)}"),
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
            *(MEASURES.get(measure, (measure, 4))[0] for measure in measures),
            f"{run.results.unit.capitalize()}s",
        ),
        align="l" + "r" * (len(measures) + 1),
        rows=tuple(rows),
    )
