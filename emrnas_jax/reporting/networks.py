"""Names, order and groups of the networks of a run in a report.

`results.json` has every network's title, group and reference. Runs of older versions
lack them; the catalogue of networks supplies them by name.
"""

from collections.abc import Iterable
from typing import NamedTuple

from emrnas_jax.models.catalogue import (
    ABLATION,
    ABLATIONS,
    CONSISTENCY_TITLES,
    KINDS,
    ZERO_FILLED,
    named,
)
from emrnas_jax.runs.results import Results

# Names of the paper's network: model A of Table 3 is the same one.
SEARCHED = ("emrnas", "ablation_a")


class Shown(NamedTuple):
    """A network as a report shows it.

    Attributes:
        title: name in words.
        group: networks that one question compares, such as "ablations"; "" without.
        reference: name of the network that it is compared with; "" without.
    """

    title: str
    group: str
    reference: str


def shown(results: Results, name: str) -> Shown:
    """Return how the network `name` is shown; an unknown one has its name for title."""
    line = results.networks.get(name)
    # A search may go by the name of a network that was given up and has no scores.
    # Runs of older versions have scores without titles.
    if line is None or not line.title:
        line = named(name)
    return Shown(line.title, line.group, line.reference)


def title_of(results: Results, name: str) -> str:
    """Return the name in words of a network, such as `DC-CNN, real`."""
    return shown(results, name).title


def titles_of(results: Results, names: Iterable[str], separator: str = ", ") -> str:
    """Return the names in words of several networks."""
    return separator.join(title_of(results, name) for name in names)


def _family(kind: str) -> tuple[str, ...]:
    forms = ("matched", *CONSISTENCY_TITLES)
    return kind, *(f"{kind}_{form}" for form in forms)


# As in Table 2 of the paper, each network before its own variations. The paper's own
# comes last, after its variations, and networks that are not named here before it.
_OTHERS = (kind for kind in KINDS if kind != "emrnas")
_FIRST = (ZERO_FILLED, *(name for kind in _OTHERS for name in _family(kind)))
_LAST = (*ABLATIONS, *_family("emrnas")[1:], "emrnas")


def in_order(results: Results, networks: Iterable[str]) -> list[str]:
    """Sort names as the tables of the paper do; others keep their order.

    Zero-filling comes first and the paper's own network last. Ablations that are not of
    the paper stand before its own.
    """

    # Known names have one order, however the config lists them.
    def rank(name: str) -> tuple[int, int]:
        if name in _FIRST:
            return 0, _FIRST.index(name)
        if name in _LAST:
            return 3, _LAST.index(name)
        return (2 if shown(results, name).group == ABLATION else 1), 0

    return sorted(networks, key=rank)


def main_network(results: Results) -> str | None:
    """Return the network that a run is about: the paper's, else the best by PSNR."""
    # The paper's network is the subject even where another scores better, so a loss is
    # reported as one.
    for name in SEARCHED:
        if name in results.networks:
            return name
    return _best(results, results.networks)


def best_other(results: Results) -> str | None:
    """Return the best of the other networks by PSNR; zero-filling is none."""
    main = main_network(results)
    return _best(results, [name for name in results.networks if name != main])


def _best(results: Results, names: Iterable[str]) -> str | None:
    return max(
        # Zero-filling is a baseline, not a network to choose.
        (name for name in names if name != ZERO_FILLED),
        key=lambda name: results.networks[name].psnr_db_mean,
        default=None,
    )
