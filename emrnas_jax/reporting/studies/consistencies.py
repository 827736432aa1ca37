"""One network under several data consistencies: how much is the images' symmetry?"""

import json

from emrnas_jax.models.catalogue import CONSISTENCY_TITLES, named
from emrnas_jax.reporting.markup import Cell, Table
from emrnas_jax.reporting.networks import in_order
from emrnas_jax.reporting.numbers import number
from emrnas_jax.reporting.studies.pairs import difference, narrow_text
from emrnas_jax.runs.results import NetworkScore
from emrnas_jax.runs.run import Run

# The first is what the others are compared to.
CONSISTENCIES = {name: title.capitalize() for name, title in CONSISTENCY_TITLES.items()}


def consistency_table(run: Run) -> Table | None:
    """Scores of networks that differ in their consistency alone; None without any."""
    networks = run.results.networks
    # Networks are grouped by their settings: a network of any name may be compared.
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    for name in in_order(run.results, networks):
        consistency = networks[name].settings.get("consistency")
        if consistency in CONSISTENCIES:
            groups.setdefault(_likeness(networks[name]), {}).setdefault(
                consistency, name
            )
    groups = {key: names for key, names in groups.items() if len(names) > 1}
    if not groups:
        return None
    used = [c for c in CONSISTENCIES if any(c in names for names in groups.values())]
    single, *others = used if used[0] == "single" else ("single", *used)
    rows = []
    for key, names in groups.items():
        parameters = networks[next(iter(names.values()))].parameters
        row = [named(key[0]).title, "–" if parameters is None else f"{parameters:,}"]
        row += [_score(networks[names[c]]) if c in names else "–" for c in used]
        for other in others:
            line = (
                difference(run.results, names[other], names[single], "psnr_db")
                if other in names and single in names
                else None
            )
            row.append(narrow_text(line))
        rows.append(tuple(Cell(text) for text in row))
    return Table(
        name="consistencies",
        title="Data consistency",
        caption=(
            f"{run.results.label}: PSNR in dB (SSIM) of the same network with each "
            "data consistency, and the mean paired gain in PSNR per test "
            f"{run.results.unit} over the single one, with the bootstrap "
            "95\u00a0% interval in brackets. "
            "The two-step and the real consistency use that the images are real-valued "
            "and not negative: their gains do not carry over to complex data."
        ),
        header=(
            "Network",
            "Parameters",
            *(CONSISTENCIES[c] for c in used),
            *(f"{CONSISTENCIES[other]} − single (dB)" for other in others),
        ),
        align="l" + "r" * (1 + len(used) + len(others)),
        rows=tuple(rows),
    )


def _likeness(line: NetworkScore) -> tuple[str, ...]:
    """Return a key that is equal for networks differing in their consistency alone.

    An architecture that each searched for itself may differ.
    """
    same = {k: v for k, v in line.settings.items() if k != "consistency"}
    if line.architecture_source in ("ensemble", "fold"):
        same.pop("architecture", None)
    return line.kind, line.architecture_source, json.dumps(same, sort_keys=True)


def _score(line: NetworkScore) -> str:
    return f"{number(line.psnr_db_mean, 2)} ({number(line.ssim_mean, 4)})"
