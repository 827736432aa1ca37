"""The report of a run: one page that needs no other file, tables and figures beside it.

The page holds its pictures and its style; it loads nothing and runs no script, so it
can be mailed or archived as it is.
"""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from emrnas_jax.machine.files import write_bytes, write_text
from emrnas_jax.reporting import tables, words
from emrnas_jax.reporting.figures.all import all_pictures
from emrnas_jax.reporting.figures.picture import Picture
from emrnas_jax.reporting.figures.reconstructions import pictures_shown_first
from emrnas_jax.reporting.html_parts import (
    folded,
    page_html,
    paragraph,
    picture_html,
    preformatted,
    to_html,
)
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.run import Run, read_run

WIDE = 20  # letters of a fact that do not fit its column


def write_report(run: Path, settings: dict[str, Any] | None = None) -> Path:
    """Write `report/` into the folder `run` of a run, and return the page's path.

    Writes `tables.md`, `tables.tex`, `figures/*.png` and, unless the setting `pdf` is
    False, `figures/*.pdf`, and, last, `index.html`. Each file is whole or not there;
    figures of an earlier report that this one lacks are removed.

    Args:
        run: folder of the run.
        settings: config section `report`; that of the run unless given.

    Raises:
        InputError: the run has no results yet, or a file of it is damaged.
    """
    # Only files of the run are read: a report can be made again without data or device.
    content = read_run(run)
    if settings is not None:
        content = replace(content, config=content.config | {"report": settings})
    pictures = all_pictures(content)
    folder = RunFolder(run).report
    figures = folder / "figures"
    written = set()
    for picture in (picture for group in pictures.values() for picture in group):
        # PNG for the screen and slides, PDF for print.
        for ending, content_of in (("png", picture.png), ("pdf", picture.pdf)):
            if content_of is not None:
                path = figures / f"{picture.name}.{ending}"
                write_bytes(path, content_of)
                written.add(path)
    # A picture of an earlier report would look like one of this run.
    for stale in {*figures.glob("*.png"), *figures.glob("*.pdf")} - written:
        stale.unlink()
    write_text(folder / "tables.md", tables.markdown(content))
    write_text(folder / "tables.tex", tables.latex(content))
    # Last: a page that is there has all the files beside it.
    page = RunFolder(run).page
    write_text(page, page_text(content, pictures))
    return page


def page_text(run: Run, pictures: dict[str, list[Picture]]) -> str:
    """Return the page as HTML.

    Args:
        run: a run.
        pictures: its pictures by section, as from `all_pictures`.
    """
    sections = {
        title: list(filter(None, parts))
        for title, parts in _sections(run, pictures).items()
    }
    return page_html(
        heading=words.heading(run),
        warnings=words.warnings(run),
        lead=" ".join(words.lead(run)),
        facts=words.facts(run),
        wide=WIDE,
        # A section without parts would be a heading and a link to nothing.
        sections={title: parts for title, parts in sections.items() if parts},
    )


def _sections(run: Run, pictures: dict[str, list[Picture]]) -> dict[str, list[str]]:
    """Return the parts of each section by its title; a part that is missing is empty.

    Scores and images come first, what only some readers ask for is folded or last.
    """
    # Tables that the run has no data for are empty texts, which are filtered out.
    table = defaultdict(str, {t.name: to_html(t) for t in tables.all_tables(run)})
    shown = {
        name: [picture_html(one) for one in group] for name, group in pictures.items()
    }
    examples = shown["reconstructions"]
    first = pictures_shown_first(run)
    return {
        "Scores": [table["scores"]],
        "Reconstructions": [
            *examples[:first],
            folded("More reconstructions", examples[first:]),
        ],
        "Comparisons": [
            table["ablations"],
            *shown["ablations"],
            table["consistencies"],
            table["differences"],
            folded("The other pairs of networks", [table["other_differences"]]),
            table["folds"],
            *shown["scores"],
        ],
        "Architecture": [
            _architecture(run),
            table["architectures"],
            *shown["architecture"],
            folded("The architectures of the others", shown["other architectures"]),
        ],
        "Search": [
            *shown["search"],
            *shown["probabilities"][:1],
            folded("The other folds", shown["probabilities"][1:]),
            folded("The other searches", shown["other searches"]),
        ],
        "Training": [
            *shown["retraining"][:1],
            folded("More networks", shown["retraining"][1:]),
        ],
        "Protocol": [
            *map(paragraph, words.protocol(run)),
            table["subjects"],
            table["commands"],
            _config(run),
        ],
        "Cost": [
            folded(
                "Size, time and work of every network",
                [table["efficiency"], table["cost"]],
            )
        ],
    }


def _architecture(run: Run) -> str:
    if run.searched is None:
        return ""
    return paragraph(str(run.searched.architecture), "architecture")


def _config(run: Run) -> str:
    if not run.config:
        return ""
    # Names of data sets and folders stay readable outside ASCII.
    text = json.dumps(run.config, indent=2, ensure_ascii=False)
    return folded("The run's config", [preformatted(text)])
