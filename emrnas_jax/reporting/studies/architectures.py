"""The architectures of a run: which search found each, and which networks have it."""

from emrnas_jax.reporting.certainty import chosen_text, draw_limit, moved, uniform
from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.reporting.networks import in_order, title_of, titles_of
from emrnas_jax.reporting.numbers import percent
from emrnas_jax.runs.run import Run, Searched

_NOT_SEARCHED = {"random": "Drawn at random", "given": "Given"}


def architecture_table(run: Run) -> Table | None:
    """Return every architecture of a run; None where one search found the only one."""
    searched, others = _searched_rows(run), _other_rows(run)
    users = [line.architecture_source for line in run.results.networks.values()]
    several = {"fold", "front"} & set(users)
    if len(run.results.searches) + len(others) < 2 and not several:
        return None
    return Table(
        name="architectures",
        title="Architectures",
        caption=_caption(run, bool(searched), bool(others)),
        header=("Found by", "Of", "Architecture", "p of the choices", "Networks"),
        align="llppp",
        rows=tuple(tuple(Cell(text) for text in row) for row in (*searched, *others)),
    )


def _searched_rows(run: Run) -> list[tuple[str, ...]]:
    networks = run.results.networks
    rows = []
    for name, search in run.results.searches.items():
        own = run.of_search(name) if name in run.other_searched else run
        found_by = f"Search of {title_of(run.results, name)}"
        users = [n for n in in_order(run.results, search.networks) if n in networks]
        of_folds = [n for n in users if networks[n].architecture_source == "fold"]
        placed = [n for n in users if networks[n].architecture_source == "front"]
        rest = [n for n in users if n not in (*of_folds, *placed)]
        shared = _names(run, rest)
        rows.append(
            (found_by, "Ensemble", search.architecture, _p_text(own.searched), shared)
        )
        of_front: dict[str, list[str]] = {}
        for user in placed:
            text = str(networks[user].settings.get("architecture", ""))
            of_front.setdefault(text, []).append(user)
        rows += [
            (found_by, "Place of the front", text, "–", _names(run, names))
            for text, names in of_front.items()
        ]
        for fold in own.folds:
            if fold.searched:
                text, p = str(fold.searched.architecture), _p_text(fold.searched)
                rows.append(
                    (found_by, f"Fold {fold.number}", text, p, _names(run, of_folds))
                )
    return rows


def _other_rows(run: Run) -> list[tuple[str, ...]]:
    networks = run.results.networks
    found: dict[tuple[str, str], list[str]] = {}
    for name in in_order(run.results, networks):
        source = networks[name].architecture_source
        if source in _NOT_SEARCHED:
            text = str(networks[name].settings.get("architecture", ""))
            found.setdefault((source, text), []).append(name)
    return [
        (_NOT_SEARCHED[source], "All folds", text, "–", _names(run, names))
        for (source, text), names in found.items()
    ]


def _caption(run: Run, searched: bool, others: bool) -> str:
    if not searched:
        return "The architectures of the run's networks; none was searched."
    sentences = [
        "Each search's ensemble, what it found in every fold, and the networks that "
        "are made from it."
    ]
    searches = [own for own in (run.searched, *run.other_searched.values()) if own]
    every = [moved(own.probabilities) for own in searches]
    found = [p for p in every if p is not None]
    if found:
        p = found[0]  # all searches have the same operations
        sentences.append(
            "p is the smallest and the largest of the chosen operations; in the "
            "ensemble it is the mean over folds. A uniform choice has "
            f"{percent(uniform(p))}, and a choice with less than "
            f"{percent(draw_limit(p))} is called close to a draw."
        )
    networks = run.results.networks.values()
    if any(line.architecture_source == "front" for line in networks):
        sentences.append(
            "A place of the front is an architecture of a certain time, from the front "
            "or among the candidates."
        )
    if others:
        sentences.append("Below them the architectures that were not searched.")
    return " ".join(sentences)


def _p_text(searched: Searched | None) -> str:
    p = None if searched is None else moved(searched.probabilities)
    if searched is None or p is None:
        return "–"
    return chosen_text(searched.architecture, p)


def _names(run: Run, networks: list[str]) -> str:
    return titles_of(run.results, networks, "; ") or "–"
