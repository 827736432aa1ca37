"""The architectures of a run: which search found each, and which networks have it."""

from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.reporting.names import display_name, in_order
from emrnas_jax.reporting.run import Run

_NOT_SEARCHED = {"random": "Drawn at random", "given": "Given"}


def architecture_table(run: Run) -> Table | None:
    """Every architecture of a run; None where one search found the only one."""
    networks = run.results.networks
    rows = []
    for name, search in run.results.searches.items():
        own = run.of_search(name) if name in run.other_searched else run
        title = f"Search of {display_name(name)}"
        users = [n for n in in_order(search.networks) if n in networks]
        of_folds = [n for n in users if networks[n].architecture_source == "fold"]
        shared = [n for n in users if n not in of_folds]
        rows.append((title, "Ensemble", search.architecture, _names(shared)))
        for fold in own.folds:
            if fold.searched:
                text = str(fold.searched.architecture)
                rows.append((title, f"Fold {fold.number}", text, _names(of_folds)))
    searched = len(rows)
    others: dict[tuple[str, str], list[str]] = {}
    for name in in_order(networks):
        source = networks[name].architecture_source
        if source in _NOT_SEARCHED:
            text = str(networks[name].settings.get("architecture", ""))
            others.setdefault((source, text), []).append(name)
    rows += [
        (_NOT_SEARCHED[source], "All folds", text, _names(names))
        for (source, text), names in others.items()
    ]
    users = [line.architecture_source for line in networks.values()]
    if len(run.results.searches) + len(others) < 2 and "fold" not in users:
        return None
    return Table(
        name="architectures",
        title="Architectures",
        caption=(
            "Each search's ensemble, what it found in every fold, and the networks "
            "that are made from it."
            + (
                " Below them the architectures that were not searched."
                if others
                else ""
            )
            if searched
            else "The architectures of the run's networks; none was searched."
        ),
        header=("Found by", "Of", "Architecture", "Networks"),
        align="llpp",
        rows=tuple(tuple(Cell(text) for text in row) for row in rows),
    )


def _names(networks: list[str]) -> str:
    return "; ".join(display_name(name) for name in networks) or "–"
